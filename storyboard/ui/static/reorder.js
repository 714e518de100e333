// Moves cards by mouse, pen and finger, with one code path for all. Nothing in the list changes before the card is let
// go: a ghost follows the pointer and a bar shows where the card would go, so the layout is read at most once a frame.

import {el, setHidden} from './dom.js';

const SLACK = 6, EDGE = 90, FASTEST = 22;               // pixels; the last is scrolled in one frame

export function makeReorder(list, move) {
  const ghost = el('div', {class: 'ghost', hidden: true, 'aria-hidden': 'true'});
  const bar = el('div', {class: 'drop-bar', hidden: true, 'aria-hidden': 'true'});
  let drag = null;

  function down(event) {
    const grip = event.target.closest('.grip'), shot = event.pointerType === 'mouse' && event.target.closest('.shot');
    const handle = grip || shot, slot = event.target.closest('.slot');
    if (!handle || !slot || event.button || drag) return;
    if (grip) event.preventDefault();                   // no selecting of text
    const x = event.clientX, y = event.clientY;
    drag = {slot, handle, pointer: event.pointerId, fromX: x, fromY: y, x, y,
      finger: event.pointerType === 'touch'};
    handle.setPointerCapture(event.pointerId);
  }

  function moved(event) {
    if (!drag || event.pointerId !== drag.pointer) return;
    Object.assign(drag, {x: event.clientX, y: event.clientY});
    if (!drag.active && Math.hypot(drag.x - drag.fromX, drag.y - drag.fromY) > SLACK) begin();
  }

  function begin() {
    drag.active = true;
    const shot = drag.slot.querySelector('.shot'), width = Math.min(shot.offsetWidth, 200);
    Object.assign(drag, {width, height: width * shot.offsetHeight / shot.offsetWidth});
    ghost.style.width = `${width}px`;
    const number = drag.slot.querySelector('.number').cloneNode(true);
    ghost.replaceChildren(shot.cloneNode(true), number);
    drag.slot.classList.add('dragging');
    document.documentElement.classList.add('tl-dragging');
    setHidden(ghost, false);
    setHidden(bar, false);
    requestAnimationFrame(frame);
  }

  function frame() {
    if (!drag?.active) return;
    const by = speed(drag.y);
    if (by) scrollBy(0, by);
    if (by || !drag.slots) measure();
    const {x, y} = drag, place = nearest(drag, x, y + scrollY);
    const [aside, below] = drag.finger ? [-drag.width / 2, -drag.height - 28] : [12, 12]; // not under the finger
    const left = inside(x + aside, innerWidth - drag.width), top = inside(y + below, innerHeight - drag.height);
    ghost.style.transform = `translate(${left}px, ${top}px)`;
    drag.index = place.index;
    Object.assign(bar.style, {width: `${place.width}px`, height: `${place.height}px`,
      transform: `translate(${place.x}px, ${place.y - scrollY}px)`});
    requestAnimationFrame(frame);
  }

  function measure() {                                  // in pixels of the page, which scrolling leaves as they are
    const top = scrollY;
    drag.slots = [...list.querySelectorAll('.slot')];
    drag.boxes = drag.slots.map(slot => {
      const {left, right, top: above, bottom} = slot.getBoundingClientRect();
      return {left, right, top: above + top, bottom: bottom + top};
    });
    drag.columns = columnsOf(list);
  }

  function end(event) {
    if (!drag || event.pointerId !== drag.pointer) return;
    const {active, index, slot} = drag, cancelled = event.type === 'pointercancel';
    stop();
    if (!active) return;
    addEventListener('click', swallow, {capture: true, once: true});
    setTimeout(() => removeEventListener('click', swallow, {capture: true}), 0);
    if (!cancelled && index !== undefined) move(slot.dataset.id, index);
  }

  function stop() {
    drag.slot.classList.remove('dragging');
    document.documentElement.classList.remove('tl-dragging');
    setHidden(ghost, true);
    setHidden(bar, true);
    drag = null;
  }

  const swallow = event => { event.stopPropagation(); event.preventDefault(); };
  list.addEventListener('pointerdown', down);
  addEventListener('pointermove', moved);
  addEventListener('pointerup', end);
  addEventListener('pointercancel', end);
  addEventListener('keydown', event => {
    if (event.key !== 'Escape' || !drag) return;
    event.preventDefault();
    stop();
  }, true);
  return [ghost, bar];
}

const inside = (place, last) => Math.max(8, Math.min(place, last - 8));

export const columnsOf = list => getComputedStyle(list).gridTemplateColumns.split(' ').length;

function speed(y) {                                     // pixels to scroll now: more, the closer to an edge
  const above = EDGE - y, below = y - (innerHeight - EDGE);
  if (above > 0) return -Math.ceil(Math.min(above / EDGE, 1) * FASTEST);
  return below > 0 ? Math.ceil(Math.min(below / EDGE, 1) * FASTEST) : 0;
}

// Where the card would go if let go at (x, y), and the bar that shows it.
function nearest({slots, boxes, columns, slot}, x, y) {
  const outside = (low, value, high) => Math.max(low - value, 0, value - high);
  const away = box => Math.hypot(outside(box.left, x, box.right), 3 * outside(box.top, y, box.bottom));
  let best = 0;
  boxes.forEach((box, i) => { if (away(box) < away(boxes[best])) best = i; });
  const box = boxes[best], side = columns > 1, half = 8;
  const after = side ? x > (box.left + box.right) / 2 : y > (box.top + box.bottom) / 2;
  const from = slots.indexOf(slot), gap = best + (after ? 1 : 0), index = gap > from ? gap - 1 : gap;
  const [width, height] = side ? [4, box.bottom - box.top] : [box.right - box.left, 4];
  const edge = (low, high) => (after ? high + half : low - half) - 2;
  const [left, top] = side ? [edge(box.left, box.right), box.top] : [box.left, edge(box.top, box.bottom)];
  return {index, width, height, x: left, y: top};
}
