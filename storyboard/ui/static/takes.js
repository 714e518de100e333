// The Takes tab: the shelf of a scene's takes. Choose one, delete one, or compare two that play in step.
import {calm, counted, el, setAttr, setHidden, setSource, setText} from './dom.js';
import {ago, keyed, makeButton, makeEmpty, makeIconButton, setLabel} from './parts.js';
import {makePair} from './pair.js';

/** {node, paint(scene)} */
export function makeTakes(store) {
  const empty = makeEmpty('No takes yet', 'Each render adds one. Nothing that was rendered is ever lost: choose among them, or compare two.');
  const pair = makePair(), close = makeIconButton('close', 'Close the comparison', () => { compared = []; paint(current); });
  const compare = el('section', {class: 'compare', 'aria-label': 'Two takes side by side', hidden: true},
    el('div', {class: 'line'}, el('h3', {text: 'Side by side'}), close), pair.node);
  const hint = el('p', {class: 'explain'});
  const shelf = el('ul', {class: 'shelf'}), node = el('div', {class: 'takes'}, empty.node, compare, hint, shelf);
  let current = null, compared = [];                     // ids of at most two takes

  function choose(take) {
    if (take !== current.chosen) store.edit({do: 'choose_take', scene: current.id, take});
  }
  function remove(take) {
    store.edit({do: 'remove_take', scene: current.id, take});
    store.notify('Take deleted.', {undo: () => store.undo(), until: 'edit'});
  }
  function mark(take) {                                  // a third take replaces the older of the two
    compared = compared.includes(take) ? compared.filter(other => other !== take) : [...compared, take].slice(-2);
    paint(current);
  }

  function paint(scene) {
    if (scene.id !== current?.id) compared = [];
    current = scene;
    const takes = scene.takes, two = compared.map(id => takes.find(take => take.id === id)).filter(Boolean);
    compared = two.map(take => take.id);
    setHidden(empty.node, takes.length > 0);
    setHidden(shelf, !takes.length);
    setHidden(hint, takes.length < 2 || two.length === 2);
    setText(hint, two.length === 1 ? 'Mark one more take to compare.' : 'Mark two takes to play them side by side.');
    setHidden(compare, two.length < 2);
    if (two.length === 2) pair.show(...two.map(take => ({...take, label: named(take, takes)})));
    else pair.pause();
    keyed(shelf, [...takes].reverse(), take => take.id, take => makeTake(take.id, {choose, remove, mark}),
      (item, take) => paintTake(item, take, {number: takes.indexOf(take) + 1, chosen: scene.chosen, compared}));
  }
  return {node, paint, hide: pair.pause};
}

const named = (take, takes) => `Take ${takes.indexOf(take) + 1} · ${take.source === 'imported' ? 'your clip' : `seed ${take.seed}`}`;

function makeTake(id, {choose, remove, mark}) {
  const pick = el('button', {type: 'button', class: 'pick', on: {click: () => choose(id)}},
    el('span', {class: 'frame'}, el('img', {alt: '', loading: 'lazy'}), el('span', {class: 'chosen-mark', text: 'Chosen'})));
  const name = el('b', {}), facts = el('span', {class: 'facts'}), note = el('span', {class: 'note', dir: 'auto'}), state = el('span', {class: 'freshness'});
  const compare = makeButton('Compare', () => mark(id), {kind: 'quiet small', 'aria-pressed': 'false'});
  const trash = makeIconButton('trash', 'Delete this take', () => remove(id));
  return el('li', {class: 'take'}, pick, el('div', {class: 'about'}, el('div', {class: 'line'}, name, state), facts, note),
    el('div', {class: 'buttons'}, compare, trash));
}

function paintTake(item, take, {number, chosen, compared}) {
  const pick = item.querySelector('.pick'), on = take.id === chosen, marked = compared.includes(take.id);
  const imported = take.source === 'imported';
  setSource(item.querySelector('img'), calm() ? take.keyframe : take.preview);
  setAttr(item, 'data-chosen', on);
  setAttr(pick, 'aria-pressed', String(on));
  setAttr(pick, 'aria-label', `Take ${number}${on ? ', chosen' : ': choose it'}`);
  setText(item.querySelector('b'), `Take ${number}`);
  const length = `${(take.num_frames / take.frames_per_second).toFixed(1)} s`;
  setText(item.querySelector('.facts'), (imported ? ['your clip', length] : [`seed ${take.seed}`, counted(take.steps, 'step'), length]).concat(ago(take.created)).map(fact => fact.replace(/ /g, '\u00a0')).join('\u00a0· '));
  setText(item.querySelector('.note'), take.note || '');
  const state = item.querySelector('.freshness');
  setText(state, imported ? '' : take.fresh ? 'fresh' : 'stale');
  setAttr(state, 'data-state', take.fresh ? 'fresh' : 'stale');
  setAttr(state, 'title', take.fresh ? 'Made from what the scene says now' : 'Made from something else than the scene says now');
  const [compare, trash] = item.querySelectorAll('.buttons button');
  setAttr(compare, 'aria-pressed', String(marked));
  setText(compare.lastChild, marked ? 'Comparing' : 'Compare');
  setAttr(compare, 'aria-label', `Compare take ${number}`);
  setLabel(trash, `Delete take ${number}`);
}
