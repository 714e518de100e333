// Small tools for building the page. Text always goes in as text, never as markup.

const SHAPES = {
  add: 'M12 5v14M5 12h14',
  book: 'M4 5.5A1.5 1.5 0 0 1 5.5 4H11v16H5.5A1.5 1.5 0 0 1 4 18.5zM20 5.5A1.5 1.5 0 0 0 18.5 4H13v16h5.5'
    + 'a1.5 1.5 0 0 0 1.5-1.5z',
  bottom: 'M6 9l6 6 6-6',
  check: 'M5 12.5l4.5 4.5L19 7.5',
  clock: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 8v4.5l3 1.8',
  close: 'M6 6l12 12M18 6L6 18',
  copy: 'M9 9h10v10H9zM15 9V5H5v10h4',
  earlier: 'M19 12H5M11 6l-6 6 6 6',
  eye: 'M2.5 12c2-3.7 5.5-6 9.5-6s7.5 2.3 9.5 6c-2 3.7-5.5 6-9.5 6s-7.5-2.3-9.5-6z'
    + 'M12 9.2a2.8 2.8 0 1 0 0 5.6 2.8 2.8 0 0 0 0-5.6z',
  fail: 'M12 3.5L21 19.5H3zM12 10v4.5M12 17v.3',
  film: 'M4 5h16v14H4zM8 5v14M16 5v14M4 9.7h4M4 14.3h4M16 9.7h4M16 14.3h4',
  grip: 'M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01',
  hourglass: 'M7 4h10M7 20h10M8 4c0 5 8 5 8 0M8 20c0-9 8-9 8 0M8 4c0 4 2.5 5.5 4 8M16 4c0 4-2.5 5.5-4 8',
  import: 'M12 15V4M7.5 8.5L12 4l4.5 4.5M5 19h14',
  info: 'M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17zM12 11v5M12 8v.2',
  large: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  later: 'M5 12h14M13 6l6 6-6 6',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3',
  unlock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 6.8-1.2',
  more: 'M6 12h.01M12 12h.01M18 12h.01',
  next: 'M17 5.5v13M6 5.5v13l8-6.5z',
  pause: 'M8 5.5v13M16 5.5v13',
  pencil: 'M5 19l1-4L16.5 4.5l3 3L9 18z',
  play: 'M8 5.5v13l10.5-6.5z',
  previous: 'M7 5.5v13M18 5.5v13l-8-6.5z',
  settings: 'M5 8h8M17 8h2M5 16h2M11 16h8M15 5.5v5M9 13.5v5',
  stale: 'M20 12a8 8 0 1 1-2.5-5.8M20 4v4.5h-4.5',
  stop: 'M7 7h10v10H7z',
  thread: 'M2 15c4-9 7-8 10-3s6 6 10-3',
  trash: 'M5 7h14M10 7V4.5h4V7M7 7l1 12.5h8L17 7M10.5 10.5v5.5M13.5 10.5v5.5',
};
const SVG = 'http://www.w3.org/2000/svg';

// A node. `text` is its text, functions are listeners, null and false attributes are left out, true ones are empty.
export const el = (tag, attributes, ...children) => filled(document.createElement(tag), attributes, children);
export const shape = (tag, attributes, ...children) => filled(document.createElementNS(SVG, tag), attributes, children);

export function filled(node, attributes = {}, children = []) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name === 'text') node.textContent = value;
    else if (typeof value === 'function') node.addEventListener(name, value);
    else if ((value ?? false) !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter(Boolean));
  return node;
}

export const icon = name => shape('svg', {viewBox: '0 0 24 24', 'aria-hidden': 'true', class: 'glyph'},
  shape('path', {d: SHAPES[name]}));

export function setIcon(svg, name) {
  setAttr(svg.firstChild, 'd', SHAPES[name]);
}

// A button of one icon, named for screen readers and by a tooltip.
export function iconButton(name, label, attributes = {}) {
  return el('button', {type: 'button', class: 'icon-button', 'aria-label': label, title: label, ...attributes},
    icon(name));
}

// A button of words, with an icon before them if one is named.
export function textButton(label, attributes = {}, iconName = '') {
  return el('button', {type: 'button', class: 'button', ...attributes}, iconName && icon(iconName),
    el('span', {text: label}));
}

export function setLabel(button, label) {
  setAttr(button, 'aria-label', label);
  setAttr(button, 'title', label);
}

