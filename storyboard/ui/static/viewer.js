// The selected scene's picture: its chosen take, or the take being made; scrubbing it chooses the frame to remember it
// by.
import {el, howFar, setGrowing, setHidden, setIcon, setSource, setText} from './dom.js';
import {ask, makeButton, makeIconButton, setLabel} from './parts.js';


/** {node, paint(scene, job)} */
export function makeViewer(store) {
  const video = el('video', {muted: '', playsinline: '', loop: '', preload: 'auto'});
  const live = el('img', {class: 'live', alt: 'The scene as it is being made', hidden: true});
  const empty = el('div', {class: 'blank'}, el('p', {text: 'No take yet'}),
    el('p', {class: 'hint', text: 'Render the scene, or drop a clip of your own here.'}));
  const badge = el('span', {class: 'badge', hidden: true});
  const screen = el('div', {class: 'screen'}, video, live, empty, badge);
  const play = makeIconButton('play', 'Play', toggle);
  const scrub = el('input', {type: 'range', min: 0, max: 0, step: 1, value: 0, 'aria-label': 'Frame of the clip'});
  const mark = el('span', {class: 'mark', 'aria-hidden': 'true'});
  const place = el('output', {class: 'place'});
  const remember = makeButton('Remember the scene by this frame', choose, {picture: 'eye', kind: 'quiet'});
  const told = el('p', {class: 'told'});
  const transport = el('div', {class: 'transport'}, play, el('div', {class: 'track'}, mark, scrub), place);
  const node = el('div', {class: 'viewer'}, screen, transport, el('div', {class: 'keyframe-row'}, remember, told));
  video.muted = true;
  let scene = null, take = null, busy = false;

  const rate = () => take?.frames_per_second || 1;
  const index = () => Math.max(0, Math.min((take?.num_frames || 1) - 1,
    Math.floor(video.currentTime * rate() + 0.001)));

  function tell() {
    const at = index(), count = take?.num_frames || 0;
    if (!(video.paused && document.activeElement === scrub)) scrub.value = at;
    const words = count ? `${at + 1} / ${count}` : '';
    setText(place, words);
    scrub.setAttribute('aria-valuetext', `frame ${at + 1} of ${count}`);
    scrub.style.setProperty('--share', count > 1 ? scrub.value / (count - 1) : 0);
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
  function seek(at) { video.currentTime = (at + 0.5) / rate(); }
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
  scrub.addEventListener('input', () => { video.pause(); seek(Number(scrub.value)); tell(); });
  for (const event of ['seeked', 'pause', 'play']) video.addEventListener(event, tell);
  video.addEventListener('loadedmetadata', () => { seek(take?.keyframe_index || 0); });
  video.addEventListener('click', toggle);

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
    scrub.max = Math.max(0, (take?.num_frames || 1) - 1);
    setHidden(mark, !take);
    if (take) mark.style.setProperty('--at', take.num_frames > 1 ? take.keyframe_index / (take.num_frames - 1) : 0);
    tell();
  }
  return {node, paint, pause: () => video.pause()};
}
