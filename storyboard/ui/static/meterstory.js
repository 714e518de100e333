// The continuity of the whole story: what to look at again, and a table of mentions and figures over the scenes.
import {el, icon, marked, setHidden} from './dom.js';

export const percent = share => `${Math.round(share * 100)}%`;
const WIDE = 36, HIGH = 34;                              // pixels of a column, of a line's row
const LINES = [['contrast', 'Contrast'], ['saturation', 'Saturation'], ['sharpness', 'Sharpness']];
const SVG = 'http://www.w3.org/2000/svg';

/** {node, paint(report, scene)} */
export function makeStoryMeter(store) {
  const warnings = el('ul', {class: 'warnings'}), fine = el('p', {class: 'explain', text: 'Nothing stands out.'});
  const reach = el('div', {class: 'grid-reach', tabindex: 0, role: 'region', 'aria-label': 'Continuity by scene'});
  const legend = el('p', {class: 'explain', text: 'How much of its looks each mention has kept since it was first seen, in percent. ● seen for the first time, × not to be seen. The lines show each scene against the usual of this story.'});
  const node = el('section', {class: 'group', 'aria-label': 'Continuity of the story'}, el('h3', {text: 'The whole story'}), warnings, fine, reach, legend);
  let shown = '';

  function paint(report, scene) {
    setHidden(node, !report.scenes.length);
    const key = JSON.stringify([report, scene.id]);
    if (key === shown) return;
    shown = key;
    const byScene = Map.groupBy(report.warnings, warned => warned.scene);
    warnings.replaceChildren(...[...byScene.values()].map(told => makeWarning(store, told)));
    setHidden(warnings, !report.warnings.length);
    setHidden(fine, report.warnings.length > 0 || report.pending > 0);
    reach.replaceChildren(makeTable(store, report, scene));
  }
  return {node, paint};
}

const goTo = (store, scene) => store.select(scene, {open: store.state.sheet});

/** All that is said about one scene. */
function makeWarning(store, told) {
  const [{scene, number}] = told, kinds = told.map(each => each.kind).join(' ');
  const words = told.flatMap(({text}, i) => [i ? '; ' : ' ', ...marked(text)]);
  return el('li', {'data-kinds': kinds}, el('button', {type: 'button', class: 'warning', on: {click: () => goTo(store, scene)}},
    icon('fail'), el('span', {}, el('b', {text: `Scene ${number}`}), ...words, '.')));
}

// --- the table: a column for each scene

function makeTable(store, report, scene) {
  const {scenes, threads} = report, now = scenes.findIndex(other => other.scene === scene.id);
  const head = el('tr', {}, el('th', {scope: 'col'}, el('span', {class: 'spoken', text: 'What'})), ...scenes.map((each, i) => el('th', {scope: 'col', 'data-now': i === now || null},
    el('button', {type: 'button', class: 'to-scene', text: String(each.number), 'aria-label': `Scene ${each.number}`, 'aria-current': i === now ? 'true' : null, on: {click: () => goTo(store, each.scene)}}))));
  const rows = threads.map((thread, at) => el('tr', {}, el('th', {scope: 'row', text: thread.text, title: thread.text, dir: 'auto'}),
    ...scenes.map(each => makeCell(each.mentions.find(mention => mention.thread === at)))));
  rows.push(makeFigures('Prompt', scenes, each => each.prompt, 0.5), makeFigures('Motion', scenes, each => each.moves, 0.34));
  rows.push(...LINES.map(([measure, name]) => makeLine(measure, name, report)));
  return el('table', {class: 'story-meter', style: `--columns: ${scenes.length}`}, el('thead', {}, head), el('tbody', {}, ...rows));
}

function makeCell(mention) {
  if (!mention) return el('td', {});
  if (!mention.present) return el('td', {class: 'meter-cell', 'data-kind': 'absent', title: `There with a probability of ${percent(mention.presence)}`}, el('span', {text: '×', 'aria-label': 'not to be seen'}));
  if (!mention.first) return el('td', {class: 'meter-cell', 'data-kind': 'first'}, el('span', {text: '●', 'aria-label': 'seen for the first time'}));
  const {similarity, number} = mention.first;
  return el('td', {class: 'meter-cell', 'data-poor': similarity < 0.35 || null, style: `--value: ${similarity}`, title: `${percent(similarity)} as in scene ${number}`,
    text: String(Math.round(similarity * 100))});
}

function makeFigures(name, scenes, read, least) {
  return el('tr', {class: 'figure'}, el('th', {scope: 'row', text: name}), ...scenes.map(scene => {
    const value = read(scene), known = typeof value === 'number';
    return el('td', {class: 'meter-cell', 'data-poor': known && value < least || null, style: `--value: ${known ? value : 0}`, text: known ? String(Math.round(value * 100)) : '–'});
  }));
}

/** A line over all columns: the logarithm of each value over their median, half to double of it from bottom to top. */
function makeLine(measure, name, {scenes, warnings}) {
  const values = scenes.map(scene => scene[measure]), middle = median(values) || 1;
  const places = values.map((value, i) => [WIDE * (i + 0.5), HIGH / 2 * (1 - Math.max(-0.9, Math.min(0.9, Math.log2(Math.max(value, 1e-4) / middle))))]);
  const svg = shape('svg', {width: WIDE * scenes.length, height: HIGH, role: 'img', 'aria-label': `${name} over the usual: ${scenes.map((scene, i) => `scene ${scene.number} ${percent(values[i] / middle)}`).join(', ')}`});
  svg.append(shape('line', {class: 'usual', x1: 0, x2: WIDE * scenes.length, y1: HIGH / 2, y2: HIGH / 2}), shape('polyline', {points: places.map(place => place.join()).join(' ')}));
  places.forEach(([cx, cy], i) => {
    const dot = shape('circle', {cx, cy, r: 3.5, 'data-odd': warnings.some(warned => warned.kind === measure && warned.scene === scenes[i].scene)}), title = shape('title', {});
    title.textContent = `Scene ${scenes[i].number}: ${percent(values[i] / middle)} of the usual`;
    dot.append(title);
    svg.append(dot);
  });
  return el('tr', {class: 'drift'}, el('th', {scope: 'row', text: name}), el('td', {colspan: scenes.length}, svg));
}

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b), half = sorted.length / 2;
  return sorted.length % 2 ? sorted[Math.floor(half)] : (sorted[half - 1] + sorted[half]) / 2;
}
