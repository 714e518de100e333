// What an edit does to the story on the page until the server's answer is there: edits.py, as far as it can be seen.
// Each is a pure function, and the second time it changes nothing: the answer may hold the edit already.

const OPS = {
  edit_story: (story, op) => ({...story, ...op.changes}),
  add_scene: (story, op) => inserted(story, op.index ?? story.scenes.length, newScene(story, op)),
  duplicate_scene(story, op) {
    const place = indexOf(story, op.scene);
    if (place < 0) return story;
    const bare = {id: op.copy_id, takes: [], chosen: null, keyframe: null, locked: false};
    return inserted(story, place + 1, {...story.scenes[place], ...bare});
  },
  remove_scene: (story, op) => ({...story, scenes: story.scenes.filter(scene => scene.id !== op.scene)}),
  move_scene(story, op) {
    const scene = sceneOf(story, op.scene), scenes = story.scenes.filter(other => other !== scene);
    if (!scene) return story;
    scenes.splice(op.index, 0, scene);
    return {...story, scenes};
  },
  edit_scene: (story, op) => withScene(story, op.scene, scene => merged(scene, op.changes)),
  pin_word: (story, op) => override(story, op, 'pins'),
  mute_word: (story, op) => override(story, op, 'mutes'),
  release_word: (story, op) => override(story, op, ''),
  mute_scene: (story, op) => withScene(story, op.scene, scene => {
    const others = scene.muted_scenes.filter(id => id !== op.muted);
    return {...scene, muted_scenes: op.on ? [...others, op.muted] : others};
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

export const apply = (story, op) => OPS[op.do] ? OPS[op.do](story, op) : story;
export const indexOf = (story, id) => story.scenes.findIndex(scene => scene.id === id);
export const sceneOf = (story, id) => story?.scenes.find(scene => scene.id === id);

// `changes` over `value`; guidance and seam may be given in part.
export function merged(value, changes) {
  const out = {...value, ...changes};
  for (const part of ['guidance', 'seam']) if (changes[part]) out[part] = {...value[part], ...changes[part]};
  return out;
}

function withScene(story, id, change) {
  return {...story, scenes: story.scenes.map(scene => scene.id === id ? change(scene) : scene)};
}

function inserted(story, place, scene) {
  if (sceneOf(story, scene.id)) return story;
  return {...story, scenes: [...story.scenes.slice(0, place), scene, ...story.scenes.slice(place)]};
}

const DEFAULTS = {
  prompt: '', negative_prompt: '', guidance: {text: 4, history: 4, start: 0, end: 1, schedule: 'constant'}, seed: 0,
  new_seed: false, steps: 24, num_frames: 17, threshold: null, pins: [], mutes: [], muted_scenes: [], locked: false,
  seam: {kind: 'cut', seconds: 0.5}, chosen: null, takes: [], keyframe: null,
};

function newScene(story, op) {
  const like = story.scenes[Math.max(0, (op.index ?? story.scenes.length) - 1)];
  const settings = like ? {guidance: like.guidance, steps: like.steps, num_frames: like.num_frames,
    seed: Math.max(...story.scenes.map(scene => scene.seed)) + 1} : {};
  return {...DEFAULTS, ...settings, ...op.fields};
}

const sameWord = (a, b) => a.scene === b.scene && a.text === b.text && a.occurrence === b.occurrence;

function override(story, op, list) {
  return withScene(story, op.scene, scene => {
    const changed = {};
    for (const name of ['pins', 'mutes']) {
      const others = scene[name].filter(word => !sameWord(word, op.word));
      changed[name] = name === list ? [...others, op.word] : others;
    }
    return {...scene, ...changed};
  });
}
