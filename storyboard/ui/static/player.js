// The film's player: see components/player.py.
import {calm, el, iconButton, setAttr, setHidden, setIcon, setLabel, setSource, setText} from './dom.js';
import {keyed, makeBar} from './parts.js';
import {makeReel} from './reel.js';

const clock = time => `${Math.floor(time / 60)}:${String(Math.floor(time % 60)).padStart(2, '0')}`;

export function mount({element, props, watch}) {
  const reel = makeReel(() => tell());
  const caption = el('p', {class: 'caption', dir: 'auto'});
  const screen = el('div', {class: 'screen', click: () => play.click()}, reel.node);
  const play = iconButton('play', 'Play the film', {click: () => (reel.playing ? reel.pause() : reel.play())});
  const back = iconButton('previous', 'The scene before', {click: () => jump(-1)});
  const forward = iconButton('next', 'The next scene', {click: () => jump(1)});
  const {input, place, set} = makeBar('Place in the film', reel.seek, {max: 1, step: 0.01});
  const ticks = el('div', {class: 'ticks', 'aria-hidden': 'true'});
  const marks = el('ol', {class: 'marks', 'aria-label': 'Scenes of the film', click: event => {
    const mark = event.target.closest('button');
    if (mark) seek(Number(mark.dataset.at));
  }});
  const node = el('div', {class: 'film-player'}, el('div', {class: 'picture'}, screen, caption),
    el('div', {class: 'transport'}, back, play, forward, el('div', {class: 'track'}, ticks, input), place), marks);
  let film = {parts: [], captions: 'none'}, scenes = {}, drawn = '', looked = null, current = -1, inSight = false;

  const seek = index => film.parts[index] && reel.seek(film.parts[index].start + film.parts[index].passage.shared);
  function jump(by) { seek(Math.max(0, Math.min(film.parts.length - 1, reel.index + by))); }

  function tell() {
    const {time, index} = reel, total = film.seconds || 0, part = film.parts[index];
    const words = (film.captions !== 'none' && part?.caption) || '';
    set(time, {max: total || 1, words: `${clock(time)} / ${clock(total)}`, held: input.matches(':active'),
      told: `${clock(time)} of ${clock(total)}, ${part ? nameOf(part, index, scenes).long : ''}`});
    setIcon(play.firstChild, reel.playing ? 'pause' : 'play');
    setLabel(play, reel.playing ? 'Pause the film' : 'Play the film');
    setText(caption, words);
    setHidden(caption, film.captions === 'none' || film.captions === 'beside' && !words);
    if (current === index) return;
    current = index;
    [...marks.children].forEach((mark, i) => setAttr(mark.firstChild, 'aria-current', i === index ? 'true' : null));
    const mark = marks.children[index], left = mark && mark.offsetLeft - marks.clientWidth / 2 + mark.offsetWidth / 2;
    if (mark) marks.scrollTo({left, behavior: calm() ? 'auto' : 'smooth'});
  }
  function paint() {
    const {value} = props;
    if (!value) return look();
    scenes = value.scenes;
    screen.style.setProperty('--aspect', value.aspect);
    setAttr(caption, 'data-where', value.timeline.captions);
    const now = JSON.stringify(value.timeline);
    if (now !== drawn) {
      drawn = now;
      film = value.timeline;
      reel.show(film);
      drawTicks();
      drawMarks();
    }
    if (looked !== null && looked !== value.look) seek(film.parts.findIndex(part => part.scene === value.look));
    looked = value.look;
    current = -1;
    tell();
    return look();
  }
  function drawMarks() {
    const make = () => el('li', {}, el('button', {type: 'button'}, el('img', {alt: '', loading: 'lazy'}), el('b', {})));
    keyed(marks, film.parts, part => part.scene ?? `card ${part.start > 0}`, make, (mark, part, i) => {
      const {short, long, picture} = nameOf(part, i, scenes);
      setAttr(mark.firstChild, 'data-at', i);
      setAttr(mark.firstChild, 'aria-label', long);
      setAttr(mark.firstChild, 'title', long);
      setSource(mark.querySelector('img'), picture);
      setText(mark.querySelector('b'), short);
    });
  }
  function drawTicks() {
    ticks.replaceChildren(...film.parts.slice(1).map(part =>
      el('i', {'data-kind': part.seam.kind, style: `--at: ${part.start / film.seconds}`})));
  }
  function look() {                                      // it plays by itself when it comes into sight
    const now = Boolean(props.value) && element.checkVisibility();
    if (now && !inSight) { reel.seek(0); if (!calm()) reel.play(); }
    if (inSight && !now) reel.pause();
    inSight = now;
  }
  element.replaceChildren(node);
  watch('value', paint);
  paint();
  new ResizeObserver(look).observe(element);
}

// A part of the film as it is called: a scene by its number, a card by its place.
function nameOf(part, index, scenes) {
  const scene = scenes[part.scene], card = index ? 'End' : 'Title';
  if (!scene) return {short: card, long: `${card} card: ${part.text}`, picture: ''};
  return {short: String(scene.number), long: `Scene ${scene.number}: ${scene.prompt}`, picture: scene.picture};
}
