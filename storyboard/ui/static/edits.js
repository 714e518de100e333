// What an edit of the board does to the story on the page until the server's answer is there: edits.py, as far as it
// can be seen. Those of the panels are made by the server.
// Each is a pure function, and the second time it changes nothing: the answer may hold the edit already.

const OPS = {
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
