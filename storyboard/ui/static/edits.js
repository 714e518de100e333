// What an edit of the board does to the story on the page until the server's answer is there: edits.py, as far as it
// can be seen on the board. What else a scene has, the panels show when the server has answered.
// Each is a pure function, and the second time it changes nothing: the answer may hold the edit already.

const OPS = {
  // `fresh`: a new scene of an empty story, as the server makes it
  add_scene: (story, {index, fields}, fresh) => inserted(story, index ?? story.scenes.length, {...fresh, ...fields}),
  duplicate_scene(story, op) {
    const place = indexOf(story, op.scene), scene = story.scenes[place], id = op.copy_id;
    if (!scene) return story;
    const takes = scene.takes.filter(take => take.id === scene.chosen).map(take => ({...take, id}));
    return inserted(story, place + 1, {...scene, id, locked: false, takes, chosen: takes.length ? id : null});
  },
  remove_scene: (story, op) => ({...story, scenes: story.scenes.filter(scene => scene.id !== op.scene)}),
  move_scene(story, op) {
    const scene = sceneOf(story, op.scene), scenes = story.scenes.filter(other => other !== scene);
    if (!scene) return story;
    scenes.splice(op.index, 0, scene);
    return {...story, scenes};
  },
  edit_scene: (story, op) => ({...story,
    scenes: story.scenes.map(scene => scene.id === op.scene ? {...scene, ...op.changes} : scene)}),
};

export const apply = (story, op, fresh) => OPS[op.do] ? OPS[op.do](story, op, fresh) : story;
export const known = Object.keys(OPS);
export const indexOf = (story, id) => story.scenes.findIndex(scene => scene.id === id);
export const sceneOf = (story, id) => story?.scenes.find(scene => scene.id === id);

function inserted(story, place, scene) {
  if (sceneOf(story, scene.id)) return story;
  return {...story, scenes: [...story.scenes.slice(0, place), scene, ...story.scenes.slice(place)]};
}
