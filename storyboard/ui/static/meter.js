// The Meter tab: whether what recurs looks as it did, in the chosen scene and along the whole story.
import {el, setHidden, setText} from './dom.js';
import {makeEmpty, makeLatest} from './parts.js';
import {makeStoryMeter, percent} from './meterstory.js';

const PATIENCE = 1.5, LOOK_AGAIN = 500;                  // seconds that a call may take, milliseconds between two

/** {node, paint(scene)} */
export function makeMeter(store) {
  const empty = makeEmpty('', ''), scene = makeSceneMeter(store), story = makeStoryMeter(store);
  const status = el('p', {class: 'line', role: 'status'});
  const body = el('div', {class: 'groups'}, scene.node, story.node);
  const node = el('div', {class: 'meter'}, status, empty.node, body);
  let current = null, wanted = '', report = null, open = false, timer = 0;

  const load = makeLatest(async key => {
    const reply = await store.call('meter', {story: store.state.story.id, patience: PATIENCE, quiet: true})
      .catch(error => ({error: error.message}));
    if (key !== wanted) return;
    report = reply.meter || {scenes: [], threads: [], warnings: [], notes: [], pending: 0, failed: reply.error};
    if (report.pending && open) timer = setTimeout(() => load(key), LOOK_AGAIN);
    draw();
  });
  function paint(next) {
    current = next;
    open = true;
    const {id, rev} = store.state.story, key = `${id} ${rev}`;
    if (key !== wanted || report?.failed) {
      if (!wanted.startsWith(`${id} `)) report = null;
      wanted = key;
      clearTimeout(timer);
      load(key);
    }
    draw();
  }
  function draw() {
    const some = store.state.story.scenes.some(other => other.chosen && other.prompt.trim());
    const own = report?.scenes.find(other => other.scene === current.id);
    setText(status, saidOf(report, some));
    setHidden(status, !status.textContent);
    setHidden(empty.node, some && Boolean(own) || !report);
    if (!some) empty.say('Nothing to measure yet', 'Render some scenes. Then this tells whether people, things and places come back looking as they did.');
    else if (!own) empty.say(report?.pending ? 'Being measured' : 'This scene is not measured', report?.pending ? '' : 'It needs a prompt and a take.');
    setHidden(body, !some || !report);
    setHidden(scene.node, !own);
    if (own) scene.paint(own, report);
    if (report) story.paint(report, current);
  }
  function hide() {
    open = false;
    clearTimeout(timer);
    if (report?.pending) wanted = '';
  }
  return {node, paint, hide};
}

function saidOf(report, some) {
  if (!some) return '';
  if (!report) return 'Measuring …';
  const left = report.pending ? `Measuring: ${report.pending} to go …` : '';
  return [report.failed ? `It can't be measured: ${report.failed}` : '', left, ...report.notes].filter(Boolean).join(' ');
}

// --- the chosen scene

function makeSceneMeter(store) {
  const sum = el('p', {class: 'sum'}), list = el('ul', {class: 'mentions'}), figures = el('div', {class: 'figures'});
  const node = el('section', {class: 'group', 'aria-label': 'Continuity of this scene'}, el('h3', {text: 'This scene'}), sum, list, figures);
  let shown = '';

  function paint(scene, report) {
    const key = JSON.stringify([scene, report.warnings.filter(each => each.scene === scene.scene)]);
    if (key === shown) return;
    shown = key;
    const known = typeof scene.held === 'number';
    sum.replaceChildren(...known ? [el('b', {text: percent(scene.held)}), ' held. A scene is worth no more than the weakest of its figures.']
      : ['Nothing in it was seen before.']);
    list.replaceChildren(...scene.mentions.map(mention => makeMention(store, mention)));
    figures.replaceChildren(
      ...typeof scene.prompt === 'number' ? [makeBar('Shows its prompt', scene.prompt, percent(scene.prompt), report.warnings.some(w => w.scene === scene.scene && w.kind === 'prompt'))] : [],
      makeBar('Moves', scene.moves, scene.moves < 1 ? percent(scene.moves) : `by ${scene.motion.toFixed(1)}`, scene.moves < 0.34));
  }
  return {node, paint};
}

function makeMention(store, mention) {
  const {first, last} = mention, odd = mention.present ? '' : 'absent';
  const there = !mention.present ? 'not to be seen' : first ? `there: ${percent(mention.presence)}` : 'first seen here';
  const name = el('p', {class: 'who'}, el('b', {text: mention.text, dir: 'auto'}),
    el('span', {class: 'there', 'data-kind': odd, title: `There with a probability of ${percent(mention.presence)}`, text: there}));
  const bars = [];
  if (first) bars.push(makeBar(el('span', {}, 'As in ', linkTo(store, first)), first.similarity, percent(first.similarity), first.similarity < 0.35));
  if (last && last.scene !== first.scene) bars.push(makeBar(el('span', {}, 'As in ', linkTo(store, last)), last.similarity, percent(last.similarity), last.similarity < 0.35));
  return el('li', {'data-kind': odd}, name, ...bars);
}

/** A button that is a scene's number and opens that scene. */
export function linkTo(store, {scene, number}) {
  return el('button', {type: 'button', class: 'to-scene', text: `scene ${number}`, on: {click: () => store.select(scene, {open: store.state.sheet})}});
}

function makeBar(name, share, value, poor) {
  return el('div', {class: 'gauge', 'data-poor': poor || null}, el('span', {class: 'name'}, name), el('span', {class: 'value', text: value}),
    el('span', {class: 'bar', style: `--value: ${Math.max(0, Math.min(1, share))}`, 'aria-hidden': 'true'}));
}
