// A small diagram of which scene feeds which, and by which words: a dot for each scene, an arc for each memory.
import {beside, counted, el, setAttr, shape} from './dom.js';

const GAP = 34, EDGE = 22, BASE = 12, TALLEST = 62;      // pixels: between dots, beside them, under them, highest arc

const MOST_TOLD = 4, MOST_NUMBERS = 8;                  // scenes that the sentence under it names

/** {node, paint()}: paints what the store says, the selected scene's arcs on top. */
export function makeThread(store) {
  const goTo = scene => { if (scene) store.select(scene); };
  const arcs = shape('g', {class: 'arcs', click: event => goTo(event.target.closest('.arc')?.dataset.to)});
  const dots = el('div', {class: 'dots', click: event => goTo(event.target.closest('button')?.dataset.scene),
    keydown: event => {
      const next = dots.children[beside(event, [...dots.children])];
      next?.focus();
      goTo(next?.dataset.scene);
    }});
  const svg = shape('svg', {'aria-hidden': 'true'}, arcs);
  const words = el('p', {class: 'feeds', role: 'status', tabindex: 0});
  const plane = el('div', {class: 'plane'}, svg, dots), frame = el('div', {class: 'reach', tabindex: -1}, plane);
  const node = el('nav', {class: 'thread-map', 'aria-label': 'Which scene feeds which'}, frame, words);
  let drawn = '', centred = '';

  function paint() {
    const {story, standing, selected} = store.state;
    if (!story) return;
    const edges = edgesOf(story, standing), key = JSON.stringify([story.scenes.map(scene => scene.id), edges]);
    if (key !== drawn) { drawn = key; draw(story, edges); }
    [...dots.children].forEach(dot => {
      const on = dot.dataset.scene === selected;
      setAttr(dot, 'aria-current', on ? 'true' : null);
      dot.tabIndex = on ? 0 : -1;
      setAttr(dot, 'data-state', standing?.scenes[dot.dataset.scene]?.state || 'new');
    });
    for (const arc of arcs.children) setAttr(arc, 'data-side', arc.dataset.to === selected ? 'in'
      : arc.dataset.from === selected ? 'out' : '');
    for (const arc of [...arcs.children]) if (arc.dataset.side && arcs.lastChild !== arc) arcs.append(arc);
    tell(words, edges, selected);
    if (centred !== selected) { centred = selected; centre(); }
  }
  function draw(story, edges) {
    const width = 2 * EDGE + GAP * Math.max(0, story.scenes.length - 1),
      farthest = Math.max(1, ...edges.map(edge => edge.b - edge.a));
    const height = Math.round(Math.min(TALLEST, 18 + 11 * farthest));
    plane.style.width = `${width}px`;
    const size = {width, height: height + BASE, viewBox: `0 0 ${width} ${height + BASE}`};
    for (const [name, value] of Object.entries(size)) setAttr(svg, name, value);
    arcs.replaceChildren(...edges.map(edge => makeArc(edge, height, farthest)));
    dots.replaceChildren(...story.scenes.map((scene, i) =>
      el('button', {type: 'button', class: 'dot', 'data-scene': scene.id, text: i + 1,
        'data-digits': String(i + 1).length, 'aria-label': `Scene ${i + 1}`})));
  }
  function centre() {
    const dot = dots.querySelector('[aria-current]');
    if (dot && frame.clientWidth) frame.scrollLeft = dot.offsetLeft - frame.clientWidth / 2 + dot.offsetWidth / 2;
  }
  return {node, paint};
}

function edgesOf(story, standing) {
  const place = new Map(story.scenes.map((scene, i) => [scene.id, i]));
  return story.scenes.flatMap(({id}, b) => (standing?.scenes[id]?.memories || [])
    .filter(memory => place.has(memory.scene) && place.get(memory.scene) < b)
    .map(memory => ({from: memory.scene, to: id, a: place.get(memory.scene), b, words: memory.words})));
}

function makeArc(edge, height, farthest) {
  const from = EDGE + GAP * edge.a, to = EDGE + GAP * edge.b,
    top = height - 8 - (height - 14) * Math.sqrt((edge.b - edge.a) / farthest);
  const d = `M${from} ${height} C${from} ${top} ${to} ${top} ${to} ${height}`;
  const text = `Scene ${edge.b + 1} remembers ${edge.words.join(', ')} of scene ${edge.a + 1}`;
  return shape('g', {class: 'arc', 'data-from': edge.from, 'data-to': edge.to, 'data-side': ''},
    shape('title', {text}), shape('path', {d, class: 'reachable'}),
    shape('path', {d, class: 'line', 'stroke-width': 1 + Math.min(3, edge.words.length) * 0.6}));
}

function tell(node, edges, selected) {
  const into = edges.filter(edge => edge.to === selected), out = edges.filter(edge => edge.from === selected);
  const key = JSON.stringify([into, out]);
  if (node.dataset.key === key) return;
  node.dataset.key = key;
  const told = into.slice(-MOST_TOLD).reverse(), rest = into.length - told.length;
  const parts = told.flatMap((edge, i) =>
    [i ? '; ' : 'Remembers ', el('em', {text: edge.words.join(', '), dir: 'auto'}), ` of scene ${edge.a + 1}`]);
  if (rest) parts.push(`; and words of ${counted(rest, 'scene')} before`);
  if (out.length) parts.push(into.length ? '. ' : '',
    `Remembered by scene ${out.slice(0, MOST_NUMBERS).map(edge => edge.b + 1).join(', ')}`);
  if (out.length > MOST_NUMBERS) parts.push(` and ${out.length - MOST_NUMBERS} more`);
  if (!parts.length) parts.push('Shares nothing with the other scenes');
  node.replaceChildren(...parts, '.');
}
