// The client's state, and the only way to the server. An edit shows at once: the story on the page is the one that the
// server last acknowledged with the edits applied to it that are still under way. They are sent strictly one after
// another, and sent again for as long as the server does not answer.

import {apply, indexOf} from './edits.js';
import {el, keep, randomHex, recall} from './dom.js';
import {Drafts, isPrompt} from './words.js';

const OWNER_KEY = 'throughline-owner', STORY_KEY = 'throughline-story';
const TYPING_PAUSE = 400, BUSY_POLL = 250, IDLE_POLL = 2000, HIDDEN_POLL = 5000, PATIENCE = 20000; // milliseconds

export const page = Promise.withResolvers();            // of the one store, which parts of the page wait for

export class Store {
  constructor(server, served) {
    this.server = server;
    this.served = served;                               // defaults and limits
    this.state = {owner: ownOwner(), story: null, standing: null, jobs: {}, selected: null, online: true,
      sheet: false, problem: '', model: null};          // sheet: the panel is open on a narrow screen
    this.listeners = new Set();
    this.notify = this.announce = this.turn = this.restore = this.insert = this.again = () => {}; // see main.js
    this.acknowledged = null;                           // the story as the server has it
    this.queue = [];                                    // edits under way, oldest first
    this.drafts = new Drafts();                         // words that were refused
    this.seen = -1;
    this.wakers = [];
    addEventListener('online', () => this.retry());
    addEventListener('visibilitychange', () => { this.flush(); if (!document.hidden) this.retry(); });
    addEventListener('beforeunload', event => { this.flush(); if (this.queue.length) event.preventDefault(); });
  }

  // --- listening ---

  on(listener) {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  changed() {
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => {
      this.due = false;
      for (const listener of this.listeners) listener();
    });
  }

  // --- the server ---

  // The reply as it is. Throws an error with `lost` set if none came.
  async ask(verb, args) {
    const message = {owner: this.state.owner, verb, ...args};
    let reply;
    try {
      reply = await (this.served.slow.includes(verb) ? this.server.call(message)
        : within(PATIENCE, this.server.call(message)));
    } catch { reply = null; }
    if (!reply || typeof reply !== 'object') throw Object.assign(new Error('The server does not answer.'),
      {lost: true});
    if (!this.state.online) { this.state.online = true; this.state.problem = ''; this.changed(); }
    if (!reply.ok) throw new Error(reply.error || 'The server refused without a reason.');
    return reply;
  }

  async call(verb, args = {}) {
    const {quiet, ...rest} = args;
    try {
      return await this.ask(verb, rest);
    } catch (error) {
      if (error.lost) this.lost(error);
      if (!quiet) this.notify(error.message, {kind: 'error'});
      throw error;
    }
  }

  lost(error) {
    this.state.online = false;
    this.state.problem = error.message;
    this.changed();
  }

  // --- edits ---

  // Makes an edit: {do: ..., ...}. Edits of one `group` that follow one another are one step of undo.
  edit(op, group = '') { return this.act({verb: 'edit', op, group}); }

  act(given) {
    this.flush();
    const item = this.enqueue(given);
    this.pump();
    return item.promise;
  }

