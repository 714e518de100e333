// The number fields beside sliders: one that is left empty shows the number again that it had, and one in whole steps
// the step that is meant. See components/slider.py.

const last = new WeakMap(); // by field: its last number

// Before Gradio hears of it: an empty field would be taken for the least number.
export function keepNumbers() {
  for (const [event, hear] of Object.entries({focus: note, input: note, change: snap, blur: restore})) {
    document.addEventListener(event, heard => isField(heard.target) && hear(heard), true);
  }
}

const isField = node => node.matches?.('.tl input[type=number][data-testid=number-input]');

function note(event) {
  if (event.target.value) last.set(event.target, event.target.value);
  else if (event.type === 'input') event.stopImmediatePropagation();
}

function snap({target}) {
  if (!target.value || !target.closest('.whole-steps')) return;
  target.value = target.closest('.block').querySelector('input[type=range]').value;
  target.dispatchEvent(new Event('input', {bubbles: true}));
}

function restore({target}) {
  if (!target.value) target.value = last.get(target) ?? '';
}
