// A part of the scene's panel that has a script of its own: see components/part.py.

import {page} from './store.js';

const MAKERS = {
  viewer: () => import('./viewer.js').then(script => script.makeViewer),
  thread: () => import('./thread.js').then(script => script.makeThread),
};

export async function mount({element}, name) {
  const [make, store] = await Promise.all([MAKERS[name](), page.promise]),
    content = make(store);
  let seen = false;
  const paint = () => {
    const {story, selected, jobs} = store.state,
      scene = story?.scenes.find(({id}) => id === selected);
    const now = Boolean(scene) && element.isConnected && element.checkVisibility();
    if (seen && !now) content.hide?.();
    if (now && !seen) content.show?.();
    seen = now;
    if (now) content.paint(scene, jobs[selected]);
  };
  element.replaceChildren(content.node);
  new ResizeObserver(paint).observe(element); // its tab is turned to, or away
  store.on(paint);
  paint();
}
