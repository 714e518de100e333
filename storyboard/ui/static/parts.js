// Small parts that components share: buttons, sliders, switches, and lists that keep their elements.
import {el, icon, setAttr, setText} from './dom.js';

/** A button with words, and a picture before them if it has one. */
export function makeButton(text, act, {picture = '', kind = '', ...attributes} = {}) {
  return el('button', {type: 'button', class: `button ${kind}`.trim(), on: {click: act}, ...attributes},
    picture ? icon(picture) : null, el('span', {text}));
}

/** A button with a picture alone; `label` is its name. */
export function makeIconButton(picture, label, act, attributes = {}) {
  return el('button', {type: 'button', class: 'icon-button', 'aria-label': label, title: label, on: {click: act},
    ...attributes}, icon(picture));
}

export function setLabel(button, label) {
  setAttr(button, 'aria-label', label);
  setAttr(button, 'title', label);
}

let ids = 0;
export const newId = name => `${name}-${++ids}`;

/** A slider with its name and value. `show(value)` words it; `live(value)` is told while it moves. */
export function makeSlider({label, min, max, step, show = String, live}) {
  const id = newId('slider');
  const input = el('input', {type: 'range', id, min, max, step});
  const output = el('output', {for: id});
  const tell = () => {
    const words = show(Number(input.value));
    setText(output, words);
    input.setAttribute('aria-valuetext', words);
    input.style.setProperty('--share', (input.value - input.min) / (input.max - input.min || 1));
  };
  const name = el('label', {for: id, text: label});
  const node = el('div', {class: 'field slider'}, el('div', {class: 'line'}, name, output), input);
  input.addEventListener('input', () => { tell(); live(Number(input.value)); });
  return {node, input, set: value => { input.value = value; tell(); }};
}

/** One of a few words, as radio buttons side by side. */
export function makeChoice(label, options, send) {
  const name = newId('choice');
  const radios = options.map(([value, text]) => {
    const radio = el('input', {type: 'radio', name, value});
    radio.addEventListener('change', () => send(value));
    return el('label', {}, radio, el('span', {text}));
  });
  const node = el('fieldset', {class: 'field choice'}, el('legend', {text: label}),
    el('div', {class: 'segments'}, ...radios));
  const set = value => radios.forEach(({firstChild}) => { firstChild.checked = firstChild.value === value; });
  return {node, set};
}

/** On or off. */
export function makeSwitch(label, send) {
  const input = el('input', {type: 'checkbox', role: 'switch'});
  input.addEventListener('change', () => send(input.checked));
  const words = el('span', {class: 'words'}, el('span', {text: label}));
  const node = el('label', {class: 'switch'}, input, words);
  return {node, input, set: on => { input.checked = on; }};
}

export const quoted = text => `“${text}”`;

/** Children made once for each key, in order; those that are there already stay. `make(item)` gives a node,
    `paint(node, item)` fills it. */
export function keyed(parent, items, keyOf, make, paint) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]));
  items.forEach((item, i) => {
    const key = String(keyOf(item));
    let node = old.get(key);
    if (node) old.delete(key);
    else { node = make(item); node.dataset.key = key; }
    if (parent.children[i] !== node) parent.insertBefore(node, parent.children[i] || null);
    paint(node, item, i);
  });
  old.forEach(node => node.remove());
}

/** A verb about the story as it is saved; takes over the story that comes back. Gives null after an error, which a
    toast tells. */
export async function ask(store, verb, args = {}) {
  try {
    await store.drained();
    const reply = await store.call(verb, {story: store.state.story.id, ...args});
    if (reply.story) store.accept(reply.story);
    return reply;
  } catch { return null; }
}
