// Prompts of earlier scenes, word by word: see components/remembers.py.
import {beside, el, setAttr, setHidden, setSource, setText} from './dom.js';
import {makeLook} from './heat.js';
import {keyed, newId, quoted} from './parts.js';

const HOW = {p: 'pinned', m: 'muted', f: 'filter'};
const CHOICES = {filter: 'Filter decides', pinned: 'Pin', muted: 'Mute'};
const within = past => past.entry ? `${past.entry} of the cast` : past.number ? `scene ${past.number}`
  : past.own;
const nameOf = past => past.entry ? within(past) : within(past).replace(/^./, first => first.toUpperCase());

export function mount({element, props, watch, trigger}, ruled, forgot) {
  const list = el('div', {class: 'pasts'}), tip = makeTip(), cards = new WeakMap();
  const rule = (scene, start, how) => trigger(ruled, {scene, start, how});
  const inspector = makeInspector(rule);
  let chosen = null;                                     // {scene, start} of a word
  const select = (scene, start) => {
    chosen = chosen?.scene === scene && chosen.start === start ? null : {scene, start};
    paint();
  };
  const make = past => {
    const card = makePast(past.scene, {tip, select, inspector, rule, forget: (scene, on) =>
      trigger(forgot, {scene, on})});
    cards.set(card.node, card);
    return card.node;
  };
  function paint() {
    keyed(list, props.value || [], past => past.scene, make,
      (node, past) => cards.get(node).paint(past, chosen?.scene === past.scene ? chosen.start : null));
    tip.renew();
  }
  element.replaceChildren(list, tip.node);
  watch('value', paint);
  paint();
}

// --- one past scene

function makePast(id, {tip, select, inspector, rule, forget}) {
  const picture = el('img', {alt: ''}), number = el('b', {}), prompt = el('p', {class: 'words', dir: 'auto'});
  const forgotten = el('input', {type: 'checkbox', role: 'switch', change: () => forget(id, forgotten.checked)});
  const node = el('article', {class: 'past'}, el('div', {class: 'thumb'}, picture),
    el('div', {class: 'said'}, el('header', {}, number,
      el('label', {class: 'switch'}, forgotten, 'Forget')), prompt));
  let past = null;
  const wordAt = event => event.target.closest('[role=button].word');

  prompt.addEventListener('click', event => {
    const word = wordAt(event);
    if (!word) return;
    tip.hide();                                          // the inspector says the same
    select(id, past.words[word.dataset.at].start);
  });
  prompt.addEventListener('keydown', event => {
    const word = wordAt(event), how = HOW[event.key.toLowerCase()];
    if (!word) return;
    if (how && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      rule(id, past.words[word.dataset.at].start, how);
    }
    else if (event.key === 'Enter' || event.key === ' ') { event.preventDefault(); word.click(); }
    else rove(prompt, event);
  });
  tip.wire(prompt);

  function paint(next, chosen) {
    past = next;
    setText(number, nameOf(past));
    setSource(picture, past.picture || '');
    forgotten.checked = past.forgotten;
    setAttr(forgotten, 'aria-label', `Forget ${within(past)}`);
    setAttr(node, 'data-kept', past.kept);
    setAttr(node, 'data-muted', past.forgotten);
    paintWords(prompt, past, chosen);
    const word = chosen === null ? null : past.words.find(each => each.start === chosen);
    if (word) {
      if (inspector.node.parentNode !== node) node.append(inspector.node);
      inspector.paint(past, word);
    } else if (inspector.node.parentNode === node) inspector.node.remove();
  }
  return {node, paint};
}

/** Writes a prompt word by word. Elements stay as long as the words are the same; only their marks change. */
function paintWords(line, past, chosen) {
  const text = past.words.map(word => `${word.text}\n${word.start}`).join('\n');
  if (line.words !== text) {
    line.words = text;
    line.replaceChildren(...past.words.map((word, at) =>
      el('span', word.start === null ? {text: word.text, 'data-at': at}
      : {role: 'button', tabindex: -1, text: word.text, 'data-at': at}))); // a real button would not break over lines
    const first = line.querySelector('[role=button]');
    if (first) first.tabIndex = 0;                       // one stop for Tab; the arrow keys go from word to word
  }
  past.words.forEach((word, at) => {
    const node = line.children[at];
    setAttr(node, 'class', `word ${word.kind}`);
    setAttr(node, 'data-reason', word.why);
    node.style.setProperty('--score', word.strength);
    if (word.start === null) return;
    setAttr(node, 'aria-pressed', String(chosen === word.start));
    setAttr(node, 'data-map', word.kind.startsWith('kept') && word.start in past.maps);
  });
}

function rove(line, event) {
  const words = [...line.querySelectorAll('[role=button].word')], next = words[beside(event, words)];
  if (!next) return;
  for (const other of words) other.tabIndex = other === next ? 0 : -1;
  next.focus();
}

// --- the chosen word

/** What is shown under the past scene whose word is chosen. */
function makeInspector(rule) {
  const name = el('b', {dir: 'auto'}), reason = el('p', {class: 'reason'}), look = makeLook();
  const hint = el('p', {class: 'explain', text: 'No heat map: the chosen take did not remember this word.'});
  const group = newId('choice'), radios = Object.entries(CHOICES).map(([value, text]) => el('label', {},
    el('input', {type: 'radio', name: group, value, change: () => rule(past.scene, word.start, value)}), text));
  const choice = el('fieldset', {class: 'segments', 'aria-label': 'This word'}, ...radios);
  const node = el('div', {class: 'inspector'}, el('div', {class: 'about'}, name, reason, choice, hint), look.node);
  let past = null, word = null;
  function paint(nextPast, nextWord) {
    past = nextPast;
    word = nextWord;
    const map = past.maps[word.start];
    setText(name, quoted(word.text));
    setText(reason, word.why);
    for (const {firstChild: radio} of radios) radio.checked = radio.value === word.how;
    setHidden(look.node, !map);
    setHidden(hint, Boolean(map));
    if (map) look.show(map, nameOf(past), within(past));
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
    renew();
    node.showPopover();
    const boxes = [...word.getClientRects()], last = boxes.at(-1), mine = node.getBoundingClientRect();
    // never over the word, also where that is two lines long
    const below = last.bottom + mine.height + 12 < innerHeight;
    node.style.left = `${Math.max(8, Math.min(boxes[0].left, innerWidth - mine.width - 8))}px`;
    node.style.top = `${below ? last.bottom + 6 : boxes[0].top - mine.height - 6}px`;
    word.setAttribute('aria-describedby', node.id);
  }
  function renew() {                                     // what is said may have changed under the pointer
    if (at && !at.isConnected) hide();
    else if (at) setText(node, at.dataset.reason);
  }
  function wire(line) {
    line.addEventListener('mouseover', event => show(event.target.closest('.word')));
    line.addEventListener('mouseleave', hide);
    line.addEventListener('focusin', event => {
      if (event.target.matches(':focus-visible')) show(event.target.closest('.word'));
    });
    line.addEventListener('focusout', hide);
    line.addEventListener('keydown', event => {
      if (event.key === 'Escape' && at) { event.stopPropagation(); hide(); }
    });
  }
  document.addEventListener('scroll', hide, {capture: true, passive: true});
  return {node, wire, hide, renew};
}
