// The model picker: what there is, what each model needs, what this machine has, and one of the user's own.
import {el, makeDialog, setAttr, setHidden, setText, textButton} from './dom.js';

/** What is under way: "Loading CogVideoX 2B…", or how much of it is downloaded. */
export function comingWords({coming, share}) {
  return share === null ? `Loading ${coming}…` : `Downloading ${coming}, ${Math.floor(share * 100)}%`;
}

/** A dialog; the event 'opening' tells it that it is about to be shown. */
export function makeModels(store) {
  const list = el('ul', {class: 'model-list'}), machine = el('p', {class: 'hint'});
  const status = el('p', {class: 'model-status', role: 'status', hidden: true});
  const bar = el('progress', {max: 1, 'aria-label': 'How far the model is', hidden: true});
  const own = makeOwn(store.served, name => choose(name));
  const dialog = makeDialog('Model', 'models', machine, status, bar, list, own.node,
    el('p', {class: 'hint', text: 'With another model, scenes become stale: their takes stay, and fit again with the model that made them. '
      + 'Size, length and steps that were the former model\'s own become the new one\'s; undo takes that back.'}));
  let found = null, refused = '';

  async function look() {
    const name = store.state.model?.name;
    found = await store.call('models').catch(() => found);
    if (name !== store.state.model?.name) look();
    paint();
  }
  async function choose(name) {
    refused = '';
    await store.drained();
    try {
      const reply = await store.call('choose_model', {story: store.state.story.id, name, quiet: true});
      own.clear();
      store.acceptModel(reply.model);
      store.pollSoon();
    } catch (error) { refused = error.message; }
    paint();
  }
  function paint() {
    const {model} = store.state;
    if (!dialog.open || !model) return;
    if (found && found.name !== model.name) { found = {...found, name: model.name}; look(); }
    setText(machine, found ? `This machine: ${found.machine}.` : 'Looking at this machine…');
    const words = model.coming ? comingWords(model) : refused || model.error;
    setText(status, words);
    setHidden(status, !words);
    setAttr(status, 'data-kind', model.coming ? 'busy' : 'error');
    setHidden(bar, !model.coming);
    if (model.share === null) bar.removeAttribute('value');
    else bar.value = model.share;
    list.replaceChildren(...(found?.models || []).map(one => makeRow(one, model, choose)));
    own.enable(!model.coming);
  }
  dialog.addEventListener('opening', () => { refused = ''; look(); queueMicrotask(paint); });
  let drawn = '';
  store.on(() => {                                       // buttons keep the focus unless something changed
    const now = JSON.stringify(store.state.model);
    if (now === drawn) return;
    drawn = now;
    paint();
  });
  return dialog;
}

function makeRow(one, model, choose) {
  const current = one.name === model.name;
  const state = current ? 'In use' : one.here ? 'On this machine' : '';
  const [clip, ...needs] = one.needs, facts = one.needs.length > 1 ? needs : [clip];
  return el('li', {class: 'model', 'data-model': one.name, 'data-current': String(current)},
    el('div', {class: 'model-words'},
      el('h3', {}, el('span', {text: one.title}), state ? el('small', {class: 'model-state', text: state}) : null),
      one.needs.length > 1 ? el('p', {class: 'model-clip', text: clip}) : null,
      el('ul', {class: 'model-facts'}, ...facts.map(fact => el('li', {text: fact[0].toUpperCase() + fact.slice(1)}))),
      one.why_not ? el('p', {class: 'model-why', text: `It can't run here: ${one.why_not}.`}) : null),
    current || one.why_not ? null : textButton(one.here ? 'Use' : 'Download and use', {class: 'button',
      disabled: Boolean(model.coming), 'aria-label': `Use ${one.title}`, on: {click: () => choose(one.name)}}));
}

function makeOwn({most}, choose) {
  const input = el('input', {type: 'text', id: 'own-model', maxlength: most.model, autocomplete: 'off', spellcheck: 'false',
    placeholder: 'name/of-a-model, or /a/folder'});
  const use = textButton('Use', {class: 'button', type: 'submit', 'aria-label': 'Use this model of your own'});
  const node = el('form', {class: 'model-own'}, el('label', {for: 'own-model', text: 'Another one: a Hugging Face id, with @revision if you like, or a folder on this machine'}),
    el('div', {class: 'beside'}, input, use));
  node.addEventListener('submit', event => {
    event.preventDefault();
    if (input.value.trim()) choose(input.value.trim());
  });
  return {node, clear: () => { input.value = ''; }, enable: on => { use.disabled = !on; }};
}
