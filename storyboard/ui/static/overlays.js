// What lies over the board is a modal dialog: see panels/overlay.py. The rest of the page can't be reached while it is
// there, Escape and a click beside it close it, and the focus goes back to where it was.

import {el, filled} from './dom.js';

export function watchOverlays(root) {
  const shade = el('div', {class: 'shade', hidden: true, click: () => close()});
  let open = null,
    before = null;
  const close = () => open?.querySelector('.close')?.click();
  const settle = () => {
    const now = [...root.children].find(node => node.classList.contains('overlay') && node.checkVisibility()) || null;
    if (now === open) return;
    const rest = [...root.children].filter(node => node !== now && node !== shade && !node.matches('.toasts, .spoken'));
    for (const node of rest) node.inert = Boolean(now);
    shade.hidden = !now;
    if (now) {
      before = document.activeElement;
      now.inert = false;
      const name = now.id.replace('over-', ''); // its heading is drawn later
      filled(now, {role: 'dialog', 'aria-modal': 'true', 'aria-label': name, tabindex: -1});
      now.focus({preventScroll: true});
    } else before?.focus({preventScroll: true});
    open = now;
  };
  root.append(shade);
  new MutationObserver(settle).observe(root, {childList: true, attributeFilter: ['class', 'style']});
  document.addEventListener('keydown', event => {
    // not of the root: what had the focus may be gone, with its toast
    if (event.key !== 'Escape' || !open || event.defaultPrevented) return;
    event.preventDefault();
    close();
  });
  return () => Boolean(open);
}
