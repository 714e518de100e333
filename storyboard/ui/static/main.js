// The board, and what goes with it all over the page: the store, toasts, keys, and the panel as a sheet on narrow
// screens. See components/board.py. `served` holds defaults and limits, see served.py.

import {beside, el, iconButton, isStill, isTyping, narrow, setAttr, setHidden, setStill, setText} from './dom.js';
import {takePictures} from './casting.js';
import {makeNotices} from './notices.js';
import {keepNumbers} from './numbers.js';
import {put} from './parts.js';
import {makePlanbar} from './planbar.js';
import {page, Store} from './store.js';
import {Strip} from './strip.js';
import {makeSaved} from './topbar.js';
import {watchOverlays} from './overlays.js';

const TOAST_SECONDS = 6, UNDO_SECONDS = 12, ERROR_SECONDS = 15, RETRY_SECONDS = 3, AGAIN = 20; // milliseconds

let early = null;                                       // what was begun before Gradio was there

// Shows the board in `root`, laid out as by storyboard/ui/early.py, until `mount` has a better place for it.
export function begin(root, server, served) {
  early = {root, ...parts(server, served)};
  root.querySelector('.board').replaceChildren(early.strip.node);
  root.append(early.planbar, early.toasts, early.spoken);
  root.nextElementSibling.inert = true;                 // Gradio's element, which nobody sees yet
}

function parts(server, served) {
  const store = new Store(server, served), spoken = el('p', {class: 'spoken', role: 'status'});
  store.announce = text => setText(spoken, text);
  const found = {store, spoken, toasts: makeToasts(store), strip: new Strip(store), planbar: makePlanbar(store)};
  return {...found, started: start(store)};
}

export async function mount({element, props, trigger, watch, server}, look, over, turn, restore) {
  const root = element.closest('.tl') || element, covered = watchOverlays(root);
  const {store, strip, planbar, toasts, spoken, started, ...begun} = early || parts(server, props.served);
  store.server = server;
  store.again = event => setTimeout(() => trigger(event === 'over' ? over : look, {}), AGAIN);
  store.turn = tab => trigger(turn, {tab});
  store.restore = story => trigger(restore, {story});
  // Gradio's boxes around ours clip and pad; what sticks to the edge of the window can't have that.
  for (let box = root.parentElement; box !== document.body; box = box.parentElement) box.classList.add('tl-around');
  if (root.querySelector('.side')) sideOf(root, store);
  root.querySelector('.topbar')?.after(makeNotices(store));
  root.querySelector('.saved-place')?.replaceChildren(makeSaved(store));
  begun.root?.nextElementSibling.removeAttribute('inert'); // first: what is inert can have no focus
  element.replaceChildren();
  put(element, strip.node);
  root.append(planbar, toasts, spoken);
  begun.root?.remove();
  early = null;
  addKeys(root, store, covered);
  keepNumbers();
  takePictures(root, store);
  nameParts(root);
  tell(store, {props, trigger, watch, look});
  addPause(root, store);
  root.addEventListener('click', skip);
  window.throughline = {drained: () => store.drained(), undo: () => store.undo(), redo: () => store.redo()}; // `js=`
  page.resolve(store);
  store.changed();
  await started;
}

async function start(store) {
  for (;;) {
    try { return await store.start(); } catch (error) {
      store.notify(`${error.message} Trying again.`, {kind: 'error'});
      await new Promise(wake => setTimeout(wake, RETRY_SECONDS * 1000));
    }
  }
}

// Tells the listeners in Python where the window is and when something about that changed, and hears their news.
function tell(store, {props, trigger, watch, look}) {
  let told = '';
  store.on(() => {
    const {owner, selected, jobs, model, standing} = store.state, story = store.acknowledged;
    if (!story) return;
    const {preview, ...job} = jobs[selected] || {};
    const now = JSON.stringify([story.id, story.rev, selected, standing?.rev, store.seen, job, model]);
    if (now === told) return;
    told = now;
    props.value = {owner, story: story.id, scene: selected || ''};
    trigger(look, {});
    document.title = `${story.title || 'Untitled'} · Throughline`;
  });
  watch('news', () => store.hear(props.news || {}));
}

// The page has a base address, from which a link within it would load the page anew.
function skip(event) {
  const target = event.target.matches('.skip') && document.querySelector(event.target.hash);
  if (!target) return;
  event.preventDefault();
  target.tabIndex = -1;
  target.focus();
}

// One switch for all that moves by itself. Gradio may make its button later than the board, and anew.
function addPause(root, store) {
  const paint = () => {
    const button = root.querySelector('.topbar .pause');
    if (button) setAttr(button, 'aria-pressed', String(isStill()));
  };
  root.addEventListener('click', event => {
    if (!event.target.closest('.topbar .pause')) return;
    setStill(!isStill());
    store.changed();
  });
  store.on(paint);
  paint();
}

