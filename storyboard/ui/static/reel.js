// Plays a timeline as a film: each clip on its own layer, with seams, cards and sounds where an export has them.
// Pictures are those of whole frames of the film, as in storyboard/film/picture.py. Knows nothing of stories.
import {el, setHidden, setSource, setText} from './dom.js';
import {makeSounds} from './sounds.js';

const DRIFT = 0.15;                                      // seconds by which a clip may be off the film's time
const LAYERS = 4;                                        // two crossing over the one that plays, and the next one
const INSIDE = 0.002;                                    // seconds from where a frame begins, to be surely within it
const FASTEST = 16, SLOWEST = 0.0625;                    // what browsers play

/** Which parts are seen at a frame of the film, oldest first: [{index, opacity}]; and how much black lies over them. */
export function seenAt(film, frame) {
  const rate = film.frames_per_second, frames = seconds => Math.round(seconds * rate);
  const index = Math.max(0, film.parts.findLastIndex(part => frames(part.start) <= frame));
  const seen = film.parts.flatMap((part, i) => {
    const since = frame - frames(part.start), shared = frames(part.passage.shared);
    if (i > index || i !== index && since >= frames(part.seconds)) return [];
    return [{index: i, opacity: Math.min(1, (since + 1) / (shared + 1))}];
  });
  return {index, seen, black: blackAt(film, index, frame, frames)};
}

/** Which second of its take a part shows in its frame `since` the first, and whether its last one stands still. */
export function momentIn(part, since, rate) {
  const gone = (since / rate) * part.speed;
  return {at: part.skip + Math.min(gone + INSIDE, part.used - INSIDE), still: gone >= part.used};
}

function blackAt({parts}, index, frame, frames) {
  const part = parts[index], next = parts[index + 1]?.passage;
  if (!part) return 0;
  const since = frame - frames(part.start), left = frames(part.seconds) - since;
  const into = part.passage.shared ? 0 : frames(part.passage.into), out = next && !next.shared ? frames(next.out) : 0;
  if (since < into) return 1 - (since + 1) / (into + 1);
  return left <= out ? (out - left + 1) / out : 0;
}

/** {node, show(timeline), play(), pause(), seek(time), time, index, playing}; `told`: the time changed. */
export function makeReel(told) {
  const layers = Array.from({length: LAYERS}, makeLayer), sounds = makeSounds();
  const black = el('div', {class: 'black'}),
    node = el('div', {class: 'layers'}, ...layers.map(layer => layer.node), black, sounds.node);
  let film = {parts: [], seconds: 0, frames_per_second: 1}, time = 0, index = 0, playing = false, before = 0, timer = 0;

  function draw() {
    const frame = Math.min(film.frames - 1, Math.floor(time * film.frames_per_second + 1e-6)),
      now = seenAt(film, frame);
    index = now.index;
    layers.forEach((layer, slot) => {
      const i = film.parts.findIndex((_, at) => at >= index - 2 && at <= index + 1 && at % LAYERS === slot);
      const part = film.parts[i], seen = now.seen.find(each => each.index === i);
      layer.show(part, Boolean(seen));                   // the next one is loaded before its turn
      if (!part || !seen) return;
      layer.node.style.opacity = seen.opacity;
      layer.node.style.zIndex = i - index + LAYERS;
      layer.follow(part, time - part.start, playing, film.frames_per_second);
    });
    black.style.opacity = now.black;
    sounds.follow(time, playing);
    told();
  }
  function tick(now) {
    if (!playing) return;
    if (!node.isConnected) return pause();
    if (layers[index % LAYERS].ready()) time += Math.min(0.25, (now - before) / 1000); // it waits for what still loads
    before = now;
    if (time >= film.seconds) { time = film.seconds; playing = false; }
    draw();
    if (playing) timer = requestAnimationFrame(tick);
  }
  function play() {
    if (playing || !film.parts.length) return;
    if (time >= film.seconds - 0.01) time = 0;
    playing = true;
    before = performance.now();
    timer = requestAnimationFrame(tick);
    told();
  }
  function pause() {
    playing = false;
    cancelAnimationFrame(timer);
    draw();
  }
  return {
    node, play, pause,
    get time() { return time; }, get playing() { return playing; }, get index() { return index; },
    seek(to) { time = Math.max(0, Math.min(film.seconds, to)); draw(); },
    show(timeline) { film = timeline; time = Math.min(time, film.seconds); sounds.show(film); draw(); },
  };
}

// A clip or the words of a card, one at a time.
function makeLayer() {
  const video = el('video', {playsinline: true, preload: 'auto', 'aria-hidden': 'true'});
  const words = el('p', {class: 'card-words', dir: 'auto'}), node = el('div', {class: 'layer'}, video, words);
  video.muted = true;
  return {
    node,
    show(part, seen) {
      setHidden(video, !seen || !part.clip);
      setHidden(words, !seen || Boolean(part.clip));
      setText(words, part?.text || '');
      setSource(video, part?.clip || '');
      if (!seen && !video.paused) video.pause();
    },
    // since: seconds of the film since the part began
    follow(part, since, playing, rate) {
      if (!part.clip) return;
      const frame = Math.floor(since * rate + 1e-6), {still} = momentIn(part, frame, rate), runs = playing && !still;
      const {at} = momentIn(part, runs ? since * rate : frame, rate);
      video.playbackRate = Math.max(SLOWEST, Math.min(FASTEST, part.speed));
      if (runs && video.paused) video.play().catch(() => {});
      if (!runs && !video.paused) video.pause();
      const most = runs ? DRIFT * Math.max(1, part.speed) : INSIDE;
      if (Math.abs(video.currentTime - at) > most && !video.seeking) video.currentTime = at;
    },
    ready: () => video.hidden || video.readyState >= 2 || Boolean(video.error),
  };
}
