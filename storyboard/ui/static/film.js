// The film: all chosen takes in order, with the seams between them, captions, and what can be saved of it.
import {calm, counted, el, makeDialog, setAttr, setHidden, setIcon, setSource, setText} from './dom.js';
import {ask, keyed, makeButton, makeEmpty, makeIconButton, makeSlider, makeSwitch, setLabel, titled} from './parts.js';
import {makeReel} from './reel.js';

const FORMATS = {                                        // what to call what the server can write
  mp4: ['Film', 'MP4'], 'finished.mp4': ['Finished film', 'MP4, drawn larger'], gif: ['Film', 'GIF'], 'sheet.png': ['Contact sheet', 'PNG'], 'sheet.pdf': ['Contact sheet', 'PDF'],
  'clips.zip': ['Single clips', 'ZIP'], 'story.zip': ['Story archive', 'imports again'], srt: ['Subtitles', 'SRT'], vtt: ['Subtitles', 'WebVTT'],
};

/** A dialog; the event 'opening' tells it that it is about to be shown. */
export function makeFilm(store) {
  const player = makePlayer(), seams = makeSeams(store, index => player.seek(index));
  const captions = makeSwitch('Captions', on => store.edit({do: 'edit_story', changes: {captions: on}}), 'The prompts, under the picture.');
  const empty = makeEmpty('No film yet', 'Render at least one scene. The film is all chosen takes in their order.');
  const missing = el('p', {class: 'explain missing'});
  const options = el('div', {class: 'film-options'}, captions.node, missing, seams.node, makeExports(store));
  const stage = el('div', {class: 'film-stage'}, player.node), body = el('div', {class: 'film-body'}, stage, options);
  const dialog = makeDialog('Film', 'film', empty.node, body);
  let open = false;

  function paint() {
    const {story} = store.state;
    if (!open || !story) return;
    const clips = story.scenes.flatMap((scene, index) => clipOf(scene, index)), left = story.scenes.length - clips.length;
    setHidden(empty.node, clips.length > 0);
    setHidden(body, !clips.length);
    captions.set(story.captions);
    setText(missing, left ? `${counted(left, 'scene')} without a take ${left === 1 ? 'is' : 'are'} left out.` : '');
    setHidden(missing, !left);
    player.paint(story, clips);
    seams.paint(clips);
  }
  dialog.addEventListener('opening', () => {
    open = true;
    paint();
    player.start();
  });
  dialog.addEventListener('close', () => {
    open = false;
    player.pause();
  });
  store.on(paint);
  return dialog;
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

// --- the seams

function makeSeams(store, seek) {
  const list = el('ol', {}), node = el('section', {class: 'seams', 'aria-label': 'Seams'}, el('h3', {text: 'Seams'}), list);
  const edit = (scene, seam, group = '') => store.edit({do: 'edit_scene', scene, changes: {seam}}, group);
  const sliders = new WeakMap();

  function make(clip) {
    const select = el('select', {on: {change: () => edit(clip.id, {kind: select.value})}}, ...store.served.seams.map(value => el('option', {value, text: titled(value)})));
    const seconds = makeSlider({label: 'Lasts', min: 0.1, max: 2, step: 0.1, show: value => `${value.toFixed(1)} s`, send: (value, group) => edit(clip.id, {seconds: value}, group)});
    const look = makeButton('', () => seek(Number(look.dataset.at)), {kind: 'quiet small look-at'});
    const item = el('li', {}, look, select, seconds.node);
    sliders.set(item, seconds);
    return item;
  }
  function paint(clips) {
    const seamed = clips.slice(1).map((clip, i) => ({...clip, before: clips[i].number, at: i + 1}));
    setHidden(node, !seamed.length);
    keyed(list, seamed, clip => clip.id, make, (item, clip) => {
      const [look, select] = item.children, name = `Seam between scenes ${clip.before} and ${clip.number}`;
      setText(look.lastChild, `${clip.before} → ${clip.number}`);
      setAttr(look, 'data-at', clip.at - 1);
      setAttr(look, 'aria-label', `${name}: go to scene ${clip.before}`);
      setAttr(select, 'aria-label', name);
      if (select.value !== clip.seam.kind) select.value = clip.seam.kind;
      const seconds = sliders.get(item);
      seconds.set(clip.seam.seconds);
      setAttr(seconds.node, 'data-off', clip.seam.kind === 'cut');
      seconds.input.disabled = clip.seam.kind === 'cut';
    });
  }
  return {node, paint};
}

// --- what can be saved

function makeExports(store) {
  const status = el('p', {class: 'explain', role: 'status'});
  const buttons = store.served.formats.map(format => {
    const [what, kind] = FORMATS[format] || [format, ''];
    const button = makeButton(what, async () => {
      setAttr(button, 'aria-busy', 'true');
      button.disabled = true;
      setText(status, `Writing ${what.toLowerCase()} (${kind}) …`);
      const reply = await ask(store, 'film', {format});
      button.disabled = false;
      setAttr(button, 'aria-busy', null);
      setText(status, reply ? `${reply.name} is ready.` : '');
      if (reply) save(reply);
    }, {picture: 'export', 'data-format': format});
    button.append(el('small', {text: kind}));
    return button;
  });
  return el('section', {class: 'exports', 'aria-label': 'Export'}, el('h3', {text: 'Export'}), el('div', {class: 'formats'}, ...buttons), status);
}

function save({url, name}) {
  const link = el('a', {href: url, download: name, hidden: true});
  document.body.append(link);
  link.click();
  link.remove();
}
