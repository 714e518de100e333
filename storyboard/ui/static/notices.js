// What was repaired or set aside when the app started, above the storyboard until it is dismissed.

import {el, iconButton, read, setHidden, write} from './dom.js';

const KEY = 'throughline-dismissed',
  KEPT = 50;

export function makeNotices(store) {
  const box = el('div', {class: 'notices', role: 'region', 'aria-label': 'Notices', hidden: true}),
    shown = new Set();
  const dismiss = (text, node) => {
    node.remove();
    setHidden(box, !box.childElementCount);
    write(KEY, [...dismissed(), text].slice(-KEPT));
  };
  const load = async () => {
    const {notices} = await store.ask('notices').catch(() => ({notices: []}));
    const known = dismissed();
    for (const text of notices.filter(text => !shown.has(text) && !known.includes(text))) {
      shown.add(text);
      const node = el(
        'p',
        {class: 'notice', role: 'status'},
        el('span', {text, dir: 'auto'}),
        iconButton('close', 'Dismiss the notice', {click: () => dismiss(text, node)}),
      );
      box.append(node);
    }
    setHidden(box, !box.childElementCount);
  };
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) load();
  }); // files are checked for long
  load();
  return box;
}

const dismissed = () => [].concat(read(KEY, []));
