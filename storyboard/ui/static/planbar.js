// The line at the foot of the page: what a render would do and about how long it takes, or how far it is.

import {counted, duration, el, howFar, iconButton, makeMenu, narrow, openMenu, setAttr, setHidden,
  setMarked, setText, textButton} from './dom.js';
import {sceneOf} from './edits.js';

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
    setMarked(line, batch.busy ? batch.line(story) : planLine(store.state));
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

// The server says it, see plan_words.py; shorter where there is little room.
const planLine = ({story, standing}) => !story ? ''
  : standing ? standing[narrow() ? 'brief' : 'line'] : 'Looking at what depends on what…';

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
