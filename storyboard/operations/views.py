"""What the page and the API see: boards, standings and jobs as plain JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from pipeline.encoders.limit import CountsTokens, text_length

from ..document.cast.anchoring import Anchor
from ..document.conditioning import PastScene, past_of, places, word_ref
from ..document.decisions import WordPlace
from ..document.former import Former, FormerTake, few_words_changed
from ..document.keeping import kept_by
from ..document.plan import Plan, Standing
from ..document.story import Board, Scene, ScenePicture, Story, Take
from ..export.film import export_name
from ..film.cues import cues
from ..film.cut import Cut, FilmCard, FilmScene
from ..rendering.finishing.job import Wanted
from ..rendering.jobs.graph import SharedPlan
from ..rendering.jobs.job import ACTIVE, Job
from ..store.blobs import BlobStore, media_url
from ..store.finished import FinishedClip
from ..store.schema import Head, StoryEntry
from .cast_views import anchor_view, cast_of_story, choices_view, who_view

View = dict[str, Any]


def entry_view(entry: StoryEntry) -> View:
    poster = media_url(entry.poster, "png") if entry.poster else None
    return {"id": entry.id, "title": entry.title, "scenes": entry.scenes, "updated": entry.updated, "poster": poster}


def story_view(head: Head, known: Mapping[str, Standing] | None) -> View:
    """A story with its takes. `known`: how scenes stand, if it is known."""
    board = head.board
    scenes = [_scene_view(board, scene, known.get(scene.id) if known else None) for scene in board.story.scenes]
    undo = {name: getattr(head, name) for name in ("rev", "can_undo", "can_redo", "undo_label", "redo_label")}
    story = board.story.model_dump(mode="json", exclude={"scenes"}) | cast_of_story(board.story)
    return {**story, "film": board.story.film.model_dump(mode="json"), **undo, "scenes": scenes}


def _scene_view(board: Board, scene: Scene, standing: Standing | None) -> View:
    now = standing.conditioning.digest() if standing and standing.conditioning else ""
    found = board.takes_of(scene.id)
    takes = [_take_view(board, scene, take, now) | {"before": _before(take, found)} for take in found]
    keyframe = board.keyframe(scene)
    own = scene.model_dump(mode="json", exclude={"removed", "keyframes"})
    whole = {"shot": scene.shot.model_dump(mode="json"), "script": scene.script.model_dump(mode="json"),
             "cast_choices": choices_view(scene.cast_choices), "keep": _keep_view(scene.keep)}  # fmt: skip
    whole |= {name: _picture_view(getattr(scene, name)) for name in ("first_picture", "last_picture")}
    return {**own, **whole, "takes": takes, "keyframe": media_url(keyframe, "png") if keyframe else None}


def _picture_view(picture: ScenePicture | None) -> View | None:
    return {"source": picture.source, "picture": media_url(picture.file, "png")} if picture else None


def _keep_view(keep: FormerTake | None) -> View | None:
    return {**keep.model_dump(mode="json"), "keyframe": media_url(keep.keyframe, "png")} if keep else None


def keeps_rest(scene: Mapping[str, Any]) -> bool | None:
    """Of the view of a scene: whether it keeps the rest of its former take; None if there is nothing to keep."""
    shown = next((take for take in scene["takes"] if take["id"] == scene["chosen"]), None)
    keep = scene["keep"] or ({"prompt": shown["prompt"], "on": False} if shown else {"prompt": None})
    if keep["prompt"] in (None, scene["prompt"]) or not scene["prompt"].strip():
        return None
    return few_words_changed(keep["prompt"], scene["prompt"]) if keep["on"] is None else keep["on"]


def new_scene_view() -> View:
    """A new scene of an empty story, but for its id."""
    scene = Scene(id="new")
    view = _scene_view(Board(Story(id="empty", scenes=(scene,))), scene, None)
    return {name: value for name, value in view.items() if name != "id"}


def _take_view(board: Board, scene: Scene, take: Take, now: str) -> View:
    """keep: the former take whose rest it kept."""
    own = next((choice for choice in scene.keyframes if choice.take == take.id), None)
    fields = {"id", "source", "num_frames", "frames_per_second", "width", "height", "seed", "steps", "note",
              "render_seconds", "created", "streamed"}  # fmt: skip
    return {
        **take.model_dump(mode="json", include=fields),
        "clip": media_url(take.clip, "mp4"),
        "preview": media_url(take.preview, "webp"),
        "keyframe": media_url(own.keyframe if own else take.keyframe, "png"),
        "keyframe_index": own.index if own else take.keyframe_index,
        "prompt": take.conditioning.prompt if take.conditioning else None,
        "keep": _keep_view(kept_by(board, take)),
        "fresh": take.source == "imported" or bool(take.conditioning and take.conditioning.unedited.digest() == now),
    }


def _before(take: Take, takes: Sequence[Take]) -> str | None:
    """The take that an edit of regions was made of, if it is there still."""
    edits = take.conditioning.edits if take.conditioning else ()
    return next((other.id for other in takes if edits and other.clip == edits[-1].source), None)


def standing_view(head: Head, found: Mapping[str, Standing], todo: Plan, words: View) -> View:
    """words: what `about_words` gives."""
    scenes = {
        scene: {
            "state": standing.state, "reasons": standing.reasons, "needs": standing.needs,
            "waits_for": standing.waits_for, "memories": _memories(standing),
            "cast": [anchor_view(anchor) for anchor in standing.cast],
            "who": who_view(head.board.story, head.board.story.scene(scene)),
        }
        for scene, standing in found.items()
    }  # fmt: skip
    return {"rev": head.rev, "scenes": scenes, "plan": plan_view(todo), **words}


def about_words(head: Head, vocabulary: frozenset[str]) -> View:
    """What is gently said about the words of scenes: unknown ones, syntax of other tools, and words to begin with."""
    from pipeline.language.foreign import foreign_syntax
    from pipeline.language.vocabulary import examples

    notes = {scene.id: foreign_syntax(scene.prompt) for scene in head.board.story.scenes}
    found = {scene: list(told) for scene, told in notes.items() if told}
    unknown = unfamiliar_words(head, vocabulary)
    return {"unknown_words": unknown, "foreign_syntax": found, "examples": examples(vocabulary)}


def lengths_view(encoder: CountsTokens, texts: Sequence[str]) -> View:
    """The length of each text in words, "" for one that is not near the limit. limit: in tokens."""
    found = [text_length(encoder, text) for text in texts]
    told = [{"note": length.note if length.near else "", "fits": length.fits} for length in found]
    return {"lengths": told, "limit": encoder.max_tokens}


def unfamiliar_words(head: Head, vocabulary: frozenset[str]) -> dict[str, list[str]]:
    """The words of each scene that are not in the model's vocabulary."""
    from pipeline.language.vocabulary import unfamiliar

    found = {scene.id: unfamiliar(scene.prompt, vocabulary) for scene in head.board.story.scenes}
    return {scene: words for scene, words in found.items() if words}


