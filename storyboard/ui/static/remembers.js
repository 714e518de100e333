// The Remembers tab: every past prompt, its kept words marked by strength, why each was kept or dropped, and overruling that.
import {counted, el, setAttr, setHidden, setSource, setText} from './dom.js';
import {makeLook} from './heat.js';
import {keyed, makeButton, makeChoice, makeEmpty, makeLatest, makeSlider, makeSwitch, newId, quoted} from './parts.js';
import {makeThread} from './thread.js';

const MUTED = 'muted', PINNED = 'pinned';

/** {node, paint(scene)} */
export function makeRemembers(store) {
  const thread = makeThread(store), tip = makeTip();
  const empty = makeEmpty('The first scene remembers nothing', 'Scenes after it remember what their words share with the prompts before them.');
  const own = el('p', {class: 'own words', dir: 'auto'});
  const summary = el('p', {class: 'summary', role: 'status'});
  const list = el('div', {class: 'pasts'}), aside = el('p', {class: 'explain', text: 'It shows a clip of your own, which remembers nothing. A render would remember this:'});
  const threshold = makeSlider({label: 'Similarity needed to be kept', min: 0, max: 1, step: 0.01, show: value => value.toFixed(2),
    live: value => load(current.id, value), send: (value, group) => edit({do: 'edit_scene', changes: {threshold: value}}, group)});
  const standard = makeButton('Default', () => edit({do: 'edit_scene', changes: {threshold: null}}), {kind: 'quiet small'});
  const bar = el('div', {class: 'threshold'}, threshold.node, standard);
  const body = el('div', {class: 'memory'}, bar, own, aside, summary, list, makeLegend());
  const node = el('div', {class: 'remembers'}, thread.node, empty.node, body, tip.node);
  const cards = new WeakMap(), inspector = makeInspector(overrule);
  let current = null, result = null, loaded = '', maps = new Map(), mapped = '', chosen = null; // chosen: {scene, start} of a word
  const edit = (op, group = '') => store.edit({...op, scene: current.id}, group);

  const load = makeLatest(async (scene, value = null) => {
    const {story} = store.state;
    const reply = await store.call('remembers', {story: story.id, scene, threshold: value, quiet: true}).catch(() => null);
    if (!reply || scene !== current?.id) return;
    result = reply;
    draw();
  });
  const loadMaps = makeLatest(async scene => {
    const reply = await store.call('maps', {story: store.state.story.id, scene, quiet: true}).catch(() => null);
    if (scene !== current?.id) return;
    maps = new Map((reply?.maps || []).map(map => [`${map.scene} ${map.start}`, map]));
    draw();
  });

  function paint(scene) {
    const {story} = store.state, other = scene.id !== current?.id;
    if (other) { result = null; maps = new Map(); chosen = null; list.replaceChildren(); tip.hide(); }
    current = scene;
    thread.paint();
    const past = story.scenes.slice(0, story.scenes.indexOf(scene)).some(before => before.prompt.trim());
    const needs = `${story.id} ${story.rev} ${scene.id}`, of = `${scene.id} ${scene.chosen}`;
    setHidden(empty.node, past && Boolean(scene.prompt.trim()));
    setHidden(body, !past || !scene.prompt.trim());
    if (!past) empty.say('Nothing to remember yet', 'No scene before this one has a prompt. Later scenes remember what their words share with earlier prompts.');
    else if (!scene.prompt.trim()) empty.say('This scene has no prompt yet', 'What it remembers depends on its words. Write them on its card.');
    else if (needs !== loaded || other) { loaded = needs; load(scene.id); }
    if (of !== mapped || other) { mapped = of; if (scene.chosen) loadMaps(scene.id); else maps = new Map(); }
    setHidden(aside, scene.takes.find(take => take.id === scene.chosen)?.source !== 'imported');
    setAttr(standard, 'disabled', scene.threshold === null);
    draw();
  }

  function draw() {
    setAttr(body, 'aria-busy', result ? null : 'true');
    if (!result) return setText(summary, 'Looking at what it remembers …');
    threshold.set(result.threshold);
    paintWords(own, result.prompt_pieces, piece => [piece.kept ? 'kept own' : 'plain', piece.kept ? ownReason(piece) : '']);
    setText(summary, summed(result.past));
    keyed(list, result.past, past => past.scene, () => makeCard().node, (element, past) => cards.get(element).paint(past, {
      map: start => maps.get(`${past.scene} ${start}`), chosen: chosen?.scene === past.scene ? chosen.start : null,
      how: piece => overruled(current, past, piece), muted: current.muted_scenes.includes(past.scene),
    }));
  }

  function makeCard() {
    const card = makePast({tip, select, inspector, mute: (scene, on) => edit({do: 'mute_scene', muted: scene, on}), overrule});
    cards.set(card.node, card);
    return card;
  }
  function select(scene, start) {
    chosen = chosen?.scene === scene && chosen.start === start ? null : {scene, start};
    draw();
  }
  function overrule(past, piece, how) {                  // all of it is one step of undo
    const word = {scene: past.scene, text: piece.text, occurrence: piece.occurrence}, group = newId('overrule');
    const other = refsOf(current, past, piece).filter(ref => how === 'filter' || !sameWord(ref, word));
    for (const ref of other) edit({do: 'release_word', word: {scene: ref.scene, text: ref.text, occurrence: ref.occurrence}}, group);
    if (how !== 'filter') edit({do: how === PINNED ? 'pin_word' : 'mute_word', word}, group);
  }
  return {node, paint, hide: tip.hide};
}

