// Two clips side by side that play in step, frame by frame if asked, and on request what differs between them.
import {calm, el, setIcon, setSource, setText} from './dom.js';
import {makeIconButton, makeSlider, setLabel} from './parts.js';

const DRIFT = 0.02;                                      // seconds by which the second clip may be off

function makeSide() {
  const video = el('video', {muted: '', playsinline: '', preload: 'auto'});
  video.muted = true;
  const caption = el('figcaption', {});
  return {video, caption, node: el('figure', {class: 'half'}, el('div', {class: 'frame'}, video), caption)};
}

/** See components/pair.py. */
export function mount({element, props, watch, trigger}, frame, difference) {
  const pair = makePair({difference, stopped: at => trigger(frame, {frame: at})}), paint = () => {
    const [left, right] = props.value || [];
    pair.node.hidden = !left;
    if (left) pair.show(left, right);
    else pair.pause();
  };
  element.replaceChildren(pair.node);
  new ResizeObserver(() => { if (!element.checkVisibility()) pair.pause(); }).observe(element); // its tab is left
  watch('value', paint);
  paint();
}

/** {node, show(left, right), pause()}; a clip is {clip, label, num_frames, frames_per_second}, or null. */
export function makePair({difference = false, stopped = () => {}} = {}) {
  const left = makeSide(), right = makeSide(), shown = {left: null, right: null};
  const play = makeIconButton('play', 'Play both', () => toggle());
  const back = makeIconButton('previous', 'One frame back', () => step(-1));
  const forward = makeIconButton('next', 'One frame on', () => step(1));
  const large = makeIconButton('large', 'Full screen', () => enlarge());
  const scrub = el('input', {type: 'range', min: 0, max: 0, step: 1, value: 0, 'aria-label': 'Frame'});
  const place = el('output', {class: 'place'});
  const differ = difference ? makeDifference(left.video, right.video) : null;
  const node = el('div', {class: 'pair'},
    el('div', {class: 'halves'}, left.node, right.node, ...(differ ? [differ.node] : [])),
    el('div', {class: 'transport'}, back, play, forward, scrub, place, large), ...(differ ? [differ.control] : []));
  let ticking = 0;

  const rate = () => shown.left?.frames_per_second || 1;
  const frames = () => Math.max(1, Math.min(shown.left?.num_frames || 1, shown.right?.num_frames || Infinity));
  const index = () => Math.min(frames() - 1, Math.floor(left.video.currentTime * rate() + 0.001));

  function tell() {
    const at = index();
    if (document.activeElement !== scrub || !left.video.paused) scrub.value = at;
    const words = `${at + 1} / ${frames()}`;
    setText(place, words);
    scrub.setAttribute('aria-valuetext', `frame ${at + 1} of ${frames()}`);
    scrub.style.setProperty('--share', frames() > 1 ? at / (frames() - 1) : 0);
    setIcon(play.firstChild, left.video.paused ? 'play' : 'pause');
    setLabel(play, left.video.paused ? 'Play both' : 'Pause both');
  }
  function follow() {                                    // the first clip is the clock
    const gap = right.video.currentTime - left.video.currentTime;
    const can = !right.video.seeking && right.video.readyState;
    if (Math.abs(gap) > DRIFT && can) right.video.currentTime = left.video.currentTime;
    node.dataset.drift = Math.abs(gap).toFixed(3);
  }
  function tick() {
    ticking = 0;
    if (!node.isConnected) return pause();
    if (left.video.currentTime >= frames() / rate() - 0.01 || left.video.ended) restart();
    follow();
    tell();
    differ?.draw();
    if (!left.video.paused) ticking = requestAnimationFrame(tick);
  }
  function restart() {
    left.video.currentTime = 0;
    right.video.currentTime = 0;
    left.video.play().catch(() => {});
    right.video.play().catch(() => {});
  }
  function start() {
    Promise.all([left.video.play(), right.video.play()]).catch(() => {});
    if (!ticking) ticking = requestAnimationFrame(tick);
  }
  function pause() {
    left.video.pause();
    right.video.pause();
    tell();
  }
  function toggle() {
    if (left.video.paused) return start();
    pause();
    seek(index());
  }
  function seek(at) {
    const time = (Math.max(0, Math.min(frames() - 1, at)) + 0.5) / rate();
    left.video.currentTime = time;
    right.video.currentTime = time;
    tell();
    stopped(Math.max(0, Math.min(frames() - 1, at)));
  }
  function step(by) {
    pause();
    seek(index() + by);
  }

  const isLarge = () => document.fullscreenElement === node || node.matches(':popover-open');
  async function enlarge() {                             // over everything where there is no full screen, as on phones
    if (document.fullscreenElement === node) return document.exitFullscreen();
    if (isLarge()) return node.hidePopover();
    try { await node.requestFullscreen(); } catch { node.popover = 'auto'; node.showPopover(); }
  }
  for (const event of ['fullscreenchange', 'toggle']) {
    node.addEventListener(event, () => setLabel(large, isLarge() ? 'Leave the full screen' : 'Full screen'));
  }
  scrub.addEventListener('input', () => { pause(); seek(Number(scrub.value)); });
  for (const {video} of [left, right]) {
    for (const event of ['seeked', 'loadeddata']) video.addEventListener(event, () => { tell(); differ?.draw(); });
  }
  node.addEventListener('keydown', event => {
    if (event.target === scrub || event.target.matches('input')) return;
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (by) { event.preventDefault(); step(by); }
  });

  function put(side, clip) {
    setText(side.caption, clip?.label || '');
    if ((side.video.getAttribute('src') || '') === (clip?.clip || '')) return false;
    setSource(side.video, clip?.clip || '');
    side.video.setAttribute('aria-label', clip?.label || '');
    return true;
  }
  function show(a, b) {
    shown.left = a;
    shown.right = b;
    const fresh = [put(left, a), put(right, b)].some(Boolean);
    scrub.max = frames() - 1;
    tell();
    if (fresh && a && b && !calm()) start();
  }
  return {node, show, pause};
}

