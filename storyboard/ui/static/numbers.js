// The number fields beside sliders: one that is left empty shows the number again that it had, and one in whole steps
// the step that is meant. See components/slider.py.

const last = new WeakMap();                             // by field

const isField = node => node.matches?.('.tl input[type=number][data-testid=number-input]');

// Before Gradio hears of it: an empty field would be taken for the least number.
export function keepNumbers() {
  const note = event => {
    const field = event.target;
    if (!isField(field)) return;
    if (field.value) last.set(field, field.value);
    else if (event.type === 'input') event.stopImmediatePropagation();
  };
  document.addEventListener('focus', note, true);
  document.addEventListener('input', note, true);
  document.addEventListener('change', ({target}) => {
    if (!isField(target) || !target.value || !target.closest('.whole-steps')) return;
    target.value = target.closest('.block').querySelector('input[type=range]').value;
    target.dispatchEvent(new Event('input', {bubbles: true}));
  }, true);
  document.addEventListener('blur', ({target}) => {
    if (isField(target) && !target.value) target.value = last.get(target) ?? '';
  }, true);
}
