// The panel of the selected scene: how it stands, and its tabs.
import {el, setAttr, setHidden, setMarked, setText} from './dom.js';
import {flushEdits, makeEmpty, newId} from './parts.js';
import {makeMeter} from './meter.js';
import {makeRemembers} from './remembers.js';
import {makeSettings} from './settings.js';
import {makeTakes} from './takes.js';
import {makeWhatIf} from './whatif.js';

const TABS = [['scene', 'Scene', makeSettings], ['remembers', 'Remembers', makeRemembers], ['takes', 'Takes', makeTakes],
  ['whatif', 'What if', makeWhatIf], ['meter', 'Meter', makeMeter]];
const STATES = {blank: 'no prompt yet', new: 'not rendered yet', fresh: 'fresh', stale: 'stale', waiting: 'waiting'};

export function makePanel(store) {
  const title = el('h2', {}), state = el('span', {class: 'state'}), reasons = el('p', {class: 'reasons'});
  const nothing = makeEmpty('No scene chosen', 'Choose a scene to see its settings, what it remembers, and its takes.');
  const tabs = TABS.map(([name, label, make]) => makeTab(name, label, make(store), () => choose(name)));
  const row = el('div', {class: 'tabs', role: 'tablist', 'aria-label': 'Panels of the scene'}, ...tabs.map(tab => tab.button));
  const body = el('div', {class: 'panel-body'}, ...tabs.map(tab => tab.body));
  const head = el('header', {class: 'panel-head'}, el('div', {class: 'line'}, title, state), reasons);
  const node = el('section', {class: 'panel', 'aria-label': 'The chosen scene'}, nothing.node, head, row, body);
  let open = '', shown = '';

  row.addEventListener('keydown', event => {
    const place = tabs.findIndex(tab => tab.name === open), last = tabs.length - 1;
    const next = {ArrowRight: place === last ? 0 : place + 1, ArrowLeft: place ? place - 1 : last, Home: 0, End: last}[event.key];
    if (next === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    tabs[next].button.click();
    tabs[next].button.focus();
  });

  function paint() {
    const {story, standing, jobs, selected, tab} = store.state;
    const index = story ? story.scenes.findIndex(scene => scene.id === selected) : -1, scene = story?.scenes[index];
    if (shown !== selected) { flushEdits(); shown = selected; }
    setHidden(nothing.node, Boolean(scene));
    for (const part of [head, row, body]) setHidden(part, !scene);
    if (!scene) return;
    setText(title, `Scene ${index + 1}`);
    paintState(state, reasons, scene, standing?.scenes[scene.id]);
    const count = scene.takes.length;
    setText(tabs[2].count, count ? String(count) : '');
    setAttr(tabs[2].button, 'aria-label', count ? `Takes, ${count}` : 'Takes');
    turn(TABS.some(([name]) => name === tab) ? tab : 'scene');
    tabs.find(each => each.name === open).content.paint(scene, jobs[scene.id]);
  }
  // A tab begins at its top, also the one that is open. What scrolls is the box that the page puts the panel into.
  function choose(name) {
    store.select(store.state.selected, {open: store.state.sheet, tab: name});
    if (node.parentElement) node.parentElement.scrollTop = 0;
  }
  function turn(name) {
    if (name === open) return;
    tabs.forEach(tab => {
      const on = tab.name === name;
      if (!on && tab.name === open) tab.content.hide?.();
      setAttr(tab.button, 'aria-selected', String(on));
      tab.button.tabIndex = on ? 0 : -1;
      setHidden(tab.body, !on);
    });
    open = name;
  }
  store.on(paint);
  paint();
  return node;
}

function makeTab(name, label, content, choose) {
  const id = newId('tab'), count = el('span', {class: 'count', 'aria-hidden': 'true'});
  const button = el('button', {type: 'button', role: 'tab', id, 'aria-controls': `${id}-body`, 'data-tab': name, tabindex: -1,
    'aria-selected': 'false', on: {click: choose}}, el('span', {text: label}), count);
  const body = el('div', {role: 'tabpanel', id: `${id}-body`, 'aria-labelledby': id, tabindex: 0, hidden: true}, content.node);
  return {name, button, body, count, content};
}

function paintState(state, reasons, scene, standing) {
  const known = standing?.state;
  const stuck = known === 'blank' && standing.reasons.length > 0;
  setText(state, [stuck ? 'can’t be rendered' : known ? STATES[known] : '', scene.locked ? 'locked' : ''].filter(Boolean).join(', '));
  setAttr(state, 'data-state', known || '');
  const words = stuck || known === 'stale' || known === 'waiting' ? standing.reasons.join('; ') : '';
  setMarked(reasons, words && `${words[0].toUpperCase()}${words.slice(1)}.`);
  setHidden(reasons, !words);
}
