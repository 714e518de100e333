// The line at the foot of the page: what a render would do and about how long it takes, or how far it is.

import {counted, duration, el, howFar, iconButton, makeMenu, narrow, openMenu, setAttr, setHidden,
  setMarked, setText, textButton} from './dom.js';
import {sceneOf} from './edits.js';

const MOST_NAMED = 6, MOST_REASONS = 2;

export function makePlanbar(store) {
  const line = el('p', {class: 'plan-line', dir: 'auto'});
  const progress = el('progress', {class: 'plan-progress', max: 1, value: 0, 'aria-label': 'Rendering'});
  const menu = makeMenu(), render = textButton('', {class: 'button primary', click: () => store.render()}, 'play');
  const more = iconButton('bottom', 'More ways to render', {class: 'button primary split', 'aria-haspopup': 'menu',
    click: () => openMenu(menu, more, choices(store))});
  const cancel = textButton('Cancel', {click: () => store.cancel()});
  const bar = el('footer', {class: 'planbar', 'aria-label': 'Plan'}, progress, line,
    el('div', {class: 'plan-acts'}, cancel, el('div', {class: 'split-box'}, render, more)), menu);
  const batch = new Batch();
  store.on(() => {
    const {story, standing, jobs} = store.state;
    const steps = standing?.plan.steps.filter(step => !active(jobs[step.scene])) || [];
    batch.follow(jobs);
    setAttr(bar, 'data-busy', String(batch.busy));
    setMarked(line, batch.busy ? batch.line(story) : planLine(story, standing));
    progress.value = batch.busy ? batch.share : 0;
    setHidden(cancel, !batch.busy);
    setText(render.lastChild, steps.length ? `Render ${counted(steps.length, 'scene')}` : 'Render');
    setAttr(render, 'disabled', !steps.length);
    setAttr(more, 'disabled', !story?.scenes.length);
  });
  return bar;
}

const active = job => job?.state === 'queued' || job?.state === 'running';

function choices(store) {
  const {story, selected} = store.state, number = story.scenes.findIndex(scene => scene.id === selected) + 1;
  const all = story.scenes.filter(scene => scene.prompt.trim() && !scene.locked).map(scene => scene.id);
  const chosen = sceneOf(story, selected);
  return [
    {label: 'Render all again, as new takes', icon: 'stale', disabled: !all.length, act: () => store.render(all, true)},
    {label: number ? `New take of scene ${number}` : 'New take of the chosen scene', icon: 'play',
      disabled: !all.includes(chosen?.id), act: () => store.render([selected], true)},
  ];
}

// --- the plan in words ---

function planLine(story, standing) {
  if (!story) return '';
  if (!story.scenes.length) return 'Nothing to render yet.';
  if (!standing) return 'Looking at what depends on what…';
  const {steps, seconds, blocked} = standing.plan, notes = blocked.length ? ` ${blocked.map(sentence).join(' ')}` : '';
  if (!steps.length) return restLine(story, standing) + notes;
  const state = step => standing.scenes[step.scene]?.state;
  const named = steps.slice(0, MOST_NAMED).map((step, i) => stepWords(step, i, state(step), steps.length));
  const others = steps.length > MOST_NAMED ? ` and ${steps.length - MOST_NAMED} more` : '';
  const time = seconds === null || seconds === undefined ? '' : `, ${sharedTime(standing.plan.together, seconds)}`;
  return `Render ${counted(steps.length, 'scene')}: ${named.join(', ')}${others}${time}.${notes}`;
}

function sharedTime(together, seconds) {                 // with workers: what they take, and what nothing shortens
  if (!together) return `about ${duration(seconds)}`;
  const chain = together.chain.length > 1
    ? `; longest chain ${together.chain.join(' → ')}, ${duration(together.chain_seconds)}` : '';
  return `about ${duration(together.seconds)} with ${together.workers} workers${chain}`;
}

function stepWords(step, i, state, count) {             // that a scene is new, its card says
  const reason = state !== 'new' && i < (count > MOST_NAMED ? 1 : MOST_REASONS) && step.reasons[0];
  const said = reason && narrow() ? reason.split(':')[0] : reason; // old and new words stand on the card
  return said ? `${step.number} (${said})` : String(step.number);
}

function restLine(story, standing) {
  const blank = story.scenes.filter(scene => !scene.prompt.trim()).length, some = Object.values(standing.scenes);
  if (blank === story.scenes.length) return 'Nothing to render yet: the scenes have no words.';
  const old = some.filter(scene => scene.state === 'stale' || scene.state === 'waiting').length;
  const rest = blank ? ` ${counted(blank, 'scene')} without words.` : '';
  const stuck = some.some(scene => scene.state === 'blank' && scene.reasons.length);
  return (old ? 'Nothing to render: what is stale is locked.' : stuck ? 'Every other scene is fresh.'
    : 'Every scene is fresh.') + rest;
}

const sentence = text => text ? text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? '' : '.') : '';

// --- how far it is ---

// The scenes that were asked for since nothing was under way.
class Batch {
  constructor() { this.reset(); }

  reset() { Object.assign(this, {scenes: new Set(), jobs: {}, since: 0, least: 0}); }

  get busy() { return this.scenes.size > 0; }

  follow(jobs) {
    const now = Object.keys(jobs).filter(id => active(jobs[id]));
    if (!now.length) return this.reset();
    if (!this.busy) this.since = performance.now();
    now.forEach(id => this.scenes.add(id));
    this.jobs = jobs;
    return undefined;
  }

  get done() { return [...this.scenes].filter(id => !active(this.jobs[id])).length; }

  get running() { return Object.values(this.jobs).find(job => job.state === 'running'); }

  get share() {
    const job = this.running, part = job?.total ? job.step / job.total : 0;
    this.least = Math.max(this.least, (this.done + part) / this.scenes.size);
    return this.least;
  }

  line() {
    const job = this.running, count = this.scenes.size;
    if (!job) {
      const ahead = Math.min(...Object.values(this.jobs).filter(active).map(other => other.position || 1)) - 1;
      return ahead > 0 ? `Waiting in line: ${counted(ahead, 'scene')} of others first.`
        : `Starting ${counted(count, 'scene')}…`;
    }
    const step = job.total ? `, ${howFar(job).toLowerCase()}` : '';
    return `Scene ${Math.min(this.done + 1, count)} of ${count}${step}${this.left()}`;
  }

  left() {
    const {share} = this, seconds = (performance.now() - this.since) / 1000;
    return seconds > 3 && share > 0.03 ? `, about ${duration(seconds / share - seconds)} left` : '';
  }
}