  // The same for what is being typed or dragged: shown at once, sent after a pause or by `flush`.
  editSoon(op, group) {
    const item = this.enqueue({verb: 'edit', op, group, held: true});
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), TYPING_PAUSE);
    return item.promise;
  }

  flush() {
    clearTimeout(this.timer);
    for (const item of this.queue) item.held = false;
    if (this.queue.length) this.pump();
  }

  undo() { return this.act({verb: 'undo', group: ''}); }

  redo() { return this.act({verb: 'redo', group: ''}); }

  enqueue(item) {
    const last = this.queue.at(-1);
    if (last && fits(last, item)) {
      last.op = {...last.op, changes: {...last.op.changes, ...item.op.changes}};
      last.held = Boolean(item.held);
      this.derive();
      return last;
    }
    item.base = this.acknowledged.rev;                  // what the user saw when it was made
    item.promise = new Promise((resolve, reject) => Object.assign(item, {resolve, reject}));
    item.promise.catch(() => {});                       // the toast has said it; nobody has to listen
    this.queue.push(item);
    this.edited?.();
    this.derive();
    return item;
  }

  async pump() {
    if (this.pumping) return;
    this.pumping = true;
    while (this.queue.length && !this.queue[0].held) await this.send(this.queue[0]);
    this.pumping = false;
    this.pollSoon();
    if (!this.queue.length) for (const wake of this.wakers.splice(0)) wake();
    this.changed();
  }

  async send(item) {
    const {verb, op, group, base} = item;
    item.sent = true;
    try {
      if (verb !== 'edit' && item.tried !== undefined && await this.moved(item.tried)) return this.settle(item, {});
      const args = verb === 'edit' ? {base, op, group} : {};
      this.settle(item, await this.ask(verb, {story: this.acknowledged.id, ...args}));
    } catch (error) {
      if (error.lost) await this.later(item, error);
      else await this.refuse(item, error);
    }
  }

  settle(item, reply) {
    this.queue.shift();
    this.retries = 0;
    this.drafts.settle(this.acknowledged.id, item.op, null);
    if (reply.story) {
      const {rev} = reply.story;                        // those that wait saw this edit, unless another came between
      for (const other of this.queue) if (other.base === rev - 1) other.base = rev;
      this.accept(reply.story);
    }
    if (reply.note && item.tried === undefined) this.notify(reply.note); // else it may be about itself
    this.derive();
    item.resolve(reply);
  }

  // No answer: the edit may or may not be there. Sending it again does no harm, undoing again would.
  async later(item, error) {
    item.tried ??= this.acknowledged.rev;
    this.lost(error);
    this.retries = (this.retries || 0) + 1;
    await new Promise(wake => {
      this.hurry = wake;
      setTimeout(wake, Math.min(8000, 500 * 2 ** this.retries));
    });
  }

  retry() {
    this.hurry?.();
    this.pollSoon();
  }

  // Whether the story is another than at revision `rev`: then a lost undo did arrive.
  async moved(rev) {
    this.accept((await this.ask('get_story', {story: this.acknowledged.id})).story);
    return this.acknowledged.rev !== rev;
  }

  async refuse(item, error) {
    this.queue.shift();
    const known = this.drafts.settle(this.acknowledged.id, item.op, error.message); // its field says it
    if (item.tried === undefined && !known) this.notify(error.message, {kind: 'error'});
    item.reject(error);
    try {
      this.accept((await this.ask('get_story', {story: this.acknowledged.id})).story);
    } catch (again) { if (again.lost) this.lost(again); }
    this.derive();
  }

  // Resolves when every edit is acknowledged.
  drained() {
    this.flush();
    return this.queue.length ? new Promise(wake => this.wakers.push(wake)) : Promise.resolve();
  }

  get saving() { return this.queue.length > 0; }

  // The prompt of a scene that was refused, null for none or while newer words are under way.
  draft(scene) {
    const newer = this.queue.some(({op}) => op?.scene === scene && isPrompt(op));
    return newer ? null : this.drafts.of(this.acknowledged.id, scene);
  }

  // The numbers of the scenes whose words are not saved.
  get unsaved() {
    const scenes = this.acknowledged ? this.state.story.scenes : [];
    return scenes.flatMap(({id}, i) => this.draft(id) ? [i + 1] : []);
  }

  // --- the model ---

  // Which model renders. Another one makes scenes stale: how they stand is asked for again.
  acceptModel(model) {
    const before = this.state.model;
    if (!model || JSON.stringify(model) === JSON.stringify(before)) return;
    this.state.model = model;
    if (before && before.name !== model.name) {
      this.seen = -1;
      this.notify(`${model.title} is in use now.`);
      this.pollSoon();
    }
    if (before && model.error && model.error !== before.error) this.notify(model.error, {kind: 'error'});
    this.changed();
  }

  // --- the story ---

  accept(story) {
    const now = this.acknowledged;
    if (now && (story.id !== now.id || story.rev < now.rev)) return;
    this.acknowledged = sharing(now, story);
    this.derive();
  }

  derive() {
    const {state} = this, before = state.story;
    state.story = this.queue.reduce((story, item) => item.op ? apply(story, item.op, this.served.scene) : story,
      this.acknowledged);
    if (state.selected && indexOf(state.story, state.selected) < 0) {
      const place = before ? indexOf(before, state.selected) : 0;
      state.selected = (state.story.scenes[place] || state.story.scenes.at(-1))?.id || null;
    }
    this.changed();
  }

  // What a listener in Python says: the story after its edit, and what to tell the user.
  async hear({story, note, error, undo, open, restore, select, save, insert, again}) {
    if (again) return this.again(again);
    if (story) { this.edited?.(); this.accept(story); }
    this.pollSoon();
    if (open) await this.open(open).catch(() => {});
    else if (open === '') await this.start().catch(() => {});
    const taken = restore ? {undo: () => this.restore(restore)} : undo ? {undo: () => this.undo(), until: 'edit'} : {};
    if (save) el('a', {href: save.url, download: save.name}).click();
    if (insert) this.insert(insert);
    if (select) this.select(select, {open: this.state.sheet});
    if (note) this.notify(note, taken);
    if (error) this.notify(error, {kind: 'error'});
  }

  // Chooses the scene that the panel is about. open: also bring the panel up where the screen is narrow.
  select(id, {open = true, tab = ''} = {}) {
    const {state} = this;
    if (tab) this.turn(tab);
    if (state.selected === id && state.sheet === (open && Boolean(id))) return;
    state.selected = id;
    state.sheet = open && Boolean(id);
    this.changed();
  }

  closeSheet() {
    this.state.sheet = false;
    this.changed();
  }

  // Shows a story: its view, or its id.
  async open(story) {
    await this.drained();
    const view = typeof story === 'string' ? (await this.call('get_story', {story, quiet: true})).story : story;
    await this.drained();                               // of what was edited meanwhile
    keep(STORY_KEY, view.id);
    this.left?.();
    this.acknowledged = null;
    this.seen = -1;
    Object.assign(this.state, {standing: null, jobs: {}, selected: null, sheet: false});
    this.accept(view);
    this.state.selected = view.scenes[0]?.id || null;
    this.changed();
    this.pollSoon();
  }

  // The story of the last visit, else the newest of one's own, else the first sample, else a new one.
  async start() {
    const last = recall(STORY_KEY);
    if (last && await this.open(last).then(() => true, error => { if (error.lost) throw error; return false; })) return;
    const {stories} = await this.call('stories', {quiet: true});
    if (stories.length) return this.open(stories[0].id);
    const {samples} = await this.call('samples', {quiet: true});
    const reply = samples.length ? await this.call('open_sample', {name: samples[0].name})
      : await this.call('new_story');
    await this.open(reply.story);
  }

  // --- rendering ---

  async render(scenes = null, again = false) {
    await this.drained();
    await this.call('render', {story: this.acknowledged.id, scenes, again}).catch(() => {});
    this.pollSoon();
  }

  async cancel(scenes = null) {
    await this.call('cancel', {story: this.acknowledged.id, scenes}).catch(() => {});
    this.pollSoon();
  }

  get busy() { return Object.values(this.state.jobs).some(job => job.state === 'queued' || job.state === 'running'); }

  // --- looking for what changed ---

  pollSoon() {
    clearTimeout(this.poller);
    if (this.polling) this.pollAgain = true;
    else this.poller = setTimeout(() => this.poll(), 0);
  }

  async poll() {
    if (!this.acknowledged || this.polling) return;
    this.polling = true;
    this.pollAgain = false;
    const {id, rev} = this.acknowledged, {seen} = this;
    try {
      const reply = await this.ask('poll', {story: id, rev, seen});
      if (id === this.acknowledged.id && seen === this.seen) this.receive(reply); // else it was opened anew meanwhile
    } catch (error) { if (error.lost) this.lost(error); }
    this.polling = false;
    const pause = this.pollAgain ? 0 : document.hidden ? HIDDEN_POLL : this.busy ? BUSY_POLL : IDLE_POLL;
    this.poller = setTimeout(() => this.poll(), pause);
  }

  receive(reply) {
    const {state} = this, before = JSON.stringify(state.jobs);
    this.seen = reply.seen ?? this.seen;
    if (reply.note) this.notify(reply.note);
    if (reply.story) this.accept(reply.story);
    this.acceptModel(reply.model);
    for (const [id, job] of Object.entries(reply.jobs || {})) {
      if (job.notice && job.notice !== state.jobs[id]?.notice) this.notify(job.notice, {kind: 'warning'});
    }
    if (reply.standing) { state.standing = reply.standing; this.changed(); }
    if (JSON.stringify(reply.jobs || {}) !== before) { state.jobs = reply.jobs || {}; this.changed(); }
  }
}

// Whether an edit can join the last one that waits: the same typing into the same place.
function fits(last, item) {
  return !last.sent && item.group && last.group === item.group && last.op?.changes && last.op.do === item.op.do
    && last.op.scene === item.op.scene;
}

// `next` with the very scenes of `before` that did not change, so that nothing is painted for them.
function sharing(before, next) {
  const old = new Map(before?.scenes.map(scene => [scene.id, scene]));
  return {...next, scenes: next.scenes.map(scene => {
    const same = old.get(scene.id);
    return same && JSON.stringify(same) === JSON.stringify(scene) ? same : scene;
  })};
}

const late = limit => new Promise((_, fail) => setTimeout(() => fail(new Error('late')), limit));
const within = (limit, promise) => Promise.race([promise, late(limit)]);

function ownOwner() {
  const found = recall(OWNER_KEY);
  if (found && /^[\w-]{16,64}$/.test(found)) return found;
  const made = randomHex(16);
  keep(OWNER_KEY, made);
  return made;
}
