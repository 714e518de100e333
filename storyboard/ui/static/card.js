// One card of the strip: makes its nodes once and paints into them what changed.

import {el, icon, iconButton, plain, randomHex, setAttr, setHidden, setIcon, setGrowing, setLabel, setMarked,
  setText, textButton} from './dom.js';
import {namesOf, offerNames} from './complete.js';
import {makeRoom} from './words.js';

const BADGES = {                                        // state -> icon, words
  blank: ['pencil', 'No words yet'], new: ['play', 'Not rendered'], fresh: ['check', 'Fresh'],
  stale: ['stale', 'Stale'], waiting: ['hourglass', 'Waiting'], queued: ['clock', 'Queued'],
  running: ['play', 'Rendering'], failed: ['fail', 'Failed'], unread: ['fail', 'Can’t be rendered'],
    unknown: ['clock', '…'],
};
const OVERTAKEN = 'This prompt was changed in another window meanwhile. Yours replaces it; undo brings theirs back.';
let focuses = 0;                                        // every stay in a field is one step of undo
const here = randomHex(4);                              // not the steps of another window

export class Card {
  constructor(store, id) {
    this.store = store;
    this.id = id;
    this.view = {};
    this.text = makePrompt(store, id);
    this.badge = el('span', {class: 'badge'}, icon('clock'), el('span'));
    this.lockSign = el('span', {class: 'badge lock-sign', title: 'Never rendered again until unlocked'}, icon('lock'),
      el('span', {text: 'Locked'}));
    this.number = el('b', {class: 'number'});
    this.grip = iconButton('grip', 'Drag', {class: 'icon-button grip'});
    this.shot = makeShot();
    this.notes = makeNotes(store, id);
    this.tools = makeTools();
    this.insert = iconButton('add', 'Add', {class: 'icon-button insert', 'data-act': 'before', tabindex: -1});
    this.article = el('article', {class: 'card', tabindex: -1, 'aria-roledescription': 'scene'},
      el('header', {class: 'card-head'}, this.grip, this.number, this.badge, this.lockSign),
      this.shot.node, this.text.area, this.text.room, this.notes.node, this.tools.node);
    this.node = el('li', {class: 'slot', 'data-id': id}, this.insert, this.article);
  }

  // view: {scene, standing, job, index, total, selected, feeds, numbers, unknown, foreign, draft, still, example}; the
  // same objects are not painted again.
  paint(view) {
    const before = this.view;
    if (Object.keys(view).every(name => view[name] === before[name])) return;
    this.view = view;
    const {scene, job} = view, state = stateOf(view), take = scene.takes.find(other => other.id === scene.chosen);
    setAttr(this.article, 'data-state', state);
    setAttr(this.article, 'aria-current', view.selected && 'true');
    setAttr(this.article, 'data-feeds', view.feeds);
    setText(this.number, String(view.index + 1));
    paintBadge(this.badge, state, view);
    setHidden(this.lockSign, !scene.locked);
    paintShot(this.shot, state, job, take, view);
    this.text.show(scene.prompt, view.draft);
    setAttr(this.text.area, 'placeholder', placeholder(view));
    this.notes.paint(state, view);
    paintTools(this.tools, state, view);
    this.label(state, view);
    this.rove(view.selected);
  }

  // Tab goes through the controls of the chosen card alone; arrow keys choose another one.
  rove(selected) {
    const index = selected ? 0 : -1;
    for (const node of this.article.querySelectorAll('button, textarea')) {
      if (node.tabIndex !== index) node.tabIndex = index;
    }
  }

