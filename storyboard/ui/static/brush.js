// A picture that is painted over: see components/brush.py.

import {el, setSource} from './dom.js';

const STEP = 0.5; // between two points of a stroke, of the brush's radius

export function mount({element, props, watch, trigger}, painted, most) {
  const image = el('img', {alt: 'The chosen take, to be painted over', draggable: 'false', load: () => draw()});
  const canvas = el('canvas', {
    pointerdown: begin,
    pointermove: event => last && add(event),
    pointerup: end,
    pointercancel: end,
  });
  const node = el('div', {class: 'brush'}, image, canvas);
  let points = [],
    of = null,
    last = null;
  element.replaceChildren(node);

  function begin(event) {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    add(event);
  }

  function end() {
    if (last) trigger(painted, {of, points: [...points]});
    last = null;
  }

  function add(event) {
    const box = canvas.getBoundingClientRect(),
      {radius} = props.value,
      [x, y] = last || [0, 0];
    const across = share(event.clientX - box.left, box.width),
      down = share(event.clientY - box.top, box.height);
    const far = Math.hypot(((across - x) * box.width) / box.height, down - y);
    const steps = last ? Math.floor(far / (STEP * radius)) : 1;
    for (let i = 1; i <= steps && points.length < most; i++) {
      const part = last ? i / steps : 1;
      points.push([x + (across - x) * part, y + (down - y) * part, radius].map(value => Number(value.toFixed(4))));
    }
    if (steps) last = [across, down];
    draw();
  }

  function draw() {
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d');
    context.fillStyle = getComputedStyle(canvas).color;
    for (const [alpha, strokes] of Object.entries({0.3: props.value?.kept || [], 0.55: points})) {
      context.globalAlpha = alpha;
      context.beginPath();
      for (const [x, y, radius] of strokes) {
        context.moveTo(x * canvas.width + radius * canvas.height, y * canvas.height);
        context.arc(x * canvas.width, y * canvas.height, radius * canvas.height, 0, 2 * Math.PI);
      }
      context.fill();
    }
  }

  function paint() {
    const told = props.value;
    node.hidden = !told;
    if (!told) return;
    if (told.of !== of) [of, points, last] = [told.of, [...told.points], null];
    setSource(image, told.picture);
    node.dataset.radius = told.radius;
    draw();
  }
  watch('value', paint);
  paint();
}

const share = (at, of) => Math.min(1, Math.max(0, at / of));
