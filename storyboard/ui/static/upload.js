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
export const base64 = async file => new Uint8Array(await file.arrayBuffer()).toBase64();