  label(state, {scene, index, total}) {
    const of = `scene ${index + 1}`, said = state === 'running' ? 'rendering' : BADGES[state][1].toLowerCase();
    const words = scene.prompt ? `: ${scene.prompt.slice(0, 120)}` : '';
    setAttr(this.article, 'aria-label',
      `Scene ${index + 1} of ${total}, ${said}${scene.locked ? ', locked' : ''}${words}`);
    setAttr(this.text.area, 'aria-label', `Prompt of ${of}`);
    setAttr(this.shot.node, 'aria-label', `Details of ${of}`);
    for (const [button, does] of [
      [this.grip, 'Drag to move'], [this.insert, 'Add a scene before'], [this.tools.copy, 'Duplicate'],
      [this.tools.remove, 'Delete'], [this.tools.more, 'More for'], [this.tools.details, 'Details of'],
      [this.tools.lock, scene.locked ? 'Unlock' : 'Lock']]) setLabel(button, `${does} ${of}`);
  }
}

export function stateOf({scene, standing, job}) {
  if (job && job.state !== 'cancelled' && !(job.state === 'failed' && standing?.state === 'fresh')) return job.state;
  if (!scene.prompt.trim()) return 'blank';
  if (standing) return unread(standing) && standing.state === 'blank' ? 'unread' : standing.state;
  return scene.chosen ? 'unknown' : 'new';
}

// In words: why a scene can't be rendered, or its words can't be remembered; '' if they can.
export const unread = standing =>
  ['blank', 'fresh'].includes(standing?.state) ? sentence(standing.reasons.join('; ')) : '';

function paintBadge(badge, state, {job, standing, numbers}) {
  const [shape, words] = BADGES[state] || BADGES.unknown;
  const more = {
    queued: () => job.position ? ` #${job.position}` : '',
    running: () => job.lasts ? ` ${Math.round(job.seconds)}/${Math.round(job.lasts)} s`
      : job.total ? ` ${job.step}/${job.total}` : '',
    waiting: () => standing ? ` for ${numbers(standing.waits_for)}` : ''}[state];
  setIcon(badge.firstChild, shape);
  setText(badge.lastChild, words + (more ? more() : ''));
  const told = standing && ['stale', 'waiting'].includes(state);
  setAttr(badge, 'title', told ? standing.reasons.map(plain).join('\n') : null);
}

// example: words that the model knows, if it names any.
const placeholder = ({example}) => `Who does what, and where?${example ? ` ${example}…` : ''}`;

// --- the picture ---

function makeShot() {
  const image = el('img', {alt: '', loading: 'lazy', decoding: 'async', draggable: 'false'});
  const progress = el('progress', {max: 1, value: 0, 'aria-hidden': 'true'});
  const empty = el('span', {class: 'no-shot'}, icon('film'));
  return {node: el('div', {class: 'shot', 'data-act': 'details'}, empty, image, progress), image, progress, empty};
}

function paintShot(shot, state, job, take, {index, still}) {
  const live = state === 'running' && job.preview, moving = take && (still ? take.keyframe : take.preview);
  setGrowing(shot.image, live || moving || '', live ? job.seconds : 0);
  setHidden(shot.image, !(live || moving));
  setHidden(shot.empty, Boolean(live || moving));
  setAttr(shot.image, 'alt', `Preview of scene ${index + 1}`);
  setHidden(shot.progress, state !== 'running');
  if (state === 'running') shot.progress.value = job.total ? job.step / job.total : 0;
}

// --- the prompt ---

function makePrompt(store, id) {
  const area = el('textarea', {class: 'prompt', dir: 'auto', spellcheck: 'true'}), room = makeRoom(store);
  let focus = 0, sent = '', overtaken = false;          // overtaken: someone else changed it while the user was in it
  const put = text => {
    sent = text;
    overtaken = document.activeElement === area && area.value !== text;
    if (document.activeElement !== area && area.value !== text) area.value = text;
  };
  const show = (text, draft) => {
    room.tell(draft);
    put(draft?.text ?? text);
  };
  offerNames(area, () => namesOf(store.state));
  area.addEventListener('focus', () => { focus = ++focuses; });
  area.addEventListener('input', () => {
    if (overtaken) store.notify(OVERTAKEN);
    overtaken = false;
    room.look(area.value);
    store.editSoon({do: 'edit_scene', scene: id, changes: {prompt: area.value}}, `prompt:${id}:${here}:${focus}`);
  });
  area.addEventListener('blur', () => { store.flush(); queueMicrotask(() => put(sent)); });
  return {room: room.node, area, show};
}

