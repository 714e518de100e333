// Two clips side by side that play in step, frame by frame if asked, and on request what differs between them.
import {calm, el, iconButton, setIcon, setLabel, setSource, setText} from './dom.js';
import {colours, frameAt, makeBar, timeOf} from './parts.js';

const DRIFT = 0.02;                                      // seconds by which the second clip may be off

function makeSide() {
  const video = el('video', {playsinline: true, preload: 'auto'});
  video.muted = true;
  const caption = el('figcaption', {});
  return {video, caption, node: el('figure', {class: 'half'}, el('div', {class: 'frame'}, video), caption)};
}

/** See components/pair.py. */
export function mount({element, props, watch, trigger}, frame, difference) {
  const left = makeSide(), right = makeSide(), videos = [left.video, right.video];
  const play = iconButton('play', 'Play both', {click: toggle});
  const back = iconButton('previous', 'One frame back', {click: () => step(-1)});
  const forward = iconButton('next', 'One frame on', {click: () => step(1)});
  const large = iconButton('large', 'Full screen', {click: enlarge});
  const bar = makeBar('Frame', at => { pause(); seek(at); }, {max: 0});
  const differ = difference ? makeDifference(left.video, right.video) : null;
  const node = el('div', {class: 'pair'},
    el('div', {class: 'halves'}, left.node, right.node, differ?.node),
    el('div', {class: 'transport'}, back, play, forward, bar.input, bar.place, large), differ?.control);
  let ticking = 0;

  const clips = () => props.value || [];                 // {clip, label, num_frames, frames_per_second}
  const rate = () => clips()[0]?.frames_per_second || 1;
  const frames = () => clips().reduce((least, clip) => Math.min(least, clip.num_frames), clips()[0]?.num_frames || 1);
  const index = () => frameAt(left.video, rate(), frames());

  function tell() {
    const at = index();
    bar.set(at, {max: frames() - 1, words: `${at + 1} / ${frames()}`, told: `frame ${at + 1} of ${frames()}`,
      held: left.video.paused && document.activeElement === bar.input});
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
    for (const video of videos) {
      video.currentTime = 0;
      video.play().catch(() => {});
    }
  }
  function start() {
    for (const video of videos) video.play().catch(() => {});
    if (!ticking) ticking = requestAnimationFrame(tick);
  }
  function pause() {
    for (const video of videos) video.pause();
    tell();
  }
  function toggle() {
    if (left.video.paused) return start();
    pause();
    seek(index());
  }
  function seek(at) {
    const held = Math.max(0, Math.min(frames() - 1, at));
    for (const video of videos) video.currentTime = timeOf(held, rate());
    tell();
    trigger(frame, {frame: held});
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
  for (const video of videos) {
    for (const event of ['seeked', 'loadeddata']) video.addEventListener(event, () => { tell(); differ?.draw(); });
  }
  node.addEventListener('keydown', event => {
    const by = {ArrowLeft: -1, ArrowRight: 1}[event.key];
    if (by && !event.target.matches('input')) { event.preventDefault(); step(by); }
  });

  function put(side, clip) {
    setText(side.caption, clip.label);
    if (side.video.getAttribute('src') === clip.clip) return false;
    setSource(side.video, clip.clip);
    side.video.setAttribute('aria-label', clip.label);
    return true;
  }
  function paint() {
    node.hidden = !clips().length;
    if (node.hidden) return pause();
    const fresh = [left, right].map((side, i) => put(side, clips()[i])).some(Boolean);
    tell();
    if (fresh && !calm()) start();
  }
  element.replaceChildren(node);
  new ResizeObserver(() => { if (!element.checkVisibility()) pause(); }).observe(element); // its tab is left
  watch('value', paint);
  paint();
}

const GAIN = 3;
const COLOURS = colours([[24, 20, 17], [122, 43, 25], [210, 77, 44], [255, 184, 92], [255, 246, 224]].map(
  colour => [...colour, 255]));

/** What differs between two pictures, pixel by pixel: the mean over the channels, times `gain`. Fills `out`; gives the
    mean from 0 to 1. */
export function subtract(a, b, gain, out) {
  let total = 0;
  for (let i = 0; i < a.length; i += 4) {
    const gap = (Math.abs(a[i] - b[i]) + Math.abs(a[i + 1] - b[i + 1]) + Math.abs(a[i + 2] - b[i + 2])) / 3;
    total += gap;
    out.set(COLOURS[Math.min(255, Math.round(gap * gain))], i);
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
  const gain = makeBar('Amplify the difference', value => { amplify(value); draw(true); }, {min: 1, max: 12}, null);
  const amplify = value => gain.set(value, {words: `${value}×`});
  const control = el('div', {class: 'amplify'}, el('span', {text: 'Amplify the difference'}), gain.place, gain.input);
  let drawn = '';
  amplify(GAIN);

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
  return {node, control, draw};
}
