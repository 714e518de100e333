// The What if tab: the same take without its history or without one word, beside the chosen one; and the sheet under it.
import {el, setAttr, setHidden, setText} from './dom.js';
import {keyed, makeButton, makeEmpty, makeLatest, quoted} from './parts.js';
import {makePair} from './pair.js';
import {makeSheet} from './sheet.js';
import {cancelTrials, follow, order, over, recall} from './trials.js';

/** {node, paint(scene)} */
export function makeWhatIf(store) {
  const trials = new Map(), recalled = new Set();        // scene id -> its trials, oldest first; those whose trials the server told
  const empty = makeEmpty('', '');
  const history = makeButton('Without any history', () => tryIt({history: true}, 'without any history'), {kind: 'chip'});
  const words = el('div', {class: 'chips', role: 'group', 'aria-label': 'Without a word'});
  const note = el('p', {class: 'explain'});
  const result = makeResult(store, trial => { chosen.set(current.id, trial.id); draw(); }), sheet = makeSheet(store), chosen = new Map();
  const asking = el('section', {class: 'group', 'aria-label': 'What if'}, el('h3', {text: 'What if it did not remember?'}),
    el('p', {class: 'explain', text: 'Renders the chosen take again from the same seed, without what you take away, and shows both in step.'}),
    el('div', {class: 'asking'}, history, words), note, result.node);
  const node = el('div', {class: 'whatif'}, empty.node, asking, sheet.node);
  let current = null, loaded = '', kept = [], busy = false, story = '';

  const load = makeLatest(async id => {
    const reply = await store.call('remembers', {story: store.state.story.id, scene: id, threshold: null, quiet: true}).catch(() => null);
    if (!reply || id !== current?.id) return;
    kept = reply.past.flatMap(past => past.kept && !past.muted ? [...phrases(past)] : []);
    draw();
  });
  async function tryIt(without, label) {
    const scene = current.id, trial = {label, state: 'queued', against: current.chosen};
    busy = true;
    draw();
    const ids = await order(store, 'what_if', {scene, without}, ([now]) => { Object.assign(trial, now); draw(); });
    busy = false;
    if (ids) {
      [trial.id] = ids;
      trials.set(scene, [...(trials.get(scene) || []), trial]);
      chosen.set(scene, trial.id);
    }
    draw();
  }

  async function bringBack(scene) {
    const from = story, found = await recall(store, scene), last = found.findLast(trial => trial.sheet)?.sheet;
    if (story !== from) return;
    const here = trials.get(scene) || [], before = found.filter(trial => !trial.sheet && !here.some(({id}) => id === trial.id));
    before.forEach(trial => { trial.label = labelOf(trial, store.state.story); });
    trials.set(scene, [...before, ...here]);
    before.filter(trial => !over(trial)).forEach(trial => follow(store, [trial.id], ([now]) => { Object.assign(trial, now); draw(); }));
    sheet.recall(scene, found.filter(trial => last && trial.sheet === last));
    draw();
  }

  function paint(scene) {
    if (store.state.story.id !== story) {                // scenes of a copied story have the ids of its original
      story = store.state.story.id;
      [trials, chosen, recalled].forEach(each => each.clear());
      sheet.forget();
    }
    if (!recalled.has(scene.id)) { recalled.add(scene.id); bringBack(scene.id); }
    if (scene.id !== current?.id) kept = [];
    current = scene;
    const key = `${store.state.story.rev} ${scene.id}`, take = scene.takes.find(other => other.id === scene.chosen);
    const imported = take?.source === 'imported', able = Boolean(take) && !imported;
    if (able && key !== loaded) { loaded = key; load(scene.id); }
    setHidden(empty.node, able);
    setHidden(asking, !able);
    if (!take) empty.say('Nothing to compare with yet', 'Render the scene first. Then it can be rendered again without what it remembers, and shown beside it.');
    else if (imported) empty.say('A clip of your own is not rendered again', 'Choose a take that was rendered to see what it would be without what it remembers.');
    sheet.paint(scene);
    draw();
  }
  function draw() {
    if (!current) return;
    const own = trials.get(current.id) || [], trial = own.find(other => other.id === chosen.get(current.id)) || own.at(-1);
    setAttr(history, 'disabled', busy || !kept.length);
    setText(note, kept.length ? '' : 'This scene remembers nothing, so there is nothing to take away.');
    setHidden(note, kept.length > 0);
    keyed(words, kept, word => `${word.scene} ${word.start} ${word.end} ${word.text}`,
      word => makeButton('', () => tryIt({word: {scene: word.scene, start: word.start, end: word.end}}, `without ${quoted(word.text)} of scene ${word.number}`), {kind: 'chip'}),
      (chip, word) => {
        setText(chip.lastChild, `Without ${quoted(word.text)} of ${word.number}`);
        setAttr(chip, 'aria-label', `Without ${quoted(word.text)} of scene ${word.number}`);
        setAttr(chip, 'disabled', busy);
      });
    result.paint(current, own, trial);
  }
  return {node, paint, hide: result.pause};
}

