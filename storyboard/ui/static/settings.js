// The Scene tab: what decides the scene's picture, and the buttons that make it.
import {counted, duration, el, setHidden, setText} from './dom.js';
import {decimal, makeButton, makeChoice, makeIconButton, makeSender, makeSlider, makeSwitch, newId, titled, wireRange} from './parts.js';
import {importClip, makeViewer} from './viewer.js';
import {unread} from './card.js';
import {makeRoom} from './words.js';

const SHORTEST = 2;                                      // k of 4 k + 1 frames

/** {node, paint(scene, job)} */
export function makeSettings(store) {
  let scene = null;
  const change = (changes, group = '') => store.edit({do: 'edit_scene', scene: scene.id, changes}, group);
  const parts = [makeViewer(store), makeMaking(store, () => scene), makeGuidance(store.served, change), makeLook(store.served, change), makeSeed(change),
    makeNegative(store, change), makeKeeping(store, change, () => scene)];
  const [viewer, making, guidance, look, seed, negative, keeping] = parts;
  const node = el('div', {class: 'settings'}, viewer.node, making.node, el('div', {class: 'groups'},
    guidance.node, el('section', {class: 'group', 'aria-label': 'Making'}, el('h3', {text: 'Making'}), look.node, seed.node),
    el('section', {class: 'group', 'aria-label': 'More'}, el('h3', {text: 'More'}), negative.node, keeping.node)));
  function paint(next, job) {
    scene = next;
    parts.forEach(part => part.paint(scene, job));
  }
  return {node, paint, hide: viewer.pause};
}

// --- the buttons that render, or how far that is

function makeMaking(store, current) {
  const render = again => () => store.render([current().id], again);
  const cancel = () => store.cancel([current().id]);
  const first = makeButton('Render this scene', render(false), {kind: 'primary'});
  const second = makeButton('Another take', render(true));
  const stop = makeButton('Cancel', cancel);
  const bar = el('progress', {max: 1, value: 0, 'aria-label': 'Progress of this scene'});
  const line = el('p', {class: 'line', role: 'status'});
  const node = el('div', {class: 'making'}, el('div', {class: 'buttons'}, first, second, stop, line), bar);

  function paint(scene, job) {
    const why = whyNot(scene, store.state.standing?.scenes[scene.id]);
    const active = job && (job.state === 'queued' || job.state === 'running');
    const step = store.state.standing?.plan.steps.find(other => other.scene === scene.id);
    for (const button of [first, second]) setHidden(button, Boolean(active));
    setHidden(stop, !active);
    first.disabled = Boolean(why);
    second.disabled = first.disabled || !scene.takes.length;
    bar.classList.toggle('idle', !active);
    bar.value = job?.total && active ? job.step / job.total : 0;
    setText(line, why || (job ? said(job) : '') || (step?.seconds ? `About ${duration(step.seconds)}` : '') || (step ? '' : rest(scene)));
    line.dataset.state = job?.state || '';
  }
  return {node, paint};
}

const rest = scene => scene.takes.some(take => take.id === scene.chosen && take.fresh) ? 'Fresh: another take draws a new seed.' : '';

function whyNot(scene, standing) {
  if (scene.locked) return 'Locked: unlock it to render it again.';
  if (!scene.prompt.trim()) return 'Write a prompt on its card to render it.';
  if (standing?.state === 'blank' && unread(standing)) return unread(standing);
  const own = scene.takes.find(take => take.id === scene.chosen)?.source === 'imported';
  return own ? 'It shows a clip of your own. To render it, choose another take or delete that one.' : '';
}

const said = job => job.notice && job.state === 'running' ? `${stateWords(job)}. ${job.notice}` : stateWords(job);

const stateWords = job => ({
  queued: job.position > 1 ? `Queued, ${counted(job.position - 1, 'scene')} before it` : 'Queued, next in line',
  running: job.total ? `Step ${job.step} of ${job.total}` : 'Starting',
  failed: `Failed: ${job.error}`,
  cancelled: 'Cancelled',
})[job.state] || '';

// --- guidance

function makeGuidance({schedules}, change) {
  const weight = name => (value, group) => change({guidance: {[name]: value}}, group);
  const text = makeSlider({label: 'Text guidance', help: 'How closely it follows its own prompt (w1)', min: 0, max: 10, step: 0.1, show: decimal, send: weight('text')});
  const history = makeSlider({label: 'History guidance', help: 'How closely it follows what it remembers (w2)', min: 0, max: 10, step: 0.1, show: decimal, send: weight('history')});
  const range = makeWindow((start, end, group) => change({guidance: {start, end}}, group));
  const schedule = makeChoice('Schedule', schedules.map(value => [value, titled(value)]), value => change({guidance: {schedule: value}}));
  const node = el('section', {class: 'group', 'aria-label': 'Guidance'}, el('h3', {text: 'Guidance'}), text.node, history.node, range.node, schedule.node);
  function paint({guidance}) {
    widen(text.input, guidance.text);
    widen(history.input, guidance.history);
    text.set(guidance.text);
    history.set(guidance.history);
    range.set(guidance.start, guidance.end);
    schedule.set(guidance.schedule);
  }
  return {node, paint};
}

/** Room for a value that came from elsewhere and lies outside the slider. */
function widen(input, value) { if (value > Number(input.max)) input.max = Math.ceil(value); }

