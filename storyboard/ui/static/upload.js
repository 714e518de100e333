// A button that reads a file: see components/upload.py.

import {el, textButton} from './dom.js';
import {page} from './store.js';

export function mount({element, trigger}, picked, label, accept, megabytes) {
  const file = el('input', {type: 'file', accept, hidden: true, 'aria-label': label, change: () => read()});
  const button = textButton(label, {class: 'button', click: () => file.click()}, 'import');
  element.replaceChildren(button, file);

  async function read() {
    const [chosen] = file.files,
      store = await page.promise;
    if (!chosen) return;
    if (chosen.size > megabytes * 1e6) {
      const size = (chosen.size / 1e6).toFixed(1);
      store.notify(`${chosen.name} has ${size} MB: expected at most ${megabytes} MB.`, {kind: 'error'});
    } else {
      await store.drained();
      trigger(picked, {name: chosen.name, kind: chosen.type, data: await base64(chosen)});
    }
    file.value = '';
  }
}

/** Its content. Rejects for a file that can't be read. */
export async function base64(file) {
  const bytes = new Uint8Array(await file.arrayBuffer()),
    parts = [];
  for (let at = 0; at < bytes.length; at += 0x8000) parts.push(String.fromCharCode(...bytes.subarray(at, at + 0x8000)));
  return btoa(parts.join(''));
}
