// What each scene remembers: every past prompt with its words marked, and where a chosen word was looked at.
const recalls = element.querySelector('.recalls'), memory = element.querySelector('.memory');
const strength = element.querySelector('.strength input'), tip = element.querySelector('.tip');
let drawn = null;                                        // what is on the page, as the server's revision of it

const quoted = text => `“${text}”`;

function describe(word) {
  if (word.score == null) return word.reason[0].toUpperCase() + word.reason.slice(1);
  const verdict = word.kept ? 'Kept' : 'Dropped';
  const matched = word.matched ? `, matches ${quoted(word.matched)}` : '';
  return `${verdict}: ${word.reason}${matched} · similarity ${word.score.toFixed(2)}`;
}

function makeWord(word, choose) {
  if (!word.reason) return document.createTextNode(word.text);
  const kind = word.kept ? 'kept' : word.content && word.score != null ? 'dropped' : 'plain';
  const node = el(word.kept && word.map ? 'button' : 'span', {class: `word ${kind}`, tabindex: -1, text: word.text});
  node.dataset.reason = describe(word);
  node.style.setProperty('--score', word.score == null ? 1 : Math.max(0, Math.min(1, (word.score - 0.4) / 0.6)));
  if (node.tagName === 'BUTTON') {
    node.type = 'button';
    node.setAttribute('aria-pressed', 'false');
    node.addEventListener('click', () => choose(word, node));
  }
  return node;
}

function makePrompt(words, choose) {
  const nodes = words.map(word => makeWord(word, choose));
  const line = el('p', {class: 'prompt', dir: 'auto'}, ...nodes);
  const first = line.querySelector('button.word, .word.kept, .word.dropped');
  if (first) first.tabIndex = 0;                         // one stop for Tab; the arrow keys go from word to word
  return line;
}

const RAMP = [[24, 16, 52, 0.54], [120, 24, 96, 0.56], [226, 72, 40, 0.58], [255, 184, 52, 0.56], [255, 240, 170, 0.5]];

function paintHeat(canvas, map) {
  canvas.width = map.columns;
  canvas.height = map.rows;
  const context = canvas.getContext('2d'), image = context.createImageData(map.columns, map.rows);
  map.values.forEach((value, i) => {
    const place = (value / 255) ** 0.7 * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2), t = place - low;
    const colour = RAMP[low].map((a, c) => a + t * (RAMP[low + 1][c] - a));
    image.data.set([colour[0], colour[1], colour[2], colour[3] * 255], 4 * i);
  });
  context.putImageData(image, 0, 0);
}

function makePast(past, pictures) {
  const heat = el('canvas', {class: 'heat', hidden: true, role: 'img'});
  const note = el('p', {class: 'note'});
  const card = el('article', {class: 'past', 'data-kept': past.kept});
  const choose = (word, node) => {
    const on = node.getAttribute('aria-pressed') !== 'true';
    card.querySelectorAll('button.word').forEach(other => other.setAttribute('aria-pressed', 'false'));
    node.setAttribute('aria-pressed', String(on));
    heat.hidden = !on;
    setText(note, on ? describe(word) : '');
    if (!on) return;
    heat.setAttribute('aria-label', `Where ${quoted(word.text)} was looked at in scene ${past.scene + 1}`);
    paintHeat(heat, word.map);
    hideTip();                                           // the note under the prompt says the same
  };
  const picture = el('img', {src: pictures[past.scene], alt: `Keyframe of scene ${past.scene + 1}`});
  if (past.kept) card.append(el('div', {class: 'keyframe'}, picture, heat));
  const text = el('div', {class: 'text'}, el('b', {class: 'from', text: `Scene ${past.scene + 1}`}),
    makePrompt(past.words, choose), note);
  card.append(text);
  return card;
}

function makeRecall(scene, pictures) {
  const kept = scene.past.filter(past => past.kept).length;
  const count = kept ? `remembers ${kept} of ${scene.past.length} earlier scene${scene.past.length > 1 ? 's' : ''}`
    : 'remembers nothing of the earlier scenes';
  return el('section', {class: 'recall', 'data-kept': kept > 0, 'aria-label': `Scene ${scene.index + 1}`},
    el('header', {}, el('img', {src: pictures[scene.index], alt: ''}),
      el('div', {}, el('h3', {}, `Scene ${scene.index + 1} `, el('small', {text: count})), makePrompt(scene.words, () => {}))),
    el('div', {class: 'pasts'}, ...scene.past.map(past => makePast(past, pictures))));
}

function paint() {
  const view = props.runtime || {}, scenes = view.scenes || [];
  memory.hidden = !scenes.length;
  if (view.job !== drawn?.job) recalls.replaceChildren();
  while (recalls.children.length > scenes.length) recalls.lastChild.remove();
  scenes.slice(recalls.children.length).forEach(scene => recalls.append(makeRecall(scene, view.pictures)));
  drawn = {job: view.job};
}

function showTip(word) {
  if (!word || !word.dataset.reason) return hideTip();
  setText(tip, word.dataset.reason);
  tip.hidden = false;
  const home = memory.getBoundingClientRect(), at = word.getBoundingClientRect();
  const left = Math.min(at.left - home.left, home.width - tip.offsetWidth - 4);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${at.bottom - home.top + 6}px`;
  word.setAttribute('aria-describedby', tip.id);
}
function hideTip() {
  tip.hidden = true;
  memory.querySelectorAll('[aria-describedby]').forEach(word => word.removeAttribute('aria-describedby'));
}

function step(word, by) {                                // the next word of the same prompt
  const words = [...word.closest('.prompt').querySelectorAll('.word:not(.plain)')];
  const next = words[words.indexOf(word) + by];
  if (!next) return;
  words.forEach(other => { other.tabIndex = other === next ? 0 : -1; });
  next.focus();
}

memory.addEventListener('mouseover', event => showTip(event.target.closest('.word')));
memory.addEventListener('mouseleave', hideTip);
memory.addEventListener('focusin', event => showTip(event.target.closest('.word')));
memory.addEventListener('focusout', hideTip);
memory.addEventListener('keydown', event => {
  const word = event.target.closest('.word'), by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (event.key === 'Escape') hideTip();
  else if (word && by) { event.preventDefault(); step(word, by); }
});
const setStrength = () => memory.style.setProperty('--heat', strength.value / 100);
strength.addEventListener('input', setStrength);
setStrength();
watch('runtime', paint);
paint();
