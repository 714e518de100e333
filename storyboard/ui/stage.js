// The screen, which shows the film or the scene being made, and the reel of scenes under it.
const stage = element.querySelector('.stage'), screen = element.querySelector('.screen');
const reel = element.querySelector('.reel'), save = element.querySelector('.save');
const still = screen.querySelector('img'), video = screen.querySelector('video');
const badge = screen.querySelector('.badge'), empty = screen.querySelector('.empty');
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
let job = {scenes: []}, chosen = null;                   // chosen: the scene that the user wants to look at

function makeTile(index) {
  const button = el('button', {type: 'button', class: 'tile', 'data-index': index},
    el('span', {class: 'shot'}, el('img', {alt: ''}), el('progress', {max: 1, value: 0, 'aria-hidden': 'true'})),
    el('span', {class: 'caption'}, el('b', {text: index + 1}), el('span', {class: 'words'})));
  return el('li', {}, button);
}

const SAID = {waiting: 'waiting', running: 'being made', done: 'done', stopped: 'not made'};

function paintTile(button, scene, index) {
  button.dataset.state = scene.state;
  button.disabled = !scene.preview;
  button.title = scene.prompt;
  setSource(button.querySelector('img'), scene.still || scene.preview || '');
  button.querySelector('progress').value = scene.share;
  setText(button.querySelector('.words'), scene.prompt);
  const step = scene.state === 'running' && scene.total ? `, step ${scene.step} of ${scene.total}` : '';
  button.setAttribute('aria-label', `Scene ${index + 1}, ${SAID[scene.state]}${step}: ${scene.prompt}`);
}

function playing() {                                     // the scene that the film is in
  const index = job.scenes.findLastIndex(scene => video.currentTime + 0.01 >= scene.start);
  return Math.max(index, 0);
}

function shown() {
  if (job.film) return playing();
  if (chosen !== null && job.scenes[chosen]?.preview) return chosen;
  const running = job.scenes.findIndex(scene => scene.state === 'running' && scene.preview);
  return running >= 0 ? running : job.scenes.findLastIndex(scene => scene.preview);
}

function paintScreen() {
  const url = job.film ? job.film.url : '', index = shown(), scene = job.scenes[index];
  if ((video.getAttribute('src') || '') !== url) {
    setSource(video, url);
    if (url) { video.load(); if (!calm) video.play().catch(() => {}); }
  }
  video.hidden = !url;
  save.hidden = !url;
  if (url) save.href = url;
  still.hidden = Boolean(url) || !scene;
  setSource(still, scene && !url ? scene.preview : '');
  still.alt = scene ? `Scene ${index + 1}: ${scene.prompt}` : '';
  empty.hidden = Boolean(url) || Boolean(scene);
  badge.hidden = Boolean(url) || !scene;
  if (scene) setText(badge, `Scene ${index + 1} · ${SAID[scene.state]}`);
  screen.dataset.live = String(scene?.state === 'running');
  reel.querySelectorAll('.tile').forEach((tile, i) => tile.setAttribute('aria-current', String(i === index)));
}

function paint() {
  const next = props.runtime && props.runtime.scenes ? props.runtime : {scenes: []};
  if (next.id !== job.id) { chosen = null; reel.scrollLeft = 0; }
  job = next;
  stage.style.setProperty('--aspect', job.aspect || 1.5);
  reel.hidden = !job.scenes.length;
  while (reel.children.length > job.scenes.length) reel.lastChild.remove();
  while (reel.children.length < job.scenes.length) reel.append(makeTile(reel.children.length));
  job.scenes.forEach((scene, i) => paintTile(reel.children[i].firstChild, scene, i));
  paintScreen();
}

element.addEventListener('click', event => {
  const tile = event.target.closest('.tile');
  if (!tile) return;
  chosen = Number(tile.dataset.index);
  if (job.film) { video.currentTime = job.scenes[chosen].start + 0.02; video.play().catch(() => {}); }
  paintScreen();
});
video.addEventListener('timeupdate', paintScreen);
watch('runtime', paint);
paint();
