// Whether all is saved.

import {el, icon, setAttr, setHidden, setIcon, setText} from './dom.js';

export function makeSaved(store) {
  const sign = icon('check'), words = el('span');
  const node = el('p', {class: 'saved', role: 'status', hidden: true}, sign, words);
  store.on(() => {
    const {state, saving, unsaved} = store;
    const drafts = saving ? [] : unsaved;
    const kind = saving && !state.online || drafts.length ? 'unsaved' : saving ? 'saving' : state.online ? 'saved'
      : 'offline';
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