// --- what is said about the scene ---

function makeNotes(store, id) {
  const why = el('p', {class: 'note why'}, icon('stale'), el('span', {dir: 'auto'}));
  const failed = el('p', {class: 'note failed'}, icon('fail'), el('span', {dir: 'auto'}));
  const unseen = el('p', {class: 'note unseen'}, icon('info'), el('span', {dir: 'auto'}));
  const memory = el('button', {type: 'button', class: 'note memory', title: 'What this scene remembers',
    click: () => store.select(id, {tab: 'remembers'})}, icon('thread'), el('span', {dir: 'auto'}));
  const who = el('ul', {class: 'who', 'aria-label': 'Who is in this scene'});
  const node = el('div', {class: 'notes'}, who, why, failed, unseen, memory);
  return {node, paint(state, view) {
    const {standing, job, numbers} = view, stale = standing && ['stale', 'waiting'].includes(standing.state);
    paintNote(why, stale ? sentence(standing.reasons.join('; ')) : '');
    paintNote(failed, state === 'failed' ? job.error || 'It failed for no known reason.' : unread(standing));
    paintNote(unseen, [unseenWords(view.unknown), ...view.foreign || []].filter(Boolean).join(' '));
    paintWho(who, standing?.who || []);
    paintMemory(memory, standing?.memories || [], numbers);
  }};
}

function paintWho(node, who) {
  const told = JSON.stringify(who);
  setHidden(node, !who.length);
  if (node.told === told) return;
  node.told = told;
  node.replaceChildren(...who.map(({name, entry}) => el('li', {text: name, dir: 'auto', 'data-cast': Boolean(entry),
    title: entry ? `${name} is in the cast` : null})));
}

function paintNote(note, text) {
  setHidden(note, !text);
  setMarked(note.lastChild, text);
}

const sentence = text => text && text[0].toUpperCase() + text.slice(1);
const starred = words => words.map(word => `*${word}*`);
const unseenWords = words => words?.length ? `The model has never seen ${starred(words).join(', ')} and will guess.`
  : '';

function paintMemory(node, memories, numbers) {
  const text = memories.filter(memory => memory.words.length)
    .map(memory => `${starred(memory.words).join(' ')} of ${numbers([memory.scene])}`).join(', ');
  paintNote(node, text && `Remembers ${text}`);
}

// --- the buttons ---

function makeTools() {
  const tool = (name, act, more) => iconButton(name, act, {'data-act': act, ...more});
  const render = textButton('', {class: 'button render', 'data-act': 'render'}, 'play');
  const details = tool('settings', 'details', {class: 'icon-button details'}), lock = tool('unlock', 'lock');
  const copy = tool('copy', 'duplicate'), remove = tool('trash', 'remove');
  const more = tool('more', 'more', {'aria-haspopup': 'menu'});
  const node = el('footer', {class: 'tools'}, render, el('span', {class: 'spring'}), details, lock, copy, remove, more);
  return {node, render, details, lock, copy, remove, more};
}

function paintTools({render, lock}, state, {scene, index}) {
  const busy = state === 'queued' || state === 'running';
  const words = busy ? 'Cancel' : state === 'fresh' ? 'New take' : 'Render';
  setText(render.lastChild, words);
  setIcon(render.firstChild, busy ? 'stop' : 'play');
  setAttr(render, 'data-act', busy ? 'cancel' : 'render');
  setAttr(render, 'aria-label', `${words}: scene ${index + 1}`);
  setAttr(render, 'disabled', !busy && (scene.locked || !scene.prompt.trim()));
  setAttr(render, 'title', scene.locked ? 'Unlock the scene to render it' : null);
  setAttr(lock, 'aria-pressed', String(scene.locked));
  setIcon(lock.firstChild, scene.locked ? 'lock' : 'unlock');
}
