// What is said beside a field of words: how much room is left, and why a draft could not be accepted. A draft stays in
// its field, across reloads.

import {el, read, setAttr, setHidden, setText, write} from './dom.js';

const KEY = 'throughline-drafts',
  FIELDS = ['prompt', 'negative_prompt'],
  PAUSE = 250, // milliseconds
  SHORT = 40; // characters that are always far from the limit

/** What was typed into scenes and refused: `all` is story/scene/field -> {text, reason}. */
export class Drafts {
  constructor() {
    this.all = read(KEY, {});
  }

  of(story, scene, field) {
    return this.all[`${story}/${scene}/${field}`] ?? null;
  }

  // Whether there was a draft already.
  refused(story, op, reason) {
    return this.change(story, op, field => ({text: op.changes[field], reason}));
  }

  accepted(story, op) {
    return this.change(story, op, () => undefined);
  }

  change(story, op, draftOf) {
    const names = fieldsOf(op).map(field => [field, `${story}/${op.scene}/${field}`]);
    const there = names.some(([, name]) => this.all[name]);
    if (!names.some(([field, name]) => this.all[name] || draftOf(field))) return there;
    this.all = {...read(KEY, this.all), ...Object.fromEntries(names.map(([field, name]) => [name, draftOf(field)]))};
    write(KEY, this.all);
    return there;
  }
}

/** The fields of words that an edit changes. */
export const fieldsOf = op => (op?.do === 'edit_scene' ? FIELDS.filter(field => field in op.changes) : []);

/** A line below a field: `look(texts)` while they are typed, `tell(draft)` what was refused, null for nothing. */
export function makeRoom(store, worded = length => length.note) {
  const node = el('p', {class: 'room', role: 'status', dir: 'auto', hidden: true});
  let timer = 0,
    note = '',
    fits = true,
    reason = '';
  const paint = () => {
    setText(node, reason ? `Not saved: ${reason}` : note);
    setHidden(node, !node.textContent);
    setAttr(node, 'data-kind', reason || !fits ? 'alarm' : null);
  };
  const measure = async texts => {
    const long = texts.some(text => text.length >= SHORT);
    const reply = long ? await store.ask('lengths', {texts}).catch(() => null) : null;
    const lengths = reply?.lengths || [];
    const worst = lengths.findIndex(length => !length.fits);
    const place = worst < 0 ? lengths.findLastIndex(length => length.note) : worst;
    fits = worst < 0;
    note = place < 0 ? '' : worded(lengths[place], place);
    paint();
  };
  return {
    node,
    look(texts) {
      clearTimeout(timer);
      timer = setTimeout(() => measure(texts), PAUSE);
    },
    tell(draft) {
      reason = draft?.reason || '';
      paint();
    },
  };
}
