// The shelf: the user's stories with pictures, samples, new ones from a list of prompts, and archives in and out.

import {makeRoom, read, write} from './words.js';
import {counted, el, icon, iconButton, makeDialog, setHidden, textButton} from './dom.js';

const DRAFT = 'throughline-new-story';                   // what was typed and not started yet
const AGO = [[31536000, 'year'], [2592000, 'month'], [86400, 'day'], [3600, 'hour'], [60, 'minute']];

export function makeShelf(store) {
  const shelf = new Shelf(store);
  return shelf.dialog;
}

class Shelf {
  constructor(store) {
    this.store = store;
    this.stories = el('ul', {class: 'shelf-list'});
    this.samples = el('ul', {class: 'shelf-list'});
    this.none = el('p', {class: 'hint', text: 'None yet.'});
    this.samplesBox = el('section', {'aria-label': 'Samples', hidden: true},
      el('h3', {text: 'Samples, rendered already'}), this.samples);
    this.file = el('input', {type: 'file', accept: '.zip,application/zip,.fountain,.spmd,.fdx,.txt,.md,.csv,.tsv', hidden: true,
      on: {change: () => this.importFile(this.file)}});
    this.form = this.makeForm();
    const importing = textButton('Import an archive or a script', {class: 'button', on: {click: () => this.file.click()}},
      'import');
    this.making = textButton('New story', {class: 'button primary', 'aria-expanded': 'false',
      on: {click: () => this.toggle()}}, 'add');
    const own = el('section', {'aria-label': 'Your stories'}, el('h3', {text: 'Yours'}), this.none, this.stories);
    this.dialog = makeDialog('Stories', 'shelf',
      el('div', {class: 'shelf-acts'}, this.making, importing, this.file), this.form, own, this.samplesBox);
    this.dialog.addEventListener('opening', () => { this.toggle(Boolean(read(DRAFT, null)?.reason)); this.load(); });
  }

  async load() {
    const {stories} = await this.store.call('stories');
    setHidden(this.none, stories.length > 0);
    this.stories.replaceChildren(...stories.map(story => this.makeStory(story)));
    const {samples} = await this.store.call('samples');
    this.samples.replaceChildren(...samples.map(sample => this.makeSample(sample)));
    setHidden(this.samplesBox, !samples.length);
  }

  // --- a new story ---

  makeForm() {
    const title = el('input', {type: 'text', name: 'title', maxlength: this.store.served.most.title, placeholder: 'Untitled', dir: 'auto'});
    const prompts = el('textarea', {name: 'prompts', rows: 5, dir: 'auto',
      placeholder: 'One scene a line:\nA girl in a red coat waits at the station.\nThe girl boards a train.'});
    const room = makeRoom(this.store, (length, place) => `Scene ${place + 1}: ${length.note}`), kept = read(DRAFT, {});
    const form = el('form', {class: 'shelf-form', hidden: true}, el('label', {}, el('span', {text: 'Title'}), title),
      el('label', {}, el('span', {text: 'Scenes'}), prompts), room.node,
      el('button', {type: 'submit', class: 'button primary', text: 'Start'}));
    const linesOf = () => prompts.value.split('\n').map(line => line.trim()).filter(Boolean);
    const keep = reason => {
      write(DRAFT, {title: title.value, prompts: prompts.value, reason});
      room.tell({reason});
    };
    form.addEventListener('input', () => { keep(''); room.look(linesOf()); });
    [title.value, prompts.value] = [kept.title || '', kept.prompts || ''];
    room.tell(kept);
    form.addEventListener('submit', event => {
      event.preventDefault();
      const lines = linesOf();
      const named = title.value.trim(), reply = this.store.call('new_story', {...named && {title: named}, prompts: lines});
      reply.catch(error => keep(error.message));
      this.go(reply).then(done => { if (done) { form.reset(); write(DRAFT, null); room.tell(null); } });
    });
    return form;
  }