// The setters write only what differs, so that painting again what is there costs no layout.
export const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
export const setHidden = (node, hidden) => { if (node.hidden !== hidden) node.hidden = hidden; };
export function setAttr(node, name, value) {
  if ((value ?? false) === false) { if (node.hasAttribute(name)) node.removeAttribute(name); }
  else if (node.getAttribute(name) !== String(value)) node.setAttribute(name, value);
}
export const setSource = (image, url) => setAttr(image, 'src', url || null);

// A moving picture of a scene that is being made. seconds: how many of it are finished, 0 for an estimate. What is
// finished plays to its end before a longer one takes its place.
export function setGrowing(image, url, seconds) {
  const before = image.growing || {url: '', seconds: 0, since: 0};
  if (url === (image.coming?.url ?? before.url)) return;
  clearTimeout(image.coming?.timer);
  image.coming = null;
  const show = () => {
    image.coming = null;
    image.growing = {url, seconds, since: performance.now()};
    setSource(image, url);
  };
  const length = 1000 * before.seconds;
  if (!(length && seconds > before.seconds)) { show(); return; }
  image.coming = {url, timer: setTimeout(show, length - (performance.now() - before.since) % length)};
}

// How far a job that runs is, in words: in seconds, if some are finished before others.
export const howFar = ({step, total, seconds, lasts}) => lasts
  ? `${Math.round(seconds)} of ${Math.round(lasts)} s finished` : `Step ${step} of ${total}`;

// Text with *words* between asterisks in italics, as nodes.
function marked(text) {
  return text.split(/\*([^*]+)\*/).map((part, i) => i % 2 ? el('em', {text: part, dir: 'auto'})
    : document.createTextNode(part));
}
export const plain = text => text.replace(/\*([^*]+)\*/g, '$1');
export function setMarked(node, text) {
  if (node.marked === text) return;
  node.marked = text;
  node.replaceChildren(...marked(text));
}

// One menu for many buttons. items: [{label, icon, act, disabled}].
export function openMenu(menu, button, items) {
  menu.replaceChildren(...items.map(item => textButton(item.label, {
    class: 'button menu-item', role: 'menuitem', disabled: item.disabled,
    click: () => { menu.hidePopover(); item.act(); },
  }, item.icon)));
  menu.showPopover({source: button});                   // at which the styles place it
  menu.querySelector('button:not([disabled])')?.focus();
}

export function makeMenu() {
  const menu = el('div', {class: 'menu', role: 'menu', popover: 'auto', keydown: event => {
    const items = [...menu.querySelectorAll('button:not([disabled])')];
    const at = beside(event, items, {ArrowDown: 1, ArrowUp: -1});
    if (at !== null) items.at(at % items.length)?.focus();
  }});
  return menu;
}

// The place among `nodes` to which an arrow key goes from the one in focus, null for any other key.
export function beside(event, nodes, keys = {ArrowRight: 1, ArrowLeft: -1}) {
  if (!(event.key in keys)) return null;
  event.preventDefault();
  event.stopPropagation();
  return nodes.indexOf(document.activeElement) + keys[event.key];
}

const TYPED = 'input:not([type=range]):not([type=checkbox]), textarea, select, [contenteditable=true]';
export const isTyping = target => Boolean(target.closest?.(TYPED));
export const calm = () => matchMedia('(prefers-reduced-motion: reduce)').matches || isStill();

// localStorage may be forbidden (a frame with third-party storage blocked): then things last as long as the page.
const kept = {};
export function keep(key, value) {
  try { localStorage.setItem(key, value); } catch { kept[key] = value; }
}
export function recall(key) {
  try { return kept[key] ?? localStorage.getItem(key); } catch { return null; }
}
// The same for what is no text.
export const write = (key, value) => keep(key, JSON.stringify(value));
export function read(key, without) {
  try { return JSON.parse(recall(key)) || without; } catch { return without; }
}

// The switch in the header that pauses what moves by itself.
const STILL = 'throughline-still';
let still = recall(STILL) === 'yes';
export const isStill = () => still;
export function setStill(on) {
  still = on;
  keep(STILL, on ? 'yes' : 'no');
}
export const narrow = () => matchMedia('(max-width: 899px)').matches;
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? '' : 's'}`;

// Seconds in words, after "about".
export function duration(seconds) {
  if (seconds < 1.5) return 'a second';
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

export const randomHex = bytes =>
  Array.from(crypto.getRandomValues(new Uint8Array(bytes)), byte => byte.toString(16).padStart(2, '0')).join('');
