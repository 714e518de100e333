// The w1 x w2 sheet: short renders of the scene with other guidance, each with its scores; a click takes its settings.
import {counted, el, setAttr, setHidden, setSource, setText} from './dom.js';
import {decimal, makeButton} from './parts.js';
import {cancelTrials, follow, order, over} from './trials.js';

const AXES = {
  w1: {label: 'Text guidance (w1)', offered: [0, 1, 2, 3, 4, 5, 6, 8, 10], chosen: [2, 4, 6]},
  w2: {label: 'History guidance (w2)', offered: [0, 0.5, 1, 2, 3, 4, 6, 8], chosen: [0, 2, 4, 6]},
};
const SCORES = [['prompt', 'prompt', 'How well it shows what the prompt says'], ['consistency', 'consist.', 'How well it agrees with what it remembers'],
  ['motion', 'motion', 'How much moves in it']];

/** {node, paint(scene), recall(scene, cells), forget()} */
export function makeSheet(store) {
  const most = store.served.most.cells;
  const sheets = new Map();                              // scene id -> {cells, ids}
  const [first, second] = Object.values(AXES).map(axis => makeAxis(axis, () => draw()));
  const start = makeButton('Render the sheet', render, {kind: 'primary'});
  const stop = makeButton('Cancel', () => cancelTrials(store, sheets.get(current.id).ids), {kind: 'quiet'});
  const line = el('p', {class: 'line', role: 'status'});
  const grid = el('div', {class: 'grid-reach'}), legend = el('p', {class: 'explain', text: 'Each cell: how well it shows its prompt, how well it agrees with what it remembers, and how much moves. Choose a cell to take its settings.'});
  const node = el('section', {class: 'group sheet', 'aria-label': 'Guidance sheet'}, el('h3', {text: 'Guidance sheet'}),
    el('p', {class: 'explain', text: 'Short renders from one seed with each pair of weights.'}), first.node, second.node,
    el('div', {class: 'buttons'}, start, stop, line), grid, legend);
  let current = null, busy = false;

  async function render() {
    const scene = current.id, w1 = first.values(), w2 = second.values();
    const cells = w2.flatMap(b => w1.map(a => ({w1: a, w2: b, state: 'queued'}))), sheet = {cells};
    busy = true;
    draw();
    const ids = await order(store, 'sheet', {scene, w1, w2}, trials => {
      sheet.cells = cells.map((cell, i) => ({...trials[i], w1: cell.w1, w2: cell.w2}));
      draw();
    });
    busy = false;
    if (ids) sheets.set(scene, Object.assign(sheet, {ids}));
    draw();
  }
  /** Shows the cells of a sheet that was ordered on an earlier visit. */
  function recall(scene, cells) {
    if (!cells.length || sheets.has(scene)) return;
    const sheet = {cells, ids: cells.map(cell => cell.id)};
    sheets.set(scene, sheet);
    if (!cells.every(over)) follow(store, sheet.ids, trials => { sheet.cells = trials; draw(); });
    draw();
  }
  function paint(scene) {
    current = scene;
    draw();
  }
  function draw() {
    if (!current) return;
    const sheet = sheets.get(current.id), cells = sheet?.cells || [], done = cells.filter(over).length, count = first.values().length * second.values().length;
    const active = cells.length > 0 && done < cells.length, failed = cells.find(cell => cell.state === 'failed');
    setAttr(start, 'disabled', busy || active || !count || count > most || !current.prompt.trim());
    setHidden(stop, !active);
    setText(line, failed ? `Failed: ${failed.error}` : active ? `${done} of ${cells.length} rendered` : count > most ? `${count} are too many: at most ${most}` : count ? counted(count, 'short render') : 'Choose a value of each');
    setHidden(grid, !cells.length);
    setHidden(legend, !cells.length);
    if (cells.length) paintGrid(grid, cells, current.guidance, cell => store.edit({do: 'edit_scene', scene: current.id, changes: {guidance: {text: cell.w1, history: cell.w2}}}));
  }
  return {node, paint, recall, forget: () => sheets.clear()};
}

