// The strip: the story's scenes as cards, and what can be done to them.

import {calm, el, isTyping, makeMenu, openMenu, randomHex, setHidden, textButton} from './dom.js';
import {indexOf, sceneOf} from './edits.js';
import {Card, stateOf} from './card.js';
import {ask, keyed} from './parts.js';
import {columnsOf, makeReorder} from './reorder.js';
import {base64} from './upload.js';

export class Strip {
  constructor(store) {
    this.store = store;
    this.cards = new Map();                             // scene id -> Card, kept for as long as the scene is there
    this.said = {};                                     // the jobs' states that were announced
    this.took = {};                                     // the takes that scenes had when no job of theirs was known
    this.menu = makeMenu();
    this.list = el('ol', {class: 'cards', 'aria-label': 'Scenes', hidden: true});
    this.last = el('li', {class: 'slot-add'},
      textButton('Add a scene', {class: 'button add-last', 'data-act': 'add'}, 'add'));
    this.empty = makeEmpty();
    this.loading = el('p', {class: 'loading', text: 'Opening the story…'});
    this.node = el('section', {class: 'strip', 'aria-label': 'Storyboard', click: event => this.click(event),
      keydown: event => this.key(event), focusin: event => this.focused(event), drop: event => this.drop(event),
      dragover: event => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); }},
      this.loading, this.empty, this.list, this.menu, ...makeReorder(this.list, (id, index) => this.move(id, index)));
    store.on(() => this.paint());
    store.insert = word => this.insert(word);
  }

  get scenes() { return this.store.state.story.scenes; }

  // --- painting ---

  paint() {
    const {story, selected, standing, jobs} = this.store.state;
    setHidden(this.loading, Boolean(story));
    setHidden(this.empty, !story || story.scenes.length > 0);
    setHidden(this.list, !story?.scenes.length);
    if (!story) return;
    this.list.style.setProperty('--aspect', `${story.width} / ${story.height}`);
    const places = new Map(story.scenes.map((scene, i) => [scene.id, i + 1]));
    if (this.places !== String([...places.keys()])) {
      this.places = String([...places.keys()]);
      this.arrange(story.scenes);                       // and the same function for the same order: see Card.paint
      this.numbers = ids => ids.map(id => places.get(id) ?? '?').join(', ');
    }
    const feeding = new Set(standing?.scenes[selected]?.memories.map(memory => memory.scene));
    story.scenes.forEach((scene, index) => this.cards.get(scene.id).paint({
      scene, standing: standing?.scenes[scene.id], job: jobs[scene.id], index, total: story.scenes.length,
      selected: scene.id === selected, feeds: feeding.has(scene.id), numbers: this.numbers,
      unknown: standing?.unknown_words?.[scene.id], foreign: standing?.foreign_syntax?.[scene.id],
      draft: this.store.draft(scene.id), still: calm(),
        example: standing?.examples?.[index % standing.examples.length],
    }));
    this.roving(selected);
    this.attend();
    this.speak(jobs, places);
  }

  // Brings the cards into the story's order. One that did not move is not touched, and focus stays where it is.
  arrange(scenes) {
    const before = calm() ? new Map() : this.where(), old = this.cards;
    this.cards = new Map(scenes.map(({id}) => [id, old.get(id) || new Card(this.store, id)]));
    const nodes = [...this.cards.values()].map(card => card.node);
    keyed(this.list, [...nodes, this.last], node => node.dataset.id, node => node);
    if (this.list.contains(document.activeElement)) document.activeElement.scrollIntoView({block: 'nearest'});
    if (before.size) this.glide(before);
  }

  // Cards that are in sight glide from where they were: read all, then write all.
  where() {
    return new Map([...this.cards].map(([id, card]) => [id, card.node.getBoundingClientRect()]));
  }

  glide(before) {
    const after = this.where(), seen = box => box && box.bottom > -200 && box.top < innerHeight + 200;
    for (const [id, card] of this.cards) {
      const from = before.get(id), to = after.get(id);
      if (!seen(from) || !seen(to) || (from.left === to.left && from.top === to.top)) continue;
      card.node.animate([{transform: `translate(${from.left - to.left}px, ${from.top - to.top}px)`},
        {transform: 'none'}],
        {duration: 180, easing: 'cubic-bezier(.2, .7, .2, 1)'});
    }
  }

  roving(selected) {                                    // one stop for Tab among the cards themselves
    const home = this.cards.has(selected) ? selected : this.scenes[0]?.id;
    for (const [id, {article}] of this.cards) {
      const index = id === home ? 0 : -1;
      if (article.tabIndex !== index) article.tabIndex = index;
    }
  }

  attend() {                                            // the focus that an edit asked for
    const card = this.cards.get(this.wanted?.id);
    if (!card) return;
    (this.wanted.write ? card.text.area : card.article).focus();
    this.wanted = null;
  }

  speak(jobs, places) {
    for (const [id, number] of places) {
      const state = jobs[id]?.state, before = this.said[id];
      const takes = this.scenes[number - 1]?.takes ?? [], took = this.took[id];
      const made = !state && takes.some(take => take.source !== 'imported' && took && !took.has(take.id));
      if (!state) this.took[id] = new Set([...took ?? [], ...takes.map(take => take.id)]); // deleted ones may come back
      if (state === before && !made) continue; // it may have been made between two looks
      this.said[id] = state;
      if (state === 'running') this.store.announce(`Rendering scene ${number}`);
      else if (state === 'failed') this.store.announce(`Scene ${number} failed: ${jobs[id].error}`);
      else if (made) this.store.announce(`Scene ${number} is rendered`);
    }
  }

  // --- what can be done ---

  add(index) {
    const id = randomHex(8);
    this.wanted = {id, write: true};
    this.store.edit({do: 'add_scene', index, fields: {id}});
    this.store.announce(`Scene ${(index ?? this.scenes.length - 1) + 1} added`);
  }

  duplicate(id) {
    const copy = randomHex(8);
    this.wanted = {id: copy, write: false};
    this.store.edit({do: 'duplicate_scene', scene: id, copy_id: copy});
    this.store.announce('Scene duplicated');
  }

  remove(id) {
    const index = indexOf(this.store.state.story, id), next = this.scenes[index + 1] || this.scenes[index - 1];
    if (this.cards.get(id)?.node.contains(document.activeElement) && next) this.wanted = {id: next.id, write: false};
    this.store.edit({do: 'remove_scene', scene: id});
    this.store.notify(`Scene ${index + 1} deleted`, {undo: () => this.store.undo(), until: 'edit'});
  }

  move(id, to) {
    const from = indexOf(this.store.state.story, id), index = Math.max(0, Math.min(this.scenes.length - 1, to));
    if (from < 0 || index === from) return;
    this.store.edit({do: 'move_scene', scene: id, index});
    this.store.announce(`Scene moved to place ${index + 1} of ${this.scenes.length}`);
  }

  render(id) {
    const {standing, jobs} = this.store.state, scene = sceneOf(this.store.state.story, id);
    const again = stateOf({scene, standing: standing?.scenes[id], job: jobs[id]}) === 'fresh';
    this.store.render([id], again);
  }

  act(name, id, button) {
    const scene = sceneOf(this.store.state.story, id), index = scene ? indexOf(this.store.state.story, id) : null;
    const acts = {
      add: () => this.add(null), before: () => this.add(index),
      duplicate: () => this.duplicate(id), remove: () => this.remove(id),
      lock: () => this.store.edit({do: 'edit_scene', scene: id, changes: {locked: !scene.locked}}),
      render: () => this.render(id), cancel: () => this.store.cancel([id]),
      details: () => this.store.select(id), more: () => this.openMore(id, index, button),
    };
    acts[name]?.();
  }

  openMore(id, index, button) {
    const last = this.scenes.length - 1;
    const item = (label, shape, act, disabled = false) => ({label, icon: shape, act, disabled});
    openMenu(this.menu, button, [
      item('Add a scene before', 'add', () => this.add(index)),
      item('Add a scene after', 'add', () => this.add(index + 1)),
      item('Move earlier', 'earlier', () => this.move(id, index - 1), index === 0),
      item('Move later', 'later', () => this.move(id, index + 1), index === last),
      item('Move to the start', 'earlier', () => this.move(id, 0), index === 0),
      item('Move to the end', 'later', () => this.move(id, last), index === last),
    ]);
  }

  // --- events ---

  click(event) {
    const button = event.target.closest('[data-act]'), slot = event.target.closest('.slot');
    if (button) this.act(button.dataset.act, slot?.dataset.id, button);
    else if (slot && !isTyping(event.target)) this.store.select(slot.dataset.id, {open: false});
  }

  // A clip or a picture becomes a scene before the card that it is dropped on, or the last one.
  async drop(event) {
    const [file] = event.dataTransfer?.files || [], slot = event.target.closest('.slot');
    if (!file) return;
    event.preventDefault();
    const id = randomHex(8), index = slot ? indexOf(this.store.state.story, slot.dataset.id) : null;
    this.store.edit({do: 'add_scene', index, fields: {id}});
    this.store.select(id, {open: false});
    const brought = await ask(this.store, 'import_clip', {scene: id, data: await base64(file), name: file.name});
    if (!brought) this.store.undo();                     // it was said why
  }

  // A word into the prompt that was written in last, at its caret, or into that of the chosen scene.
  insert(word) {
    const area = this.written?.isConnected ? this.written : this.cards.get(this.store.state.selected)?.text.area;
    if (!area) return this.store.notify('Add a scene to write in.');
    const [before, after] = [area.value.slice(0, area.selectionStart), area.value.slice(area.selectionEnd)];
    const space = [/\S$/.test(before), /^\w/.test(after)].map(needed => needed ? ' ' : '');
    area.focus();
    area.setRangeText(space[0] + word + space[1], before.length, area.value.length - after.length, 'end');
    return area.dispatchEvent(new Event('input'));
  }

  focused(event) {
    if (event.target.matches('.prompt')) this.written = event.target;
    const id = event.target.closest('.slot')?.dataset.id;
    if (id && id !== this.store.state.selected) this.store.select(id, {open: false});
  }

  key(event) {
    const slot = event.target.closest('.slot');
    if (!slot) return;
    const {id} = slot.dataset, card = this.cards.get(id);
    const typing = isTyping(event.target), command = event.ctrlKey || event.metaKey;
    if (event.key === 'Enter' && command) this.render(id);
    else if (typing) { if (event.key !== 'Escape') return; card.article.focus(); }
    else if (event.altKey) { if (!this.shift(event, id)) return; }
    else if (event.target !== card.article || command || !this.cardKey(event.key, id, card)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  shift(event, id) {
    const by = this.steps(event.key);
    if (by) this.move(id, indexOf(this.store.state.story, id) + by);
    return Boolean(by);
  }

  cardKey(key, id, card) {
    const index = indexOf(this.store.state.story, id), last = this.scenes.length - 1;
    const goal = {Home: 0, End: last}[key] ?? (this.steps(key) ? index + this.steps(key) : null);
    if (goal !== null) this.cards.get(this.scenes[Math.max(0, Math.min(last, goal))].id).article.focus();
    else if (key === 'Enter') card.text.area.focus();
    else if (key === ' ') this.store.select(id);
    else if (key === 'Delete' || key === 'Backspace') this.remove(id);
    else return false;
    return true;
  }

  steps(key) {                                          // how many places an arrow key goes
    if (key === 'ArrowLeft' || key === 'ArrowRight') return key === 'ArrowRight' ? 1 : -1;
    return {ArrowUp: -1, ArrowDown: 1}[key] * columnsOf(this.list) || 0;
  }
}

// As in the head of the page, if it has one.
const logo = () => [...document.querySelectorAll('.brand .logo')].map(svg => svg.cloneNode(true));

function makeEmpty() {
  return el('div', {class: 'empty', hidden: true}, ...logo(), el('h2', {text: 'An empty board'}),
    el('p', {text: 'Write one scene after another. What one showed comes back when a later one names it again.'}),
    el('div', {class: 'empty-acts'},
      textButton('Write the first scene', {class: 'button primary', 'data-act': 'add'}, 'add'),
      textButton('Look at a sample', {class: 'button',
        click: () => document.querySelector('.topbar .stories').click()}, 'book')));
}
