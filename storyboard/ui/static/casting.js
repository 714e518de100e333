// A picture that is dropped on a name of a card, or on a card of the Cast dialog, is a picture of that entry.

import {ask} from './parts.js';
import {base64} from './upload.js';

const PLACES = '.who li, .cast-list .thumbnail-item';
const BRINGS = ['Files', 'text/uri-list'];

export function takePictures(root, store) {
  let over = null;
  const mark = place => {
    over?.removeAttribute('data-over');
    over = place || null;
    over?.setAttribute('data-over', '');
  };
  const placeOf = ({target, dataTransfer}) =>
    BRINGS.some(kind => dataTransfer?.types.includes(kind)) && target.closest(PLACES);
  root.addEventListener('dragover', event => {
    mark(placeOf(event));
    if (over) event.preventDefault();
  });
  root.addEventListener('dragleave', () => mark(null));
  root.addEventListener('drop', drop, {capture: true}); // the board would make a scene of it

  async function drop(event) {
    const place = placeOf(event);
    mark(null);
    if (!place) return;
    event.preventDefault();
    event.stopPropagation();
    const name = place.textContent.trim().split(' · ')[0]; // of a card of the dialog, with more about it
    const picture = event.dataTransfer.files[0] || (await taken(event.dataTransfer.getData('text/uri-list')));
    const {megabytes} = store.served.most;
    if (!picture?.type.startsWith('image/')) return store.hear({error: `For ${name}: expected a picture.`});
    if (picture.size > megabytes * 1e6) return store.hear({error: `For ${name}: expected at most ${megabytes} MB.`});
    const given = {entry: name, data: await base64(picture), name: picture.name || 'a take.png'};
    if (await ask(store, 'cast_picture', given)) store.hear({note: `A picture of ${name}.`, undo: true});
  }
}

/** A picture of this page, such as a take in the panel; null for one of another page. */
async function taken(url) {
  return url.startsWith(new URL('media/', document.baseURI).href) ? (await fetch(url)).blob() : null;
}
