// The film's player: all chosen takes in order, with the seams between them and captions.
import {calm, el, setAttr, setHidden, setIcon, setSource, setText} from './dom.js';
import {keyed, makeIconButton, setLabel} from './parts.js';
import {makeReel} from './reel.js';

/** {node, paint(), show(), hide()} */
export function makeFilm(store) {
  const player = makePlayer();
  const paint = () => {
    const {story} = store.state;
    player.paint(story, story.scenes.flatMap((scene, index) => clipOf(scene, index)));
  };
  return {node: player.node, paint, show: () => { paint(); player.start(); }, hide: player.pause};
}

function clipOf(scene, index) {
  const take = scene.takes.find(other => other.id === scene.chosen);
  if (!take) return [];
  return [{id: scene.id, number: index + 1, prompt: scene.prompt, caption: (scene.shot.caption ?? scene.prompt).trim(), seam: scene.seam, clip: take.clip, keyframe: scene.keyframe || take.keyframe,
    length: take.num_frames / take.frames_per_second}];
}

const clock = time => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, '0')}`;

// --- the player

function makePlayer() {
  const reel = makeReel(() => tell());
  const caption = el('p', {class: 'caption', dir: 'auto'}), screen = el('div', {class: 'screen'}, reel.node, caption);
  const play = makeIconButton('play', 'Play the film', () => (reel.playing ? reel.pause() : reel.play()));
  const back = makeIconButton('previous', 'The scene before', () => jump(-1)), forward = makeIconButton('next', 'The next scene', () => jump(1));
  const seekbar = el('input', {type: 'range', min: 0, max: 1, step: 0.01, value: 0, 'aria-label': 'Place in the film'});
  const place = el('output', {class: 'place'}), ticks = el('div', {class: 'ticks', 'aria-hidden': 'true'});
  const marks = el('ol', {class: 'marks', 'aria-label': 'Scenes of the film'});
  const node = el('div', {class: 'film-player'}, screen, el('div', {class: 'transport'}, back, play, forward,
    el('div', {class: 'track'}, ticks, seekbar), place), marks);
  let clips = [], captions = false, drawn = '', current = -1;

  seekbar.addEventListener('input', () => reel.seek(Number(seekbar.value)));
  screen.addEventListener('click', () => play.click());
  marks.addEventListener('click', event => {
    const mark = event.target.closest('button');
    if (mark) seek(Number(mark.dataset.at));
  });
  const seek = index => reel.parts[index] && reel.seek(reel.parts[index].start + reel.parts[index].fade);
  function jump(by) { seek(Math.max(0, Math.min(clips.length - 1, reel.index + by))); }

  function tell() {
    const {time, total, index} = reel, clip = clips[index];
    if (!seekbar.matches(':active')) seekbar.value = time;
    seekbar.style.setProperty('--share', total ? time / total : 0);
    seekbar.setAttribute('aria-valuetext', `${clock(time)} of ${clock(total)}, scene ${clip?.number ?? ''}`);
    setText(place, `${clock(time)} / ${clock(total)}`);
    setIcon(play.firstChild, reel.playing ? 'pause' : 'play');
    setLabel(play, reel.playing ? 'Pause the film' : 'Play the film');
    setText(caption, captions && clip ? clip.caption : '');
    setHidden(caption, !captions || !clip?.caption);
    if (current === index) return;
    current = index;
    [...marks.children].forEach((mark, i) => setAttr(mark.firstChild, 'aria-current', i === index ? 'true' : null));
    const mark = marks.children[index];
    if (mark) marks.scrollTo({left: mark.offsetLeft - marks.clientWidth / 2 + mark.offsetWidth / 2, behavior: calm() ? 'auto' : 'smooth'});
  }
  function paint(story, next) {
    clips = next;
    captions = story.captions;
    screen.style.setProperty('--aspect', story.width / story.height);
    const key = JSON.stringify(clips.map(({prompt, caption, keyframe, ...clip}) => clip));
    if (key !== drawn) { drawn = key; current = -1; reel.show(clips); drawTicks(); }
    keyed(marks, clips, clip => clip.id, () => el('li', {}, el('button', {type: 'button'}, el('img', {alt: '', loading: 'lazy'}), el('b', {}))), (mark, clip, i) => {
      setAttr(mark.firstChild, 'data-at', i);
      setAttr(mark.firstChild, 'aria-label', `Scene ${clip.number}: ${clip.prompt}`);
      setAttr(mark.firstChild, 'title', clip.prompt);
      setSource(mark.querySelector('img'), clip.keyframe);
      setText(mark.querySelector('b'), String(clip.number));
    });
    current = -1;
    tell();
  }
  function drawTicks() {
    seekbar.max = reel.total;
    ticks.replaceChildren(...reel.parts.slice(1).map(part => {
      const tick = el('i', {'data-kind': part.seam.kind});
      tick.style.setProperty('--at', part.start / reel.total);
      return tick;
    }));
  }
  return {node, paint, seek, pause: reel.pause, start: () => { reel.seek(0); if (!calm()) reel.play(); }};
}
