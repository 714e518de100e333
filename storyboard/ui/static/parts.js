// Small parts that components share: buttons, sliders, switches, and lists that keep their elements.
import {el, setAttr, setText} from './dom.js';

let ids = 0;
export const newId = name => `${name}-${++ids}`;

/** A bar that is dragged, and its value in words: `live(value)` is told while it moves. `set` leaves it where it is
    while it is `held`. */
export function makeBar(label, live, attributes = {}, kind = 'place') {
  const input = el('input', {type: 'range', min: 0, step: 1, value: 0, 'aria-label': label, ...attributes,
    input: () => live(Number(input.value))});
  const place = el('output', {class: kind});
  const set = (value, {max = input.max, words = '', told = words, held = false}) => {
    setAttr(input, 'max', max);
    if (!held) input.value = value;
    setText(place, words);
    setAttr(input, 'aria-valuetext', told);
    input.style.setProperty('--share', (input.value - input.min) / (input.max - input.min || 1));
  };
  return {input, place, set};
}

/** Frames of clips: the present one, where one is, and the bar that is told of them. */
export const frameAt = (video, rate, count) =>
  Math.max(0, Math.min(count - 1, Math.floor(video.currentTime * rate + 0.001)));
export const timeOf = (frame, rate) => (frame + 0.5) / rate;

/** A colour for each value from 0 to 255, along a few. */
export const colours = (ramp, gamma = 1) => Array.from({length: 256}, (_, value) => {
  const place = (value / 255) ** gamma * (ramp.length - 1), low = Math.min(Math.floor(place), ramp.length - 2);
  return ramp[low].map((a, channel) => a + (place - low) * (ramp[low + 1][channel] - a));
});

export const quoted = text => `“${text}”`;

// One that is there already keeps focus, caret and what it plays, in browsers that can move it; in others its focus.
export function put(parent, node, before = null) {
  const {activeElement} = document, focused = node.contains(activeElement) && activeElement;
  if (parent.moveBefore && node.isConnected) parent.moveBefore(node, before);
  else parent.insertBefore(node, before);
  if (focused && document.activeElement !== focused) focused.focus({preventScroll: true});
}

/** Children made once for each key, in order; those that are there already stay. `make(item)` gives a node,
    `paint(node, item)` fills it. */
export function keyed(parent, items, keyOf, make, paint = () => {}) {
  const old = new Map([...parent.children].map(node => [node.dataset.key, node]));
  const nodes = items.map(item => {
    const key = String(keyOf(item)), node = old.get(key) || make(item);
    node.dataset.key = key;
    old.delete(key);
    return node;
  });
  old.forEach(node => node.remove());
  nodes.forEach((node, i) => {
    const there = parent.children[i];
    if (there !== node && there?.nextElementSibling === node) put(parent, there, null); // it alone goes further back
    if (parent.children[i] !== node) put(parent, node, parent.children[i]);
    paint(node, items[i], i);
  });
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
