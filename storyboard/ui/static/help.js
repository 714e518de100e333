// What the keys do.

import {el, makeDialog} from './dom.js';

const KEYS = [
  ['Arrow keys, Home, End', 'go from scene to scene'],
  ['Enter', 'write the prompt; Escape goes back to the scene'],
  ['Alt + arrow keys', 'move the scene'],
  ['Ctrl + Enter', 'render the scene'],
  ['Delete', 'delete the scene'],
  ['Ctrl + Z', 'undo'],
  ['Ctrl + Shift + Z', 'redo'],
  ['?', 'this help'],
];
const MAC = /Mac|iPhone|iPad/.test(navigator.platform);

export function makeHelp() {
  const named = keys => el('kbd', {text: MAC ? keys.replace('Ctrl', '⌘') : keys});
  const rows = KEYS.map(([keys, does]) => el('div', {}, el('dt', {}, named(keys)), el('dd', {text: does})));
  return makeDialog(
    'Keys',
    'help',
    el('dl', {}, ...rows),
    el('p', {class: 'hint', text: 'With a mouse or a finger, drag a scene by its grip.'}),
  );
}
