// Where a word was looked at: its attention map over the picture, or over the moving clip, of the scene that it is
// from.
import {el, setHidden, setSource, setText} from './dom.js';
import {makeButton, quoted} from './parts.js';

// From the least to the most looked at: red, green, blue and cover, so that what was not looked at lies in the dark.
const RAMP = [
  [24, 16, 52, 0.62],
  [104, 22, 92, 0.58],
  [220, 66, 40, 0.58],
  [255, 180, 52, 0.58],
  [255, 240, 170, 0.54],
];
const GAMMA = 0.7,
  FINER = 8; // canvas pixels for one value, each way

const COLOURS = Array.from({length: 256}, (_, value) => {
  const place = (value / 255) ** GAMMA * (RAMP.length - 1),
    low = Math.min(Math.floor(place), RAMP.length - 2),
    t = place - low;
  return RAMP[low].map((a, channel) => (a + t * (RAMP[low + 1][channel] - a)) * (channel === 3 ? 255 : 1));
});

/** The value between the values around it; `row` and `column` count from the middle of the first one. */
function between({values, rows, columns}, row, column) {
  const y = Math.max(0, Math.min(rows - 1, row)),
    x = Math.max(0, Math.min(columns - 1, column));
  const top = Math.floor(y),
    left = Math.floor(x),
    down = Math.min(rows - 1, top + 1),
    right = Math.min(columns - 1, left + 1);
  const upper = values[top * columns + left] * (1 - x + left) + values[top * columns + right] * (x - left);
  const lower = values[down * columns + left] * (1 - x + left) + values[down * columns + right] * (x - left);
  return upper * (1 - y + top) + lower * (y - top);
}

/** Paints a map {rows, columns, values 0 to 255, row by row}, made finer bilinearly. */
export function paintHeat(canvas, map) {
  canvas.width = map.columns * FINER;
  canvas.height = map.rows * FINER;
  const context = canvas.getContext('2d'),
    image = context.createImageData(canvas.width, canvas.height);
  for (let y = 0, at = 0; y < canvas.height; y++) {
    for (let x = 0; x < canvas.width; x++, at += 4) {
      image.data.set(COLOURS[Math.round(between(map, (y + 0.5) / FINER - 0.5, (x + 0.5) / FINER - 0.5))], at);
    }
  }
  context.putImageData(image, 0, 0);
}

/** {node, show(map, name, within)}: a picture with a map over it, how strongly it shows, and its clip if asked for. */
export function makeLook() {
  const picture = el('img', {alt: ''}),
    clip = el('video', {muted: true, loop: true, playsinline: true, hidden: true}),
    canvas = el('canvas', {class: 'heat', role: 'img'});
  const opacity = el('input', {
    type: 'range',
    min: 0,
    max: 100,
    step: 5,
    value: 80,
    'aria-label': 'How strongly the heat map shows',
  });
  const play = makeButton(
    'Play the clip',
    () => {
      playing = !playing;
      paint();
    },
    {kind: 'quiet small', 'aria-pressed': 'false'},
  );
  const node = el(
    'div',
    {class: 'look'},
    el('div', {class: 'frame'}, picture, clip, canvas),
    el('div', {class: 'controls'}, el('label', {class: 'opacity'}, el('span', {text: 'Heat map'}), opacity), play),
  );
  clip.muted = true;
  let map = null,
    playing = false;

  function paint() {
    setSource(picture, map.keyframe);
    setSource(clip, playing ? map.preview : '');
    setHidden(clip, !playing);
    if (playing) clip.play().catch(() => {});
    play.setAttribute('aria-pressed', String(playing));
    setText(play.lastChild, playing ? 'Show the keyframe' : 'Play the clip');
  }
  const weigh = () => {
    canvas.style.opacity = opacity.value / 100;
    opacity.style.setProperty('--share', opacity.value / 100);
  };
  opacity.addEventListener('input', weigh);
  weigh();
  function show(next, name, within) {
    if (next === map) return;
    map = next;
    playing &&= Boolean(map.preview);
    setHidden(play, !map.preview);
    picture.alt = name;
    canvas.setAttribute('aria-label', `Where ${quoted(map.text)} was looked at in ${within}`);
    paintHeat(canvas, map);
    paint();
  }
  return {node, show};
}
