// Where a word was looked at: its attention map over the picture, or over the moving clip, of the scene that it is
// from.
import {el, setAttr, setHidden, setSource, setText, textButton} from './dom.js';
import {colours, makeBar, quoted} from './parts.js';

// From the least to the most looked at: red, green, blue and cover, so that what was not looked at lies in the dark.
const RAMP = [
  [24, 16, 52, 0.62],
  [104, 22, 92, 0.58],
  [220, 66, 40, 0.58],
  [255, 180, 52, 0.58],
  [255, 240, 170, 0.54],
];
const COLOURS = colours(
    RAMP.map(([red, green, blue, cover]) => [red, green, blue, 255 * cover]),
    0.7,
  ),
  FINER = 8; // canvas pixels for one value, each way

/** Paints a map {rows, columns, values 0 to 255, row by row}, made finer bilinearly by the canvas itself. */
export function paintHeat(canvas, {rows, columns, values}) {
  const coarse = new ImageData(new Uint8ClampedArray(values.flatMap(value => [value, value, value, 255])), columns);
  const small = new OffscreenCanvas(columns, rows);
  small.getContext('2d').putImageData(coarse, 0, 0);
  canvas.width = columns * FINER;
  canvas.height = rows * FINER;
  const context = canvas.getContext('2d');
  context.imageSmoothingQuality = 'low'; // bilinear
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  const image = context.getImageData(0, 0, canvas.width, canvas.height);
  for (let at = 0; at < image.data.length; at += 4) image.data.set(COLOURS[image.data[at]], at);
  context.putImageData(image, 0, 0);
}

/** {node, show(map, name, within)}: a picture with a map over it, how strongly it shows, and its clip if asked for. */
export function makeLook() {
  const picture = el('img', {alt: ''}),
    clip = el('video', {muted: true, loop: true, playsinline: true, hidden: true}),
    canvas = el('canvas', {class: 'heat', role: 'img'});
  const opacity = makeBar('How strongly the heat map shows', value => weigh(value), {max: 100, step: 5});
  const turn = () => {
    playing = !playing;
    paint();
  };
  const play = textButton('Play the clip', {class: 'button quiet small', 'aria-pressed': 'false', click: turn});
  const node = el(
    'div',
    {class: 'look'},
    el('div', {class: 'frame'}, picture, clip, canvas),
    el(
      'div',
      {class: 'controls'},
      el('label', {class: 'opacity'}, el('span', {text: 'Heat map'}), opacity.input),
      play,
    ),
  );
  clip.muted = true;
  let map = null,
    playing = false;

  function paint() {
    setSource(picture, map.keyframe);
    setSource(clip, playing ? map.preview : '');
    setHidden(clip, !playing);
    if (playing) clip.play().catch(() => {});
    setAttr(play, 'aria-pressed', String(playing));
    setText(play.lastChild, playing ? 'Show the keyframe' : 'Play the clip');
  }
  const weigh = value => {
    canvas.style.opacity = value / 100;
    opacity.set(value, {words: `${value}%`});
  };
  weigh(80);
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