const ownReason = piece => `${piece.reason[0].toUpperCase()}${piece.reason.slice(1)}`;

function summed(pasts) {
  const kept = pasts.filter(past => past.kept), words = kept.flatMap(past => past.pieces).filter(piece => piece.kept).length;
  return kept.length ? `Remembers ${counted(words, 'word')} of ${kept.length} of ${counted(pasts.length, 'earlier scene')}`
    : `Remembers nothing of ${pasts.length === 1 ? 'the earlier scene' : `the ${pasts.length} earlier scenes`}`;
}

const sameWord = (a, b) => a.scene === b.scene && a.text === b.text && a.occurrence === b.occurrence;

/** The scene's pins and mutes that are about a word: of the word itself, or of its mention, which is kept or dropped whole. */
function refsOf(scene, past, piece) {
  const own = [...scene.pins, ...scene.mutes].filter(ref => ref.scene === past.scene);
  if (!own.length) return own;
  const mention = past.pieces.filter(other => other.content && (other === piece || other.mention === piece.mention));
  return own.filter(ref => mention.some(word => sameWord(ref, {...word, scene: past.scene})) || (ref.text.includes(piece.text) && ref.text !== piece.text));
}

/** How a word is overruled, as the scene itself says it before the server has answered. A mute wins, as in the filter. */
function overruled(scene, past, piece) {
  const refs = piece.content ? refsOf(scene, past, piece) : [];
  return refs.some(ref => scene.mutes.includes(ref)) ? MUTED : refs.length ? PINNED : 'filter';
}

// --- one past scene