/** Two handles on one track: between which shares of the steps guidance acts. */
function makeWindow(send) {
  const [from, to] = [['Guidance starts at', 0], ['Guidance ends at', 100]].map(([label, value]) =>
    el('input', {type: 'range', min: 0, max: 100, step: 5, value, 'aria-label': label}));
  const output = el('output', {}), name = newId('window');
  const node = el('div', {class: 'field slider window', role: 'group', 'aria-labelledby': name},
    el('div', {class: 'line'}, el('span', {id: name, text: 'Guidance window'}), output), el('div', {class: 'double'}, from, to),
    el('p', {class: 'explain', text: 'The part of the steps in which it guides'}));
  const sender = makeSender(([start, end], group) => send(start, end, group));
  const read = () => [from.value / 100, to.value / 100];

  function tell() {
    const whole = from.value === '0' && to.value === '100';
    setText(output, whole ? 'all steps' : `${from.value}–${to.value}%`);
    node.style.setProperty('--from', from.value / 100);
    node.style.setProperty('--to', to.value / 100);
    from.style.zIndex = Number(from.value) > 50 ? 2 : 1;  // where both handles meet, the one that can still move lies on top
    for (const input of [from, to]) input.setAttribute('aria-valuetext', `${input.value}% of the steps`);
  }
  function keepApart(moved) {
    if (Number(from.value) > Number(to.value) - 5) {
      if (moved === from) from.value = Math.max(0, to.value - 5);
      else to.value = Math.min(100, Number(from.value) + 5);
    }
    tell();
  }
  for (const input of [from, to]) {
    input.addEventListener('input', () => keepApart(input));
    wireRange(input, sender, read);
  }
  function set(start, end) {
    if (sender.busy) return;
    from.value = Math.round(start * 100);
    to.value = Math.round(end * 100);
    tell();
  }
  return {node, set};
}

// --- steps, length, seed

function makeLook({frames_per_second: usual, most}, change) {
  let rate = usual;
  const frames = k => 4 * k + 1;
  const steps = makeSlider({label: 'Steps', min: 4, max: 60, step: 1, send: (value, group) => change({steps: value}, group)});
  const length = makeSlider({label: 'Length', min: SHORTEST, max: (most.frames - 1) / 4, step: 1,
    show: k => `${(frames(k) / rate).toFixed(1)} s · ${frames(k)} frames`, send: (k, group) => change({num_frames: frames(k)}, group)});
  function paint(scene) {
    rate = scene.takes.find(take => take.source === 'generated')?.frames_per_second || usual;
    widen(steps.input, scene.steps);
    if (scene.steps < steps.input.min) steps.input.min = scene.steps;
    const k = Math.max(0, Math.round((scene.num_frames - 1) / 4));
    if (k < length.input.min) length.input.min = k;
    steps.set(scene.steps);
    length.set(k);
  }
  return {node: el('div', {class: 'stack'}, steps.node, length.node), paint};
}

function makeSeed(change) {
  const id = newId('seed');
  const number = el('input', {type: 'number', id, min: 0, max: Number.MAX_SAFE_INTEGER, step: 1, inputmode: 'numeric'});
  const dice = makeIconButton('dice', 'Draw another seed', () => change({seed: Math.floor(Math.random() * 1e6), new_seed: false}));
  const fixed = makeChoice('Each render', [['fixed', 'This seed'], ['new', 'A new one']], value => change({new_seed: value === 'new'}));
  const node = el('div', {class: 'seed'}, el('div', {class: 'field'}, el('label', {for: id, text: 'Seed'}), el('div', {class: 'beside'}, number, dice)), fixed.node);
  let seed = 0;
  number.addEventListener('change', () => {
    const value = Number(number.value);
    if (number.value === '' || !Number.isSafeInteger(value) || value < 0) number.value = seed;
    else if (value !== seed) change({seed: value});
  });
  number.addEventListener('keydown', event => { if (event.key === 'Enter') number.blur(); });
  function paint(scene) {
    if (document.activeElement !== number || seed !== scene.seed) number.value = scene.seed;
    seed = scene.seed;
    fixed.set(scene.new_seed ? 'new' : 'fixed');
  }
  return {node, paint};
}

// --- the rest

function makeNegative(store, change) {
  const id = newId('negative'), room = makeRoom(store);
  const area = el('textarea', {id, rows: 2, placeholder: 'What it should not show', dir: 'auto'});
  const sender = makeSender((value, group) => change({negative_prompt: value}, group));
  area.addEventListener('focus', () => sender.hold());
  area.addEventListener('blur', () => sender.release());
  area.addEventListener('input', () => { sender.change(area.value); room.look([area.value]); });
  function paint(scene) {
    const draft = store.draft(scene.id, 'negative_prompt'), text = draft?.text ?? scene.negative_prompt;
    room.tell(draft);
    if (!sender.busy && area.value !== text) area.value = text;
  }
  return {node: el('div', {class: 'field'}, el('label', {for: id, text: 'Negative prompt'}), area, room.node), paint};
}

function makeKeeping(store, change, current) {
  const lock = makeSwitch('Lock this scene', on => change({locked: on}), 'It keeps its take whatever changes before it.');
  const file = el('input', {type: 'file', accept: 'video/*,image/gif', hidden: true, 'aria-label': 'A clip of your own'});
  const pick = makeButton('Import a clip of your own', () => file.click(), {picture: 'import'});
  file.addEventListener('change', async () => {
    const [chosen] = file.files;
    if (chosen) {
      pick.disabled = true;
      await importClip(store, current(), chosen);
      pick.disabled = false;
    }
    file.value = '';
  });
  const node = el('div', {class: 'stack'}, lock.node, el('div', {class: 'field'}, pick, file,
    el('p', {class: 'explain', text: `It becomes this scene, and later scenes remember it. At most ${store.served.most.megabytes} MB.`})));
  return {node, paint: scene => lock.set(scene.locked)};
}
