// The sounds of a film, each at its place and level, softer under voices: as in storyboard/film/mix.py.
import {el} from './dom.js';

const SOFTER = 0.25,
  LOUDER = 0.6; // seconds to give way to a voice, and to come back
const DRIFT = 0.2; // seconds by which a sound may be off the film's time

const gain = decibels => 10 ** (decibels / 20);
const ramp = (value, low, high) => Math.max(0, Math.min(1, high > low ? (value - low) / (high - low) : 1));

/** How loud a sound is at a time of the film, from 0 on. voices: when each begins and ends. */
export function loudness(sound, time, voices, ducking) {
  const since = time - sound.start,
    left = sound.start + sound.seconds - time;
  if (since < 0 || left <= 0) return 0;
  const faded = Math.min(1, since / Math.max(sound.fade_in, 1e-6)) * Math.min(1, left / Math.max(sound.fade_out, 1e-6));
  const under =
    sound.kind === 'voice'
      ? 0
      : Math.max(
          0,
          ...voices.map(([begins, ends]) =>
            Math.min(ramp(time, begins - SOFTER, begins), 1 - ramp(time, ends, ends + LOUDER)),
          ),
        );
  return gain(sound.level - under * ducking) * faded;
}

/** {node, show(timeline), follow(time, playing)} */
export function makeSounds() {
  const node = el('div', {class: 'sounds', hidden: true});
  let playing = [],
    voices = [],
    ducking = 0;
  return {
    node,
    show(film) {
      for (const {audio} of playing) audio.pause();
      playing = film.sounds.map(sound => ({sound, audio: el('audio', {src: sound.url, preload: 'auto'})}));
      node.replaceChildren(...playing.map(({audio}) => audio));
      voices = film.sounds.filter(({kind}) => kind === 'voice').map(({start, seconds}) => [start, start + seconds]);
      ({ducking} = film);
    },
    follow(time, running) {
      for (const {sound, audio} of playing) {
        const level = loudness(sound, time, voices, ducking),
          heard = running && level > 0;
        if (!heard && !audio.paused) audio.pause();
        if (!heard) continue;
        const since = (time - sound.start) * sound.speed,
          whole = (audio.duration || Infinity) - sound.skip;
        const want = sound.skip + (sound.loop ? since % whole : since);
        audio.volume = Math.min(1, level);
        audio.playbackRate = sound.speed;
        if (Math.abs(audio.currentTime - want) > DRIFT && !audio.seeking) audio.currentTime = want;
        if (audio.paused && want < (audio.duration || Infinity)) audio.play().catch(() => {});
      }
    },
  };
}