function labelOf({without}, story) {
  const number = story.scenes.findIndex(scene => scene.id === without?.scene) + 1;
  return without ? `without ${quoted(without.text)} of ${number ? `scene ${number}` : 'a scene that is gone'}` : 'without any history';
}

/** Kept mentions of a past scene, each with the characters from its first word to its last. */
function* phrases({scene, number, pieces}) {
  let found = null, gap = '';
  for (const {text, start, end, kept, mention} of pieces) {
    if (!kept) { gap += text; continue; }
    if (found && found.mention === mention) found = {...found, text: found.text + gap + text, end};
    else { if (found) yield found; found = {scene, number, mention, text, start, end}; }
    gap = '';
  }
  if (found) yield found;
}

// --- a trial beside the take that it is compared with

function makeResult(store, choose) {
  const pair = makePair({difference: true}), line = el('p', {class: 'line', role: 'status'});
  const bar = el('progress', {max: 1, value: 0, 'aria-label': 'Progress of the trial'});
  const stop = makeButton('Cancel', () => cancelTrials(store, [trial.id]), {kind: 'quiet small'});
  const making = el('div', {class: 'making'}, el('div', {class: 'line'}, line, stop), bar);
  const earlier = el('div', {class: 'chips', role: 'group', 'aria-label': 'Trials'});
  const caution = el('p', {class: 'explain', text: 'The chosen take is stale: part of the difference comes from what changed since.'});
  const node = el('div', {class: 'result'}, earlier, making, pair.node, caution);
  let trial = null;

  function paint(scene, own, next) {
    trial = next;
    setHidden(node, !trial);
    if (!trial) return pair.pause();
    const take = scene.takes.find(other => other.id === trial.against), done = trial.state === 'done' && trial.clip && take;
    setHidden(earlier, own.length < 2);
    keyed(earlier, own, each => each.id, each => makeButton(each.label, () => choose(each), {kind: 'chip'}),
      (chip, each) => setAttr(chip, 'aria-pressed', String(each === trial)));
    setHidden(making, Boolean(done));
    setHidden(stop, over(trial));
    setHidden(bar, over(trial));
    bar.value = trial.total ? trial.step / trial.total : 0;
    setText(line, saidOf(trial, take));
    setHidden(caution, !done || take.fresh);
    setHidden(pair.node, !done);
    if (!done) return pair.pause();
    pair.show({...take, label: 'As it is'}, {frames_per_second: take.frames_per_second, num_frames: take.num_frames, ...trial, label: trial.label[0].toUpperCase() + trial.label.slice(1)});
  }
  return {node, paint, pause: pair.pause};
}

function saidOf(trial, take) {
  if (trial.state === 'failed') return `Failed: ${trial.error || 'try again'}`;
  if (trial.state === 'cancelled') return 'Cancelled';
  if (trial.state === 'done') return take ? 'This trial has no clip.' : 'The take that it was compared with was deleted.';
  if (trial.state === 'running' && trial.total) return `Rendering ${trial.label}: step ${trial.step} of ${trial.total}`;
  return trial.state === 'queued' ? `Queued: ${trial.label}` : `Rendering ${trial.label}`;
}
