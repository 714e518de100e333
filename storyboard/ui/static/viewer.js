// The selected scene's picture: its chosen take, or the take being made; scrubbing it chooses the frame to remember it
// by.
import {el, howFar, iconButton, setGrowing, setHidden, setIcon, setLabel, setSource, setText, textButton
} from './dom.js';
import {ask, frameAt, makeBar, timeOf} from './parts.js';

/** {node, paint(scene, job)} */
export function makeViewer(store) {
  const video = el('video', {muted: true, playsinline: true, loop: true, preload: 'auto', click: toggle,
    loadedmetadata: () => seek(take?.keyframe_index || 0), seeked: tell, pause: tell, play: tell});
  const live = el('img', {class: 'live', alt: 'The scene as it is being made', hidden: true});
  const empty = el('div', {class: 'blank'}, el('p', {text: 'No take yet'}),
    el('p', {class: 'hint', text: 'Render the scene, or drop a clip of your own here.'}));
  const badge = el('span', {class: 'badge', hidden: true});
  const screen = el('div', {class: 'screen'}, video, live, empty, badge);
  const play = iconButton('play', 'Play', {click: toggle});
  const bar = makeBar('Frame of the clip', at => { video.pause(); seek(at); tell(); }, {max: 0});
  const mark = el('span', {class: 'mark', 'aria-hidden': 'true'});
  const remember = textButton('Remember the scene by this frame', {class: 'button quiet', click: choose}, 'eye');
  const told = el('p', {class: 'told'});
  const transport = el('div', {class: 'transport'}, play, el('div', {class: 'track'}, mark, bar.input), bar.place);
  const node = el('div', {class: 'viewer'}, screen, transport, el('div', {class: 'keyframe-row'}, remember, told));
  video.muted = true;
  let scene = null, take = null, busy = false;

  const rate = () => take?.frames_per_second || 1;
  const count = () => take?.num_frames || 1;
  const index = () => frameAt(video, rate(), count());

  function tell() {
    const at = index(), words = take ? `${at + 1} / ${count()}` : '';
    bar.set(at, {max: count() - 1, words, told: `frame ${at + 1} of ${take ? count() : 0}`,
      held: video.paused && document.activeElement === bar.input});
    setIcon(play.firstChild, video.paused ? 'play' : 'pause');
    setLabel(play, video.paused ? 'Play' : 'Pause');
    const same = take && at === take.keyframe_index;
    remember.disabled = !take || same || busy;
    setText(told, !take ? '' : same ? 'Later scenes remember this frame.'
      : `Later scenes remember frame ${take.keyframe_index + 1}.`);
  }
  function tick() {
    tell();
    if (!video.paused && node.isConnected) requestAnimationFrame(tick);
  }
  function seek(at) { video.currentTime = timeOf(at, rate()); }
  function toggle() {
    if (!take) return;
    if (video.paused) video.play().then(tick, () => {});
    else { video.pause(); seek(index()); }
  }
  async function choose() {
    const at = index(), own = take;
    video.pause();
    busy = true;
    tell();
    await ask(store, 'keyframe', {scene: scene.id, take: own.id, index: at});
    busy = false;
    tell();
  }

  node.addEventListener('dragover', event => { event.preventDefault(); node.dataset.over = 'true'; });
  node.addEventListener('dragleave', event => { if (!node.contains(event.relatedTarget)) delete node.dataset.over; });
  node.addEventListener('drop', event => {
    event.preventDefault();
    delete node.dataset.over;
    const picker = document.querySelector('.clip-upload input[type=file]');  // where it is said how it is fitted
    if (!picker || !event.dataTransfer.files.length) return;
    picker.files = event.dataTransfer.files;
    picker.dispatchEvent(new Event('change'));
  });

  function paint(next, job) {
    if (scene?.id !== next.id) setGrowing(live, '', 0);
    scene = next;
    take = scene.takes.find(other => other.id === scene.chosen) || null;
    const {width, height} = take || store.state.story;
    screen.style.setProperty('--aspect', width / height);
    const making = job?.state === 'running' && job.preview;
    setGrowing(live, making ? job.preview : '', making ? job.seconds : 0);
    setHidden(live, !making);
    if ((video.getAttribute('src') || '') !== (take?.clip || '')) { setSource(video, take?.clip || ''); video.load(); }
    setHidden(video, !take);
    video.setAttribute('aria-label', take ? 'The chosen take' : '');
    setHidden(empty, Boolean(take || making));
    setHidden(badge, !making);
    if (making) setText(badge, howFar(job));
    transport.inert = !take;
    setHidden(mark, !take);
    if (take) mark.style.setProperty('--at', take.keyframe_index / Math.max(1, count() - 1));
    tell();
  }
  return {node, paint, pause: () => video.pause()};
}