def _memories(standing: Standing) -> list[View]:
    """Of earlier scenes."""
    made, earlier = standing.conditioning, set(standing.needs)
    memories = made.memories if made else ()
    return [{"scene": memory.scene, "words": memory.words} for memory in memories if memory.scene in earlier]


def plan_view(todo: Plan) -> View:
    shown = {"steps": [asdict(step) for step in todo.steps], "seconds": todo.seconds, "blocked": todo.blocked}
    together = todo.together if isinstance(todo, SharedPlan) else None
    return shown | ({"together": asdict(together)} if together else {})


def jobs_view(jobs: Sequence[Job], positions: Mapping[str, int]) -> View:
    """The last job of every scene that is not simply done."""
    latest = {job.scene: job for job in jobs if job.kind == "scene"}
    return {
        scene: {
            "state": job.state, "position": positions.get(job.id, 0), "step": job.step, "total": job.total,
            "preview": job.preview, "error": job.error, "notice": job.notice, "seconds": job.seconds,
            "lasts": job.lasts,
        }
        for scene, job in latest.items() if job.state != "done"
    }  # fmt: skip


def trial_view(job: Job) -> View:
    shown = {"id": job.id, "state": job.state, "step": job.step, "total": job.total, "preview": job.preview,
             "error": job.error, "notice": job.notice, "w1": job.order.text_weight, "w2": job.order.history_weight,
             "history": job.order.history, "without": job.order.without and job.order.without.model_dump(),
             "against": job.order.against, "sheet": job.order.sheet}  # fmt: skip
    if job.result is None:
        return shown
    made = job.result
    files = {"clip": media_url(made["clip"], "mp4"), "preview": media_url(made["preview"], "webp")}
    rest = {name: made[name] for name in ("num_frames", "frames_per_second", "width", "height")}
    return {**shown, **files, **rest, **asdict(made["scores"])}