function makePast({tip, select, inspector, mute, overrule}) {
  const picture = el('img', {alt: ''}), number = el('b', {}), prompt = el('p', {class: 'words', dir: 'auto'});
  const forget = makeSwitch('Forget', on => mute(past.scene, on));
  const node = el('article', {class: 'past'}, el('div', {class: 'thumb'}, picture),
    el('div', {class: 'said'}, el('header', {}, number, forget.node), prompt));
  let past = null;

  prompt.addEventListener('click', event => {
    const word = event.target.closest('[role=button].word');
    if (!word) return;
    tip.hide();                                          // the inspector says the same
    select(past.scene, past.pieces[word.dataset.at].start);
  });
  prompt.addEventListener('keydown', event => {
    const word = event.target.closest('[role=button].word'), how = {p: PINNED, m: MUTED, f: 'filter'}[event.key.toLowerCase()];
    if (!word) return;
    if (how && !event.ctrlKey && !event.metaKey && !event.altKey) { event.preventDefault(); overrule(past, past.pieces[word.dataset.at], how); }
    else if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); word.click(); }
    else rove(prompt, word, event);
  });
  tip.wire(prompt);

  function paint(next, view) {
    past = next;
    setText(number, `Scene ${past.number}`);
    setSource(picture, past.keyframe || '');
    forget.set(view.muted);
    setAttr(forget.input, 'aria-label', `Forget scene ${past.number}`);
    setAttr(node, 'data-kept', past.kept && !view.muted);
    setAttr(node, 'data-muted', view.muted);
    paintWords(prompt, past.pieces, each => kindOf(each, view.how(each), view.muted, past), view);
    const piece = past.pieces.find(each => each.start === view.chosen && each.content);
    if (piece) {
      if (inspector.node.parentNode !== node) node.append(inspector.node);
      inspector.paint(past, piece, view.how(piece), view.map(piece.start));
    } else if (inspector.node.parentNode === node) inspector.node.remove();
  }
  return {node, paint};
}

/** How a word looks, and why in words. */
function kindOf(piece, how, sceneMuted, past) {
  if (!piece.reason) return ['plain', ''];
  if (!piece.content) return ['plain', 'A function word: never remembered'];
  if (sceneMuted) return ['dropped', 'Dropped: the whole scene is forgotten'];
  if (how === PINNED) return ['kept pinned', 'Kept: you pinned it'];
  if (how === MUTED) return ['muted', 'Dropped: you muted it'];
  return [piece.kept ? 'kept' : 'dropped', describe(piece, past)];
}

/** Why a word was kept or dropped. Its mention is kept or dropped whole, for the sake of its closest word. */
function describe(piece, past) {
  const {kept, reason, matched, score} = piece, closest = closestOf(piece, past);
  if (kept && closest !== piece) return `Kept with ${quoted(closest.text)}: ${closest.reason}`;
  const match = matched ? `, matches ${quoted(matched)}` : '', told = /\d/.test(reason) || typeof score !== 'number';
  return `${kept ? 'Kept' : 'Dropped'}: ${reason}${match}${told ? '' : ` · similarity ${score.toFixed(2)}`}`;
}

function closestOf(piece, past) {
  const mention = past.pieces.filter(other => other.content && other.mention === piece.mention && typeof other.score === 'number');
  return mention.reduce((best, other) => (other.score > best.score ? other : best), piece);
}

/** Writes a prompt word by word. Elements stay as long as the words are the same; only their marks change. */
function paintWords(line, pieces, kindOf, view = null) {
  const text = pieces.map(piece => `${piece.text}\n${Boolean(piece.content)}`).join('\n');
  if (line.words !== text) {
    line.words = text;
    line.replaceChildren(...pieces.map((piece, at) => makeWord(piece, at, view)));
    const first = line.querySelector('[role=button]');
    if (first) first.tabIndex = 0;                       // one stop for Tab; the arrow keys go from word to word
  }
  pieces.forEach((piece, at) => {
    const node = line.children[at], [kind, reason] = kindOf(piece);
    setAttr(node, 'class', `word ${kind}`);
    setAttr(node, 'data-reason', reason);
    if (node.score !== piece.score) node.style.setProperty('--score', strength(piece.score));
    node.score = piece.score;
    if (!node.hasAttribute('role')) return;
    setAttr(node, 'aria-pressed', String(view.chosen === piece.start));
    setAttr(node, 'data-map', piece.kept && Boolean(view.map(piece.start)));
  });
}

const strength = score => (score === null || score === undefined ? 1 : Math.max(0, Math.min(1, (score - 0.4) / 0.6)));

