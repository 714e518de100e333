// What an edit does to the story on the page until the server's answer is there: edits.py, as far as it can be seen.
// Each is a pure function, and the second time it changes nothing: the answer may hold the edit already.

const OPS = {
  edit_story: (story, op) => ({...story, ...op.changes}),
  add_scene: (story, op, fresh) => inserted(story, op.index ?? story.scenes.length, newScene(story, op, fresh)),
  duplicate_scene(story, op) {
    const place = indexOf(story, op.scene);
    if (place < 0) return story;
    const scene = story.scenes[place], take = scene.takes.find(other => other.id === scene.chosen), id = op.copy_id;
    const about = word => word.scene === op.scene ? {...word, scene: id} : word;
    return inserted(story, place + 1, {...scene, id, locked: false, takes: take ? [{...take, id, fresh: false}] : [],
      chosen: take ? id : null, pins: scene.pins.map(about), mutes: scene.mutes.map(about),
      muted_scenes: scene.muted_scenes.map(other => other === op.scene ? id : other)});
  },
  remove_scene: (story, op) => ({...story, scenes: story.scenes.filter(scene => scene.id !== op.scene)
    .map(scene => forgetting(scene, op.scene))}),
  move_scene(story, op) {
    const scene = sceneOf(story, op.scene), scenes = story.scenes.filter(other => other !== scene);
    if (!scene) return story;
    scenes.splice(op.index, 0, scene);
    return {...story, scenes};
  },
  edit_scene: (story, op) => withScene(story, op.scene, scene =>
    ({...merged(scene, op.changes), keep: kept(scene, op.changes.prompt)})),
  keep_rest: (story, op) => withScene(story, op.scene, scene => {
    const keep = scene.keep ?? former(scene);
    return keep && keep.prompt !== scene.prompt && scene.prompt.trim()
      ? {...scene, keep: {...keep, on: op.on ?? true}} : scene;
  }),
  remove_scene_picture: (story, op) => withScene(story, op.scene, scene => ({...scene, [`${op.which}_picture`]: null})),
  edit_film: (story, op) => ({...story, film: deeply(story.film, op.changes)}),
  edit_shot: (story, op) => withScene(story, op.scene, scene => ({...scene, shot: deeply(scene.shot, op.changes)})),
  pin_word: (story, op) => override(story, op, 'pins'),
  mute_word: (story, op) => override(story, op, 'mutes'),
  release_word: (story, op) => override(story, op, ''),
  mute_scene: (story, op) => withScene(story, op.scene, scene => {
    const muted_scenes = op.on ?? true ? including(scene.muted_scenes, op.muted)
      : scene.muted_scenes.filter(id => id !== op.muted);
    return {...scene, muted_scenes};
  }),
  choose_take: (story, op) => withScene(story, op.scene, scene => {
    const take = scene.takes.find(other => other.id === op.take);
    return {...scene, chosen: op.take, keyframe: take ? take.keyframe : null};
  }),
  remove_take: (story, op) => withScene(story, op.scene, scene => {
    const takes = scene.takes.filter(take => take.id !== op.take);
    if (scene.chosen !== op.take) return {...scene, takes};
    const instead = takes.at(-1);
    return {...scene, takes, chosen: instead?.id ?? null, keyframe: instead?.keyframe ?? null};
  }),
};

// `fresh`: a new scene of an empty story, as the server makes it.
export const apply = (story, op, fresh) => OPS[op.do] ? OPS[op.do](story, op, fresh) : story;
export const known = Object.keys(OPS);
export const indexOf = (story, id) => story.scenes.findIndex(scene => scene.id === id);
export const sceneOf = (story, id) => story?.scenes.find(scene => scene.id === id);

// What a scene with other words was before: keeping.py. `on` is as if nothing that the take remembers had changed
// since.
function kept(scene, prompt) {
  if (prompt === undefined || prompt === scene.prompt) return scene.keep;
  const same = scene.takes.findLast(take => take.prompt === prompt);
  if (same) return same.keep;
  const shown = chosenOf(scene);
  return !shown || (scene.keep && shown.prompt !== scene.prompt) ? scene.keep : former(scene);
}

function former(scene) {
  const take = chosenOf(scene);
  return take && take.prompt !== null ? {take: take.id, prompt: take.prompt, keyframe: scene.keyframe, on: null} : null;
}

const chosenOf = scene => scene.takes.find(take => take.id === scene.chosen);

// `changes` over `value`; guidance and seam may be given in part.
export function merged(value, changes) {
  const out = {...value, ...changes};
  for (const part of ['guidance', 'seam']) if (changes[part]) out[part] = {...value[part], ...changes[part]};
  return out;
}

// The same at any depth: cards, their seams, music and voices may be given in part.
function deeply(value, changes = {}) {
  const isPart = part => part !== null && typeof part === 'object';
  const parts = Object.entries(changes).map(([name, part]) =>
    [name, isPart(part) && isPart(value[name]) ? deeply(value[name], part) : part]);
  return {...value, ...Object.fromEntries(parts)};
}

function withScene(story, id, change) {
  return {...story, scenes: story.scenes.map(scene => scene.id === id ? change(scene) : scene)};
}

function inserted(story, place, scene) {
  if (sceneOf(story, scene.id)) return story;
  return {...story, scenes: [...story.scenes.slice(0, place), scene, ...story.scenes.slice(place)]};
}

function newScene(story, op, fresh) {
  const like = story.scenes[Math.max(0, (op.index ?? story.scenes.length) - 1)];
  const settings = like ? {guidance: like.guidance, steps: like.steps, num_frames: like.num_frames,
    seed: (Math.max(...story.scenes.map(scene => scene.seed)) + 1) % (Number.MAX_SAFE_INTEGER + 1)} : {};
  return merged({...fresh, ...settings}, op.fields);
}

function forgetting(scene, gone) {
  const [pins, mutes] = ['pins', 'mutes'].map(name => scene[name].filter(word => word.scene !== gone));
  return {...scene, pins, mutes, muted_scenes: scene.muted_scenes.filter(id => id !== gone)};
}

const sameWord = (a, b) => a.scene === b.scene && a.text === b.text && a.occurrence === b.occurrence;

function override(story, op, list) {
  const word = {occurrence: 0, ...op.word}, same = other => sameWord(other, word);
  return withScene(story, op.scene, scene => {
    const changed = {};
    for (const name of ['pins', 'mutes']) {
      changed[name] = name === list ? including(scene[name], word, same) : scene[name].filter(other => !same(other));
    }
    return {...scene, ...changed};
  });
}

function including(items, item, same = other => other === item) {
  return items.some(same) ? items : [...items, item];
}
