// The head of the page: the story's title, whether it is saved, undo and redo, the film and the shelf of stories.

import {comingWords} from './models.js';
import {el, icon, iconButton, setAttr, setHidden, setIcon, setText, textButton} from './dom.js';

const SVG = 'http://www.w3.org/2000/svg';

export function makeTopbar(store, show) {
  const undo = iconButton('undo', 'Undo', {class: 'icon-button', on: {click: () => store.undo()}});
  const redo = iconButton('redo', 'Redo', {class: 'icon-button', on: {click: () => store.redo()}});
  const title = makeTitle(store), saved = makeSaved();
  const model = textButton('Model', {class: 'button model-button', hidden: true, on: {click: () => show('models')}}, 'settings');
  const bar = el('header', {class: 'topbar'}, el('div', {class: 'brand'}, makeLogo(), el('h1', {text: 'Throughline'})),
    title.node, saved.node, el('span', {class: 'spring'}),
    el('div', {class: 'topbar-acts'}, undo, redo, model,
      textButton('Film', {class: 'button', on: {click: () => show('film')}}, 'film'),
      textButton('Stories', {class: 'button', on: {click: () => show('shelf')}}, 'book'),
      iconButton('help', 'Keys', {class: 'icon-button help-button', on: {click: () => show('help')}})));
  store.on(() => {
    const {story} = store.state;
    title.show(story);
    saved.show(store);
    paintModel(model, store.state.model);
    paintTurn(undo, 'Undo', story?.can_undo || store.saving, story?.undo_label);
    paintTurn(redo, 'Redo', story?.can_redo && !store.saving, story?.redo_label);
  });
  return bar;
}

function paintTurn(button, word, possible, label) {
  const text = label && possible ? `${word}: ${label}` : word;
  setAttr(button, 'disabled', !possible);
  setAttr(button, 'title', text);
  setAttr(button, 'aria-label', text);
}

// The model in use, or the one that is coming. Where only the operator chooses there is no button.
function paintModel(button, model) {
  setHidden(button, !model);
  if (!model) return;
  setAttr(button, 'data-busy', model.coming ? 'true' : null);
  setText(button.lastChild, model.coming ? comingWords(model) : model.title);
  setAttr(button, 'aria-label', `Model: ${button.lastChild.textContent}`);
  setAttr(button, 'title', `Model: ${button.lastChild.textContent}`);
}

function makeTitle(store) {
  const input = el('input', {class: 'title', type: 'text', size: 1, maxlength: store.served.most.title, 'aria-label': 'Title of the story',
    dir: 'auto', placeholder: 'Untitled', disabled: true, autocomplete: 'off', spellcheck: 'false'});
  const node = el('div', {class: 'title-box'}, input);
  let focus = 0;
  const grow = () => setAttr(node, 'data-text', input.value || input.placeholder);
  input.addEventListener('focus', () => { focus += 1; });
  input.addEventListener('input', () => {
    grow();
    store.editSoon({do: 'edit_story', changes: {title: input.value}}, `title:${focus}`);
  });
  input.addEventListener('blur', () => { store.flush(); queueMicrotask(() => show(store.state.story)); });
  input.addEventListener('keydown', event => { if (event.key === 'Enter' || event.key === 'Escape') input.blur(); });
  const show = story => {
    setAttr(input, 'disabled', !story);
    if (!story || document.activeElement === input) return;
    if (input.value !== story.title) input.value = story.title;
    grow();
    document.title = `${story.title || 'Untitled'} · Throughline`;
  };
  return {node, show};
}

function makeSaved() {
  const sign = icon('check'), words = el('span');
  const node = el('p', {class: 'saved', role: 'status', hidden: true}, sign, words);
  return {node, show({state, saving, unsaved}) {
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
  }};
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
