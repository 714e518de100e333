// Whether all is saved; and the logo.

import {el, icon, setAttr, setHidden, setIcon, setText} from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';

export function makeSaved(store) {
  const sign = icon('check'), words = el('span');
  const node = el('p', {class: 'saved', role: 'status', hidden: true}, sign, words);
  store.on(() => {
    const {state, saving, unsaved} = store;
    const drafts = saving ? [] : unsaved;
    const kind = saving && !state.online || drafts.length ? 'unsaved' : saving ? 'saving' : state.online ? 'saved' : 'offline';
    const text = {unsaved: drafts.length ? `Not saved: the words of scene ${drafts.join(', ')}`
      : `Not saved: ${lowered(state.problem)}retrying`, saving: 'Saving…', saved: 'Saved',
      offline: 'No connection, retrying'}[kind];
    setHidden(node, !state.story);
    setAttr(node, 'data-kind', kind);
    setIcon(sign, {unsaved: 'fail', saving: 'clock', saved: 'check', offline: 'fail'}[kind]);
    setText(words, text);
    setAttr(node, 'title', text);
  });
  return node;
}

const lowered = text => text ? text[0].toLowerCase() + text.slice(1).replace(/\.?$/, ', ') : '';

export function makeLogo() {
  const make = (tag, attributes) => {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  };
  const svg = make('svg', {viewBox: '0 0 84 32', class: 'logo', 'aria-hidden': 'true'});
  const frames = make('g', {class: 'frames'});
  for (const x of [2, 31, 60]) frames.append(make('rect', {x, y: 7, width: 22, height: 18, rx: 3}));
  svg.append(frames, make('path', {class: 'thread', d: 'M0 21 C 8 8, 16 10, 24 17 S 40 24, 50 15 S 70 10, 84 17'}));
  return svg;
}