const GAIN = 3, RAMP = [[24, 20, 17], [122, 43, 25], [210, 77, 44], [255, 184, 92], [255, 246, 224]];

const COLOURS = Array.from({length: 256}, (_, value) => {
  const place = value / 255 * (RAMP.length - 1), low = Math.min(Math.floor(place), RAMP.length - 2), t = place - low;
  return RAMP[low].map((a, channel) => Math.round(a + t * (RAMP[low + 1][channel] - a)));
});

/** What differs between two pictures, pixel by pixel: the mean over the channels, times `gain`. Fills `out`; gives the
    mean from 0 to 1. */
export function subtract(a, b, gain, out) {
  let total = 0;
  for (let i = 0; i < a.length; i += 4) {
    const gap = (Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2])) / 3;
    total += gap;
    const colour = COLOURS[Math.min(255, Math.round(gap * gain))];
    out[i] = colour[0];
    out[i + 1] = colour[1];
    out[i + 2] = colour[2];
    out[i + 3] = 255;
  }
  return total / (a.length / 4) / 255;
}

function makeDifference(a, b) {
  const canvas = el('canvas', {class: 'difference', role: 'img',
    'aria-label': 'What differs between the two clips, bright where they differ most'});
  const caption = el('figcaption', {text: 'Difference'});
  const node = el('figure', {class: 'half'}, el('div', {class: 'frame'}, canvas), caption);
  const context = canvas.getContext('2d');
  const [first, second] = [0, 1].map(() => document.createElement('canvas')
    .getContext('2d', {willReadFrequently: true}));
  const gain = makeSlider({label: 'Amplify the difference', min: 1, max: 12, step: 1, show: value => `${value}×`,
    live: () => draw(true)});
  let drawn = '';
  gain.set(GAIN);

  function read(target, video) {
    target.drawImage(video, 0, 0, canvas.width, canvas.height);
    return target.getImageData(0, 0, canvas.width, canvas.height).data;
  }
  function draw(again = false) {
    if (a.readyState < 2 || b.readyState < 2) return;
    const key = `${a.currentSrc} ${b.currentSrc} ${a.currentTime} ${b.currentTime}`;
    if (key === drawn && !again) return;
    drawn = key;
    const width = Math.min(192, a.videoWidth), height = Math.round(width * a.videoHeight / a.videoWidth);
    if (canvas.width !== width || canvas.height !== height) {
      for (const sized of [canvas, first.canvas, second.canvas]) { sized.width = width; sized.height = height; }
    }
    const image = context.createImageData(width, height);
    const mean = subtract(read(first, a), read(second, b), Number(gain.input.value), image.data);
    context.putImageData(image, 0, 0);
    setText(caption, `Difference ${(mean * 100).toFixed(1)}%`);
  }
  return {node, control: gain.node, draw};
}