def finishing_view(
    board: Board,
    found: Sequence[tuple[Wanted, FinishedClip | None]],
    jobs: Mapping[str, Job],
    places: Mapping[str, int],
) -> View:
    """How takes are finished, in order. found: each with its finished clip. places: in the line, by job."""
    scenes = []
    for one, clip in found:
        job = jobs.get(one.order)
        told: View = {"state": "draft", "position": 0, "step": 0, "total": 0, "error": ""}
        if clip:
            told |= {"state": "finished", "clip": media_url(clip.clip, "mp4")}
            told |= {name: getattr(clip, name) for name in ("width", "height", "num_frames", "frames_per_second")}
        elif job and job.state != "done":
            told |= {name: getattr(job, name) for name in ("state", "step", "total", "error")}
            told["position"] = places.get(job.id, 0)
        scene = one.take.scene
        scenes.append({"scene": scene, "number": board.story.index(scene) + 1, "take": one.take.id, **told})
    states = [scene["state"] for scene in scenes]
    return {"scenes": scenes, "active": any(state in ACTIVE for state in states),
            "left": sum(state != "finished" for state in states)}  # fmt: skip


def export_view(digest: str, suffix: str, title: str, format: str) -> View:
    """Where an export is served, and what it is called when it is saved."""
    name = export_name(title, format)
    return {"url": media_url(digest, suffix, name), "name": name}


def timeline_view(cut: Cut, story: Story) -> View:
    """The film in seconds. captions: where they are, "none" for a film without any; each part has its own. passage:
    what of a part's seam the part before loses (`out`), itself loses (`into`), and both show at once (`shared`)."""
    rate, where = cut.frames_per_second, story.film.captions if story.captions else "none"
    parts = [
        {**_part_view(part), "start": start / rate, "seconds": length / rate,
         "seam": part.seam.model_dump(mode="json"),
         "passage": {name: frames / rate for name, frames in passage._asdict().items()}}
        for part, start, length, passage in zip(cut.parts, cut.part_starts, cut.part_lengths, cut.passages, strict=True)
    ]  # fmt: skip
    sounds = [
        {"kind": cue.kind, "url": media_url(cue.file, "m4a"), "start": cue.start, "seconds": cue.seconds,
         "skip": cue.part.skip, "speed": cue.part.speed, "level": cue.level, "fade_in": cue.fade_in,
         "fade_out": cue.fade_out, "loop": cue.loop}
        for cue in cues(cut, story.film)
    ]  # fmt: skip
    figures = {"frames": cut.frames, "frames_per_second": rate, "seconds": cut.seconds}
    return {**figures, "captions": where, "ducking": story.film.ducking, "parts": parts, "sounds": sounds}


def _part_view(part: FilmScene | FilmCard) -> View:
    if isinstance(part, FilmCard):
        return {"scene": None, "text": part.card.text}
    own, shot = part.take.frames_per_second, part.scene.shot
    used = {"skip": part.used.first / own, "used": part.used.frames / own, "speed": shot.speed, "hold": shot.hold}
    clip = media_url(part.take.clip, "mp4")
    return {"scene": part.scene.id, "number": part.number, "clip": clip, "caption": part.caption, **used}


# --- what is remembered ----------------------------------------------------------------------------------------------


def remembers_view(board: Board, scene_id: str, result: Any) -> View:
    """What the filter says about a scene's past, each prompt cut into words and what is between them."""
    story = board.story
    scene, past = story.scene(scene_id), past_of(board, scene_id)
    pins, mutes = (list(places(words, past)) for words in (scene.pins, scene.mutes))
    told = [_past_view(board, past[found.index], found, pins, mutes, scene.muted_scenes) for found in result.scenes]
    pieces = _pieces(
        scene.prompt, result.current, lambda word: {"kept": word.kept, "reason": _reason(word, past, result)}
    )
    shown = len(past) - sum(isinstance(other, Anchor) for other in past)  # with what the scene was before
    return {"threshold": result.threshold, "prompt_pieces": pieces, "past": told[:shown], "cast": told[shown:]}


