// Puts the page together. `server.call({owner, verb, ...})` is the one way to Python, see store.js; `served` holds its defaults and limits,
// see served.py.

import {el, iconButton, isTyping, narrow, setAttr, setHidden, setText} from './dom.js';
import {makeFilm} from './film.js';
import {makeHelp} from './help.js';
import {makeModels} from './models.js';
import {makeNotices} from './notices.js';
import {makePanel} from './panel.js';
import {makePlanbar} from './planbar.js';
import {makeShelf} from './shelf.js';
import {Store} from './store.js';
import {makeStrip} from './strip.js';
import {makeTopbar} from './topbar.js';

const TOAST_SECONDS = 6, UNDO_SECONDS = 12, ERROR_SECONDS = 15, RETRY_SECONDS = 3;

export async function mount(element, server, served) {
  free(element);
  await Promise.all(['board.css', 'panel.css', 'meter.css', 'models.css'].map(addStyle));
  const store = new Store(server, served), dialogs = {film: makeFilm(store), help: makeHelp(), shelf: makeShelf(store),
    models: makeModels(store)};
  const show = name => { dialogs[name].dispatchEvent(new Event('opening')); dialogs[name].showModal(); };
  const side = makeSide(element, store), toasts = makeToasts(element, store);
  const spoken = el('p', {class: 'spoken', role: 'status'});
  store.say = text => setText(spoken, text);
  element.classList.add('tl');
  element.append(makeTopbar(store, show), makeNotices(store), el('div', {class: 'desk'}, makeStrip(store, show), side), makePlanbar(store),
    toasts, spoken, ...Object.values(dialogs));
  addKeys(store, show);
  await start(store);
}

async function start(store) {
  for (;;) {
    try { return await store.start(); } catch (error) {
      store.notify(`${error.message} Trying again.`, {kind: 'error'});
      await new Promise(wake => setTimeout(wake, RETRY_SECONDS * 1000));
    }
  }
}

// Gradio's boxes around ours clip and pad; what sticks to the edge of the window can't have that.
function free(element) {
  for (let node = element.parentElement; node && node !== document.body; node = node.parentElement) {
    node.classList.add('tl-around');
  }
}

function addStyle(name) {
  const {href} = new URL(name, import.meta.url);
  if ([...document.styleSheets].some(sheet => sheet.href === href)) return null;
  const link = el('link', {rel: 'stylesheet', href});
  const loaded = new Promise(done => { link.onload = link.onerror = done; });
  document.head.append(link);
  return loaded;
}

// The panel, beside the strip or, on a narrow screen, a sheet from below.
function makeSide(element, store) {
  const close = iconButton('bottom', 'Close the panel', {class: 'icon-button sheet-close',
    on: {click: () => store.closeSheet()}});
  const side = el('aside', {class: 'side', 'aria-label': 'The chosen scene'}, close, makePanel(store));
  side.addEventListener('keydown', event => { if (event.key === 'Escape') store.closeSheet(); });
  store.on(() => {
    const {sheet, story, selected} = store.state, before = side.dataset.open === 'true';
    setHidden(side, !story?.scenes.length);
    setAttr(side, 'data-open', String(sheet));
    if (!narrow() || sheet === before) return;
    if (sheet) side.scrollTop = 0;
    const card = element.querySelector(`.slot[data-id="${selected}"] .card`);
    if (sheet) close.focus({preventScroll: true});
    else if (side.contains(document.activeElement)) card?.focus();
  });
  return side;
}

function makeToasts(element, store) {
  const box = el('div', {class: 'toasts', role: 'region', 'aria-label': 'Messages', popover: 'manual'});
  store.toast = (message, {undo = null, kind = '', until = ''} = {}) => {
    const drop = () => {
      toast.remove();
      if (!box.childElementCount && box.matches(':popover-open')) box.hidePopover();
    };
    const role = kind === 'error' ? 'alert' : 'status';
    const toast = el('div', {class: 'toast', 'data-kind': kind, 'data-until': until, role},
      el('span', {text: message, dir: 'auto'}),
      undo && el('button', {type: 'button', class: 'toast-undo', text: 'Undo', on: {click: () => { drop(); undo(); }}}),
      iconButton('close', 'Dismiss', {on: {click: drop}}));
    for (const other of box.children) if (other.firstChild.textContent === message) other.remove();
    box.append(toast);
    settle();
    setTimeout(drop, 1000 * (undo ? UNDO_SECONDS : kind ? ERROR_SECONDS : TOAST_SECONDS));
  };
  // Above everything, and within the dialog that is open: what is outside of a modal dialog can't be clicked.
  const settle = () => {
    const home = [...element.querySelectorAll('dialog[open]')].at(-1) || element;
    if (box.parentElement !== home) home.append(box);
    if (box.matches(':popover-open')) box.hidePopover();
    if (box.childElementCount) box.showPopover();
  };
  element.addEventListener('close', settle, true);
  // An undo that is offered for an edit is no longer about it after the next one.
  store.edited = () => box.querySelectorAll('[data-until=edit]').forEach(toast => toast.remove());
  return box;
}

function addKeys(store, show) {
  document.addEventListener('keydown', event => {
    const {story} = store.state, key = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
    if (!story || event.defaultPrevented || isTyping(event.target) || document.querySelector('dialog[open]')) return;
    const backward = command && key === 'z' && !event.shiftKey;
    const forward = command && (key === 'y' || key === 'z' && event.shiftKey);
    if (backward && (story.can_undo || store.saving)) store.undo();
    else if (forward && story.can_redo) store.redo();
    else if (event.key === '?') show('help');
    else return;
    event.preventDefault();
  });
}