  toggle(on = this.form.hidden) {
    setHidden(this.form, !on);
    this.making.setAttribute('aria-expanded', String(on));
    if (on) this.form.querySelector('input').focus();
  }

  // Opens the story of a reply to come and closes the shelf. Whether it did; the store has said why not.
  async go(reply) {
    this.dialog.dataset.busy = 'true';
    try {
      const {story, note} = await reply;
      await this.store.open(story);
      this.dialog.close();
      if (note) this.store.notify(note);
      return true;
    } catch { return false; } finally { this.dialog.dataset.busy = 'false'; }
  }

  // --- what stands on it ---

  makeStory(story) {
    const {store} = this, present = story.id === store.state.story?.id, title = story.title || 'Untitled';
    const act = (shape, label, click) => iconButton(shape, `${label} ${title}`, {on: {click}});
    return el('li', {class: 'shelf-item', 'data-id': story.id, 'aria-current': present ? 'true' : null},
      this.makeOpener(title, `${counted(story.scenes, 'scene')} · ${ago(story.updated)}`, story.poster,
        () => present ? this.dialog.close() : this.go(store.call('get_story', {story: story.id}))),
      el('div', {class: 'shelf-tools'}, act('copy', 'Duplicate', () => this.duplicate(story)),
        act('export', 'Export', () => this.exportFile(story)), act('trash', 'Delete', () => this.remove(story))));
  }

  makeSample({name, title, scenes, poster}) {
    return el('li', {class: 'shelf-item'}, this.makeOpener(title, `${counted(scenes, 'scene')} · opens as your own`, poster,
      () => this.go(this.store.call('open_sample', {name}))));
  }

  makeOpener(title, about, poster, click) {
    const picture = poster ? el('img', {src: poster, alt: '', loading: 'lazy'}) : icon('film');
    return el('button', {type: 'button', class: 'shelf-open', on: {click}},
      el('span', {class: 'shelf-poster'}, picture),
      el('b', {text: title, dir: 'auto'}), el('span', {class: 'hint', text: about}));
  }

  async duplicate(story) {
    await this.store.call('duplicate_story', {story: story.id}).catch(() => {});
    await this.load();
  }

  async remove(story) {
    const {store} = this, present = story.id === store.state.story?.id;
    await store.drained();
    if (!await store.call('delete_story', {story: story.id}).catch(() => null)) return;
    const undo = async () => {
      await store.call('restore_story', {story: story.id}).catch(() => {});
      if (present) await store.open(story.id).catch(() => {});
      await this.load();
    };
    store.notify(`“${story.title || 'Untitled'}” deleted`, {undo});
    if (present) await store.start();
    await this.load();
  }

  // --- archives ---

  async exportFile(story) {
    setBusy(this.dialog, true);
    try {
      const {url, name} = await this.store.call('film', {story: story.id, format: 'story.zip'});
      el('a', {href: url, download: name}).click();
    } catch { /* the store has said it */ } finally { setBusy(this.dialog, false); }
  }

  async importFile(input) {
    const [file] = input.files;
    input.value = '';
    if (!file) return;
    const {megabytes} = this.store.served.most;
    if (file.size > megabytes * 1e6) {
      const size = Math.round(file.size / 1e6);
      this.store.notify(`${file.name} has ${size} MB: expected at most ${megabytes}.`, {kind: 'error'});
      return;
    }
    await this.go(this.store.call('import_story', {data: await base64(file), name: file.name}));
  }
}

const setBusy = (dialog, busy) => { dialog.dataset.busy = String(busy); };

function base64(file) {
  return new Promise((done, fail) => {
    const reader = new FileReader();
    reader.onload = () => done(reader.result.slice(reader.result.indexOf(',') + 1));
    reader.onerror = () => fail(reader.error);
    reader.readAsDataURL(file);
  });
}

function ago(seconds) {                                 // since 1970
  const past = Date.now() / 1000 - seconds, unit = AGO.find(([length]) => past >= length);
  return unit ? `${counted(Math.floor(past / unit[0]), unit[1])} ago` : 'just now';
}
