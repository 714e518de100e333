// What is said beside a prompt: how much room is left, and why a draft could not be accepted. A draft stays in its
// field, across reloads.

import {el, read, setAttr, setHidden, setText, write} from './dom.js';

const KEY = 'throughline-drafts',
  PAUSE = 250, // milliseconds
  SHORT = 40; // characters that are always far from the limit

/** Prompts that were typed and refused: `all` is story/scene/prompt -> {text, reason}. */
export class Drafts {
  all = read(KEY, {});

  of(story, scene) {
    return this.all[`${story}/${scene}/prompt`] ?? null;
  }

  /** An edit was refused for a reason, or accepted: null. Gives whether there was a draft of it already. */
  settle(story, op, reason) {
    const there = isPrompt(op) && this.of(story, op.scene) !== null;
    if (there || (reason && isPrompt(op))) {
      const draft = reason ? {text: op.changes.prompt, reason} : undefined;
      this.all = {...read(KEY, this.all), [`${story}/${op.scene}/prompt`]: draft};
      write(KEY, this.all);
    }
    return there;
  }
}

/** Whether an edit changes a prompt. */
export const isPrompt = op => op?.do === 'edit_scene' && 'prompt' in op.changes;

/** A line below a prompt: `look(text)` while it is typed, `tell(draft)` what was refused, null for nothing. */
export function makeRoom(store) {
  const node = el('p', {class: 'room', role: 'status', dir: 'auto', hidden: true}),
    room = {note: '', fits: true};
  let timer = 0,
    reason = '';
  const paint = () => {
    setText(node, reason ? `Not saved: ${reason}` : room.note);
    setHidden(node, !node.textContent);
    setAttr(node, 'data-kind', reason || !room.fits ? 'alarm' : null);
  };
  const measure = async text => {
    const reply = text.length >= SHORT ? await store.ask('lengths', {texts: [text]}).catch(() => null) : null;
    Object.assign(room, reply?.lengths[0] ?? {note: '', fits: true});
    paint();
  };
  return {
    node,
    look(text) {
      clearTimeout(timer);
      timer = setTimeout(() => measure(text), PAUSE);
    },
    tell(draft) {
      reason = draft?.reason || '';
      paint();
    },
  };
}
