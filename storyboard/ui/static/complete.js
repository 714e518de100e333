// Names of the cast and of the story's people, offered under a prompt while one is being typed.
import {el, setAttr} from './dom.js';

const MOST = 6,
  LETTER = /[\p{L}\p{N}]/u;

/** The names that the text before a caret may be the beginning of: [{name, length}], length of what is there of it. */
export function begun(before, names) {
  const found = [];
  for (const name of names) {
    const article = /^(\p{Ll}{1,3}) /u.exec(name)?.[0].length || 0; // "the" alone begins no name
    for (let length = Math.min(name.length - 1, before.length); length > article; length--) {
      const typed = before.slice(-length);
      if (typed.toLowerCase() !== name.slice(0, length).toLowerCase() || LETTER.test(before.at(-length - 1) || ''))
        continue;
      if (length > 1 || typed > '\u2e80') found.push({name, length}); // one letter is much in scripts of many
      break;
    }
  }
  return found.slice(0, MOST);
}

/** Offers `names()` in a prompt: arrows choose, Enter and Tab take, Escape sends away. */
export function offerNames(area, names) {
  const list = el('div', {class: 'menu names', role: 'listbox', popover: 'manual', 'aria-label': 'Names'});
  let found = [],
    at = 0,
    composing = false;

  const close = () => {
    found = [];
    if (list.isConnected) list.remove();
    setAttr(area, 'aria-activedescendant', null);
  };
  function mark(next) {
    at = (next + found.length) % found.length;
    for (const [i, option] of [...list.children].entries()) setAttr(option, 'aria-selected', String(i === at));
    setAttr(area, 'aria-activedescendant', list.children[at].id);
  }
  function take(index) {
    const {name, length} = found[index],
      end = area.selectionEnd,
      same = area.value.slice(end - length, end) === name.slice(0, length); // then undo leaves nothing selected
    area.focus();
    if (!same) area.setSelectionRange(end - length, end);
    document.execCommand('insertText', false, same ? name.slice(length) : name); // the only way that undo knows of
    close();
  }
  function look() {
    close();
    const {selectionStart, selectionEnd, value} = area;
    if (composing || selectionStart !== selectionEnd || LETTER.test(value[selectionEnd] || '')) return;
    found = begun(value.slice(0, selectionEnd), names());
    if (!found.length) return;
    list.replaceChildren(
      ...found.map(({name}, i) =>
        el('div', {class: 'button menu-item', role: 'option', id: `name-${i}`, text: name, click: () => take(i)}),
      ),
    );
    area.closest('.tl').append(list);
    list.showPopover({source: area});
    mark(0);
  }
  const keys = {
    ArrowDown: () => mark(at + 1),
    ArrowUp: () => mark(at - 1),
    Enter: () => take(at),
    Tab: () => take(at),
    Escape: close,
  };
  list.addEventListener('pointerdown', event => event.preventDefault()); // the prompt keeps the focus
  area.addEventListener('compositionstart', () => {
    composing = true;
    close();
  });
  area.addEventListener('compositionend', () => {
    composing = false;
  });
  area.addEventListener('input', event =>
    event.isTrusted && event.inputType?.startsWith('insert') ? look() : close(),
  );
  area.addEventListener('blur', close);
  area.addEventListener('keydown', event => {
    if (!found.length || event.isComposing || event.shiftKey || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = keys[event.key];
    if (!act) return event.key.length > 1 && event.key !== 'Backspace' && close(); // the caret is elsewhere
    event.preventDefault();
    event.stopPropagation();
    act();
  });
  setAttr(area, 'aria-autocomplete', 'list');
}

/** All names of a story: those of its cast, then of whoever its prompts name. */
export function namesOf({story, standing}) {
  const cast = story.cast.flatMap(entry => [entry.name, ...entry.others]);
  const people = Object.values(standing?.scenes || {}).flatMap(scene => scene.who.map(one => one.name));
  return [...new Set([...cast, ...people])];
}