def _reason(word: Any, past: Sequence[PastScene], result: Any) -> str:
    """Why a word of the prompt is marked, with the entries of the cast by name."""
    found = [past[scene.index] for scene in result.scenes if word.kept and word.mention in scene.targets]
    cast = [other.entry.name for other in found if isinstance(other, Anchor)]
    numbers = [str(place) for place, other in enumerate(past, 1) if other in found and isinstance(other, Scene)]
    told = [f"scene {', '.join(numbers)}"] if numbers else []
    told += [_own_name(other) for other in found if isinstance(other, Former)]
    told += [f"{', '.join(cast)} of the cast"] if cast else []
    return f"remembered from {' and '.join(told)}" if told else str(word.reason)


def _own_name(past: Former) -> str:
    return "its first picture" if past.begins else "this scene, before"


def _past_view(
    board: Board,
    past: PastScene,
    found: Any,
    pins: Sequence[WordPlace],
    mutes: Sequence[WordPlace],
    muted: Sequence[str],
) -> View:
    def about(word: Any) -> View:
        ref = word_ref(past, word.start, word.end)
        overridden = {
            name: any(p.scene == found.index and p.start < word.end and p.end > word.start for p in places)
            for name, places in (("pinned", pins), ("muted", mutes))
        }
        return {
            "content": word.mention is not None, "kept": word.kept, "score": score(word),
            "reason": word.reason, "matched": word.matched, "mention": word.mention, "occurrence": ref.occurrence,
            **overridden,
        }  # fmt: skip

    def score(word: Any) -> float | None:
        """None where no word was compared with another."""
        return None if isinstance(past, Former) else round(word.score, 3)

    told = {"scene": past.id, "prompt": past.prompt, "kept": found.kept, "muted": past.id in muted}
    pieces = _pieces(past.prompt, found.words, about)
    if isinstance(past, Anchor):
        return {**told, **anchor_view(past), "pieces": pieces}
    keyframe = past.keyframe if isinstance(past, Former) else board.keyframe(past)
    picture, number = media_url(keyframe, "png") if keyframe else None, board.story.index(past.id) + 1
    own = _own_name(past) if isinstance(past, Former) else ""
    return {**told, "number": number, "former": bool(own), "own": own, "keyframe": picture, "pieces": pieces}


def _pieces(prompt: str, words: Sequence[Any], about: Any) -> list[View]:
    """A prompt cut into words and what is between them. Offsets count characters, as Python does; JavaScript counts
    halves of an emoji, so the page cuts nothing itself."""
    pieces, place = list[View](), 0
    for word in words:
        if word.start > place:
            pieces.append({"text": prompt[place : word.start]})
        span = {"text": prompt[word.start : word.end], "start": word.start, "end": word.end}
        pieces.append({**span, **about(word)})
        place = word.end
    return [*pieces, {"text": prompt[place:]}] if place < len(prompt) else pieces


def maps_view(board: Board, take: Take, media: BlobStore) -> list[View]:
    """Where a take looked: its maps with the pictures they lie over, which are those that it was made from."""
    if take.trace is None or take.conditioning is None:
        return []
    content = json.loads(media.path(take.trace, "json").read_text(encoding="utf-8"))
    pictures = {memory.scene: memory.keyframe for memory in take.conditioning.memories if memory.keyframe}
    return [
        {**found, "keyframe": media_url(pictures[found["scene"]], "png"),
         "preview": _preview(board, take, found["scene"])}
        for found in content["maps"]
        if found["scene"] in pictures
    ]  # fmt: skip


def _preview(board: Board, take: Take, scene_id: str) -> str | None:
    """The clip of a scene that a take looked at."""
    if scene_id == take.scene:
        former = kept_by(board, take)
        shown = board.takes.get(former.take) if former and former.take else None
    else:
        shown = next((board.chosen(scene) for scene in board.story.scenes if scene.id == scene_id), None)
    return media_url(shown.clip, "mp4") if shown else None