function makeWord(piece, at, view) {
  if (!view || !piece.content) return el('span', {text: piece.text, 'data-at': at});
  return el('span', {role: 'button', tabindex: -1, text: piece.text, 'data-at': at}); // a real button would not break over lines
}

function rove(line, word, event) {
  const by = {ArrowRight: 1, ArrowLeft: -1}[event.key];
  if (!by) return;
  event.preventDefault();
  event.stopPropagation();
  const words = [...line.querySelectorAll('[role=button].word')], next = words[words.indexOf(word) + by];
  if (!next) return;
  words.forEach(other => { other.tabIndex = other === next ? 0 : -1; });
  next.focus();
}

// --- the chosen word

/** What is shown under the past scene whose word is chosen. */
function makeInspector(overrule) {
  const name = el('b', {dir: 'auto'}), reason = el('p', {class: 'reason'}), look = makeLook();
  const hint = el('p', {class: 'explain', text: 'No heat map: the chosen take did not remember this word.'});
  const choice = makeChoice('This word', [['filter', 'Filter decides'], [PINNED, 'Pin'], [MUTED, 'Mute']],
    how => overrule(past, piece, how));
  const node = el('div', {class: 'inspector'}, el('div', {class: 'about'}, name, reason, choice.node, hint), look.node);
  let past = null, piece = null;
  function paint(nextPast, nextPiece, how, map) {
    past = nextPast;
    piece = nextPiece;
    setText(name, quoted(piece.text));
    setText(reason, how === 'filter' ? describe(piece, past) : kindOf(piece, how, false, past)[1]);
    choice.set(how);
    setHidden(look.node, !map);
    setHidden(hint, Boolean(map));
    if (map) look.show(map, past.number);
  }
  return {node, paint};
}

// --- why, beside the word under the pointer or in focus

function makeTip() {
  const node = el('div', {class: 'tip', role: 'tooltip', id: newId('word-tip'), popover: 'manual'});
  let at = null;
  function hide() {
    at?.removeAttribute('aria-describedby');
    at = null;
    if (node.matches(':popover-open')) node.hidePopover();
  }
  function show(word) {
    if (word === at) return;
    hide();
    if (!word?.dataset.reason) return;
    at = word;
    setText(node, word.dataset.reason);
    node.showPopover();
    const box = word.getClientRects()[0], mine = node.getBoundingClientRect();
    const below = box.bottom + mine.height + 12 < innerHeight;
    node.style.left = `${Math.max(8, Math.min(box.left, innerWidth - mine.width - 8))}px`;
    node.style.top = `${below ? box.bottom + 6 : box.top - mine.height - 6}px`;
    word.setAttribute('aria-describedby', node.id);
  }
  function wire(line) {
    line.addEventListener('mouseover', event => show(event.target.closest('.word')));
    line.addEventListener('mouseleave', hide);
    line.addEventListener('focusin', event => { if (event.target.matches(':focus-visible')) show(event.target.closest('.word')); });
    line.addEventListener('focusout', hide);
    line.addEventListener('keydown', event => { if (event.key === 'Escape' && at) { event.stopPropagation(); hide(); } });
  }
  document.addEventListener('scroll', hide, {capture: true, passive: true});
  return {node, wire, hide};
}

function makeLegend() {
  const entries = [['kept', 'kept', 'the stronger the closer'], ['kept pinned', 'pinned', 'always kept'], ['dropped', 'dropped', 'not close enough'], ['muted', 'muted', 'never kept']];
  return el('div', {class: 'legend'}, el('ul', {}, ...entries.map(([kind, word, means]) =>
    el('li', {}, el('span', {class: `word ${kind}`, text: word}), ` ${means}`))),
    el('p', {class: 'explain', text: 'Choose a word to overrule the filter or to see where it was looked at. On a word, P pins, M mutes, F leaves it to the filter.'}));
}
