// Plays clips as one film: each clip on its own layer, with the seams between them. Knows nothing of stories.
import {el, setHidden, setSource} from './dom.js';

const DRIFT = 0.15;                                      // seconds by which a clip may be off the film's time
const LAYERS = 3;                                        // the clip before, the one that plays, the one after

/** When each clip plays, in seconds. clips: [{clip, length, seam: {kind, seconds}}]; a cross-fade makes two overlap. */
export function layOut(clips) {
  let end = 0;
  return clips.map((clip, i) => {
    const room = i ? Math.min(clip.seam.seconds, clip.length / 2, clips[i - 1].length / 2) : 0;
    const fade = clip.seam.kind === 'cross-fade' ? room : 0, dip = clip.seam.kind === 'dip to black' ? room : 0;
    const start = end - fade;
    end = start + clip.length;
    return {...clip, start, end, fade, dip};
  });
}

/** How much black lies over the film at `time`. */
export function blackAt(parts, time) {
  return Math.max(0, ...parts.filter(part => part.dip).map(part => 1 - Math.abs(time - part.start) / (part.dip / 2)));
}

/** {node, show(clips), play(), pause(), seek(time), time, total, index, playing}; `told` is called whenever the time changed. */
export function makeReel(told) {
  const layers = Array.from({length: LAYERS}, () => {
    const video = el('video', {playsinline: true, preload: 'auto', 'aria-hidden': 'true'});
    video.muted = true;
    return video;
  });
  const black = el('div', {class: 'black'}), node = el('div', {class: 'layers'}, ...layers, black);
  let parts = [], time = 0, playing = false, before = 0, timer = 0;

  const total = () => parts.at(-1)?.end || 0;
  const indexAt = at => Math.max(0, parts.findLastIndex(part => part.start <= at + 1e-6));

  function draw() {
    const index = indexAt(time), here = parts[index];
    layers.forEach((video, slot) => {
      const i = [index - 1, index, index + 1].find(near => near >= 0 && near % LAYERS === slot && parts[near]);
      if (i === undefined) return setHidden(video, true);
      const part = parts[i], visible = i === index || (i === index - 1 && time < here.start + here.fade);
      setSource(video, part.clip);                       // the next one is loaded before its turn
      setHidden(video, !visible);
      video.style.opacity = i === index && here.fade ? Math.min(1, (time - here.start) / here.fade) : 1;
      video.style.zIndex = i === index ? 2 : 1;
      if (visible) follow(video, Math.max(0, Math.min(part.length - 0.02, time - part.start)));
      else if (!video.paused) video.pause();
    });
    black.style.opacity = blackAt(parts, time);
    told();
  }
  function follow(video, want) {
    const off = Math.abs(video.currentTime - want);
    if (playing && video.paused && !video.ended) video.play().catch(() => {});
    if (!playing && !video.paused) video.pause();
    if (off > (playing ? DRIFT : 0.01) && !video.seeking) video.currentTime = want;
  }
  function tick(now) {
    if (!playing) return;
    const here = layers[indexAt(time) % LAYERS], ready = here.readyState >= 2 || here.error;
    if (ready) time += Math.min(0.25, (now - before) / 1000); // it waits for a clip that is still loading
    before = now;
    if (time >= total()) { time = total(); playing = false; }
    draw();
    if (playing) timer = requestAnimationFrame(tick);
  }
  function play() {
    if (playing || !parts.length) return;
    if (time >= total() - 0.01) time = 0;
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
    get time() { return time; }, get total() { return total(); }, get playing() { return playing; }, get index() { return indexAt(time); }, get parts() { return parts; },
    seek(to) { time = Math.max(0, Math.min(total(), to)); draw(); },
    show(clips) { parts = layOut(clips); time = Math.min(time, total()); draw(); },
  };
}
