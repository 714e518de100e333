// Trials: clips that are only looked at, made for a comparison or a sheet. They go on while something else is looked at.
import {ask} from './parts.js';

const LOOK_AGAIN = 400; // milliseconds
export const over = trial => trial.state === 'done' || trial.state === 'failed' || trial.state === 'cancelled';

/** Orders trials by a verb; `tell(trials)` hears how they are doing until all are over. Gives their ids, or null after an error. */
export async function order(store, verb, args, tell) {
  const reply = await ask(store, verb, args);
  if (!reply) return null;
  follow(store, reply.trials, tell);
  return reply.trials;
}

/** The trials of a scene that the server knows, oldest first: those of an earlier visit too. */
export async function recall(store, scene) {
  const reply = await store.call('trials_of', {story: store.state.story.id, scene, quiet: true}).catch(() => null);
  return reply ? reply.trials : [];
}

/** Tells how trials are doing until all are over, or another story is looked at. */
export async function follow(store, ids, tell) {
  const story = store.state.story.id;
  let open = true;
  while (open && store.state.story?.id === story) {
    try {
      const {trials} = await store.call('trials', {ids, quiet: true});
      open = !trials.every(over);
      tell(trials);
    } catch (error) {
      if (!error.lost) return tell(ids.map(id => ({id, state: 'failed', error: error.message})));
    }
    if (open) await new Promise(wake => setTimeout(wake, LOOK_AGAIN));
  }
}

export const cancelTrials = (store, ids) => ask(store, 'cancel_trials', {ids});