// The panel, beside the board or, on a narrow screen, a sheet from below.
function sideOf(root, store) {
  const side = root.querySelector('.side');
  const close = iconButton('bottom', 'Close the panel', {class: 'icon-button sheet-close',
    click: () => store.closeSheet()});
  side.setAttribute('role', 'complementary');
  side.setAttribute('aria-label', 'The chosen scene');
  side.prepend(close);
  side.addEventListener('click', event => {              // what a tab shows begins at its beginning
    if (narrow() && event.target.closest('.tab-wrapper button')) side.scrollTop = 0;
  });
  side.addEventListener('keydown', event => {
    if (event.key === 'Escape') store.closeSheet();
    if (event.target.getAttribute('role') === 'tab') turnTab(event);
  });
  store.on(() => {
    const {sheet, story, selected} = store.state, before = side.dataset.open === 'true';
    setHidden(side, !story?.scenes.length);
    setAttr(side, 'data-open', String(sheet));
    if (!narrow() || sheet === before) return;
    if (sheet) side.scrollTop = 0;
    const card = root.querySelector(`.slot[data-id="${selected}"] .card`);
    if (sheet) close.focus({preventScroll: true});
    else if (side.contains(document.activeElement)) card?.focus();
  });
}

// Gradio gives neither what a tab shows nor a group of choices a name of its own.
function nameParts(root) {
  let due = false;
  const name = () => {
    due = false;
    for (const tab of root.querySelectorAll('[role=tab][aria-controls]')) {
      const panel = document.getElementById(tab.getAttribute('aria-controls'));
      if (panel) setAttr(panel, 'aria-label', tab.textContent.trim());
    }
    for (const group of root.querySelectorAll('fieldset:not([aria-label])')) {
      const words = group.querySelector('[data-testid=block-info]')?.textContent.trim();
      if (words) setAttr(group, 'aria-label', words);
    }
    for (const empty of root.querySelectorAll('.empty[aria-label]:not([role])')) setAttr(empty, 'role', 'img');
  };
  const soon = () => {
    if (!due) requestAnimationFrame(name);
    due = true;
  };
  new MutationObserver(soon).observe(root, {childList: true, subtree: true});
  name();
}

// Arrow keys go from tab to tab, as in every other list of tabs.
function turnTab(event) {
  const tabs = [...event.target.parentElement.children], place = tabs.indexOf(event.target);
  const next = beside(event, tabs, {ArrowRight: 1, ArrowLeft: -1, Home: -place, End: -place - 1});
  if (next === null) return;
  tabs.at(next % tabs.length).click();
  tabs.at(next % tabs.length).focus();
}

function makeToasts(store) {
  const box = el('div', {class: 'toasts', role: 'region', 'aria-label': 'Messages', popover: 'manual'});
  store.notify = (message, {undo = null, kind = '', until = ''} = {}) => {
    const drop = () => {
      toast.remove();
      if (!box.childElementCount && box.matches(':popover-open')) box.hidePopover();
    };
    const role = kind === 'error' ? 'alert' : 'status';
    const toast = el('div', {class: 'toast', 'data-kind': kind, 'data-until': until, role},
      el('span', {text: message, dir: 'auto'}),
      undo && el('button', {type: 'button', class: 'toast-undo', text: 'Undo', click: () => { drop(); undo(); }}),
      iconButton('close', 'Dismiss', {click: drop}));
    for (const other of box.children) if (other.firstChild.textContent === message) other.remove();
    box.append(toast);
    settle();
    setTimeout(drop, 1000 * (undo ? UNDO_SECONDS : kind ? ERROR_SECONDS : TOAST_SECONDS));
  };
  const settle = () => {                                // above everything
    if (box.matches(':popover-open')) box.hidePopover();
    if (box.childElementCount) box.showPopover();
  };
  // An undo that is offered for an edit is no longer about it after the next one, nor a word about another story.
  store.edited = () => box.querySelectorAll('[data-until=edit]').forEach(toast => toast.remove());
  store.left = () => box.replaceChildren();
  return box;
}

function addKeys(root, store, covered) {
  document.addEventListener('keydown', event => {
    const {story} = store.state, key = event.key.toLowerCase(), command = event.ctrlKey || event.metaKey;
    if (!story || event.defaultPrevented || isTyping(event.target) || covered()) return;
    const backward = command && key === 'z' && !event.shiftKey;
    const forward = command && (key === 'y' || key === 'z' && event.shiftKey);
    if (backward && (story.can_undo || store.saving)) store.undo();
    else if (forward && story.can_redo) store.redo();
    else if (event.key === '?') root.querySelector('.topbar .keys').click();
    else return;
    event.preventDefault();
  });
}
