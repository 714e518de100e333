// Small tools for building the page. Text always goes in as text, never as markup.

// Signs are symbols of one picture, so that a page has them all at once.
const SIGNS = new URL('signs/all.svg', import.meta.url).href;
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

export const icon = name => shape('svg', {'aria-hidden': 'true', class: 'glyph'},
  shape('use', {href: `${SIGNS}#${name}`}));
export const setIcon = (svg, name) => setAttr(svg.firstChild, 'href', `${SIGNS}#${name}`);

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