/** Values of one weight to try, as buttons that are on or off. */
function makeAxis({label, offered, chosen}, changed) {
  const on = new Set(chosen);
  const chips = offered.map(value => {
    const chip = makeButton(decimal(value), () => {
      on.has(value) ? on.delete(value) : on.add(value);
      setAttr(chip, 'aria-pressed', String(on.has(value)));
      changed();
    }, {kind: 'chip', 'aria-pressed': String(on.has(value))});
    return chip;
  });
  const node = el('div', {class: 'field axis', role: 'group', 'aria-label': label}, el('span', {class: 'name', text: label}), el('div', {class: 'chips'}, ...chips));
  return {node, values: () => [...on].sort((a, b) => a - b)};
}

// --- the grid: a column for each w1, a row for each w2

function paintGrid(box, cells, guidance, take) {
  const w1 = [...new Set(cells.map(cell => cell.w1))], w2 = [...new Set(cells.map(cell => cell.w2))], key = JSON.stringify([w1, w2]);
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    box.replaceChildren(makeTable(w1, w2));
  }
  const most = Math.max(1e-6, ...cells.map(cell => cell.motion || 0)), at = new Map(cells.map(cell => [`${cell.w1} ${cell.w2}`, cell]));
  for (const button of box.querySelectorAll('button.cell')) {
    const cell = at.get(button.dataset.at);
    if (!cell) continue;
    button.onclick = () => take(cell);
    paintCell(button, cell, cell.w1 === guidance.text && cell.w2 === guidance.history, most);
  }
}

function makeTable(w1, w2) {
  const head = el('tr', {}, el('td', {}), ...w1.map(a => el('th', {scope: 'col', text: `w1 ${decimal(a)}`})));
  const rows = w2.map(b => el('tr', {}, el('th', {scope: 'row', text: `w2 ${decimal(b)}`}), ...w1.map(a => el('td', {}, makeCell(`${a} ${b}`)))));
  return el('table', {class: 'cells', style: `--columns: ${w1.length}`}, el('thead', {}, head), el('tbody', {}, ...rows));
}

function makeCell(at) {
  const scores = SCORES.map(([name, label, title]) => el('span', {class: 'score', title, 'data-score': name},
    el('span', {class: 'name', text: label}), el('span', {class: 'bar'}), el('span', {class: 'value'})));
  return el('button', {type: 'button', class: 'cell', 'data-at': at}, el('span', {class: 'frame'}, el('img', {alt: ''}), el('span', {class: 'said'})),
    el('span', {class: 'scores'}, ...scores));
}

/** `most`: the strongest motion in the sheet, a mean change of pixels, to which the others compare. */
function paintCell(button, cell, now, most) {
  setAttr(button, 'data-state', cell.state);
  setAttr(button, 'aria-current', now ? 'true' : null);
  setAttr(button, 'disabled', cell.state !== 'done');
  setSource(button.querySelector('img'), cell.preview || '');
  setText(button.querySelector('.said'), {done: now ? 'in use' : '', queued: '…', running: '…', failed: 'failed', cancelled: 'cancelled'}[cell.state] ?? '');
  for (const score of button.querySelectorAll('.score')) {
    const value = cell[score.dataset.score], known = typeof value === 'number';
    score.style.setProperty('--value', known ? Math.max(0, Math.min(1, score.dataset.score === 'motion' ? value / most : value)) : 0);
    setText(score.lastChild, known ? value.toFixed(2) : '–');
  }
  const told = SCORES.map(([name]) => `${name} ${typeof cell[name] === 'number' ? cell[name].toFixed(2) : 'not known'}`).join(', ');
  setAttr(button, 'aria-label', `Text guidance ${decimal(cell.w1)}, history guidance ${decimal(cell.w2)}: ${cell.state === 'done' ? `${told}. Take these settings` : cell.state}`);
}
