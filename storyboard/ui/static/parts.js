// Small parts that components share: buttons, sliders, switches, and lists that keep their elements.
import {el, icon, setAttr, setText} from './dom.js';

/** A button with words, and a picture before them if it has one. */
export function makeButton(text, act, {picture = '', kind = '', ...attributes} = {}) {
  return el('button', {type: 'button', class: `button ${kind}`.trim(), on: {click: act}, ...attributes},
    picture ? icon(picture) : null, el('span', {text}));
}

/** A button with a picture alone; `label` is its name. */
export function makeIconButton(picture, label, act, attributes = {}) {
  return el('button', {type: 'button', class: 'icon-button', 'aria-label': label, title: label, on: {click: act}, ...attributes}, icon(picture));
}

export function setLabel(button, label) {
  setAttr(button, 'aria-label', label);
  setAttr(button, 'title', label);
}

let ids = 0;
export const newId = name => `${name}-${++ids}`;

const SETTLE = 250;                                      // milliseconds after the last change until it is sent
const SESSION = 1500;                                    // keys pressed closer together than this are one step of undo

/** What turns the many changes of a drag into few edits of one group. `send(value, group)`. */
export function makeSender(send) {
  let timer = 0, group = '', last = 0, held = false, pending = null;
  const flush = () => {
    clearTimeout(timer);
    if (pending === null) return;
    const {value} = pending;
    pending = null;
    send(value, group);
  };
  const sender = {
    get busy() { return held || pending !== null; },
    hold() { held = true; group = newId('drag'); },
    release() { held = false; flush(); },
    flush,
    change(value) {
      const now = performance.now();
      if (!held && (now - last > SESSION || !group)) group = newId('drag');
      last = now;
      pending = {value};
      clearTimeout(timer);
      timer = setTimeout(flush, SETTLE);
    },
  };
  return sender;
}

/** Tells a sender when a range input is held and let go; `read()` gives the value to send. */
export function wireRange(input, sender, read) {
  input.addEventListener('pointerdown', () => sender.hold());
  for (const name of ['pointerup', 'pointercancel', 'blur']) input.addEventListener(name, () => sender.release());
  input.addEventListener('input', () => sender.change(read()));
}

/** A slider with its name and value. `show(value)` words it; `live(value)` is told while it moves, `send(value, group)` after. */
export function makeSlider({label, help = '', min, max, step, show = String, live = () => {}, send}) {
  const id = newId('slider');
  const input = el('input', {type: 'range', id, min, max, step});
  const output = el('output', {for: id});
  const sender = makeSender(send);
  const tell = () => {
    const words = show(Number(input.value));
    setText(output, words);
    input.setAttribute('aria-valuetext', words);
    input.style.setProperty('--share', (input.value - input.min) / (input.max - input.min || 1));
  };
  const name = el('label', {for: id, text: label});
  const node = el('div', {class: 'field slider'}, el('div', {class: 'line'}, name, output), input);
  if (help) {
    input.setAttribute('aria-describedby', `${id}-help`);
    node.append(el('p', {class: 'explain', id: `${id}-help`, text: help}));
  }
  wireRange(input, sender, () => Number(input.value));
  input.addEventListener('input', () => { tell(); live(Number(input.value)); });
  const set = value => {
    if (sender.busy) return;
    if (Number(input.value) !== value) input.value = value;
    tell();
  };
  return {node, input, set, flush: sender.flush, tell};
}

/** One of a few words, as radio buttons side by side. */
export function makeChoice(label, options, send) {
  const name = newId('choice');
  const radios = options.map(([value, text]) => {
    const radio = el('input', {type: 'radio', name, value});
    radio.addEventListener('change', () => send(value));
    return el('label', {}, radio, el('span', {text}));
  });
  const node = el('fieldset', {class: 'field choice'}, el('legend', {text: label}), el('div', {class: 'segments'}, ...radios));
  const set = value => radios.forEach(({firstChild}) => { firstChild.checked = firstChild.value === value; });
  return {node, set};
}

/** On or off. */
export function makeSwitch(label, send, help = '') {
  const input = el('input', {type: 'checkbox', role: 'switch'});
  input.addEventListener('change', () => send(input.checked));
  const words = el('span', {class: 'words'}, el('span', {text: label}));
  if (help) words.append(el('small', {text: help}));
  const node = el('label', {class: 'switch'}, input, words);
  return {node, input, set: on => { input.checked = on; }};
}

export const quoted = text => `“${text}”`;

/** Children made once for each key, in order; those that are there already stay. `make(item)` gives a node, `paint(node, item)` fills it. */
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

/** A verb about the story as it is saved; takes over the story that comes back. Gives null after an error, which a toast tells. */
export async function ask(store, verb, args = {}) {
  try {
    await store.drained();
    const reply = await store.call(verb, {story: store.state.story.id, ...args});
    if (reply.story) store.accept(reply.story);
    return reply;
  } catch { return null; }
}
