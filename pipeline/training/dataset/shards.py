"""The training set on disk: rendered stories as shards of latents, keyframes, keyframe masks and captions.

A shard is made from the seeds of its stories alone, written to a temporary name and renamed: an interrupted run is
continued by starting it again.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from ...autoencoder import AutoencoderLinearVideo, scaled_latents
from ...picturebook import captions, renderer, world
from ..frames import to_video

STORIES_PER_SHARD = 250
SHOTS = 0.5  # of the stories say how near their figures are
KEYFRAME = 8  # the middle frame of 17


@dataclass(frozen=True)
class Shard:
    """latents: float16 (N, f, C, h, w), scaled. actors: uint8 (N, f, h, w), how much of each latent an actor covers, of
    255. keyframes: uint8 (N, H, W, 3). masks: uint8 (N, H, W), labels of the renderer.

    Row r is scene r % 4 of story seeds[r // 4]; captions[r] is its caption.
    """

    seeds: range
    latents: np.ndarray
    actors: np.ndarray
    keyframes: np.ndarray
    masks: np.ndarray
    captions: list[str]


def make_shard(folder: Path, index: int, vae: AutoencoderLinearVideo) -> None:
    """Renders and encodes shard `index`, unless it is there."""
    if (folder / f"{index:04d}.json").exists():
        return
    seeds = range(index * STORIES_PER_SHARD, (index + 1) * STORIES_PER_SHARD)
    latents, actors, keyframes, masks, texts = [], [], [], [], []
    for seed in seeds:
        story = story_of(seed)
        clips = [renderer.render(scene) for scene in story.scenes]
        with torch.no_grad():
            latents.append(scaled_latents(vae, to_video(np.stack([c.frames for c in clips]))).half().numpy())
        actors += [actor_coverage(c.masks, latents[-1].shape[1:]) for c in clips if c.masks is not None]
        keyframes += [c.frames[KEYFRAME] for c in clips]
        masks += [c.masks[KEYFRAME] for c in clips if c.masks is not None]
        texts += [caption.text for caption in captions.story_captions(story)]
    for name, array in (
        ("latents", np.concatenate(latents)),
        ("actors", np.stack(actors)),
        ("keyframes", np.stack(keyframes)),
        ("masks", np.stack(masks)),
    ):
        _save(folder / f"{index:04d}.{name}.npy", array)
    done = folder / f"{index:04d}.json"
    temporary = done.with_suffix(".tmp")
    temporary.write_text(json.dumps(texts))
    os.replace(temporary, done)


def story_of(seed: int) -> world.WorldStory:
    """The story of the training set that a seed stands for."""
    return world.with_shots(world.training_story(seed), SHOTS)


def actor_coverage(masks: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Labels of a clip, uint8 (4 (f - 1) + 1, H, W), as the share of 255 of each latent that actors and their things
    cover, uint8 (f, h, w). shape: (f, C, h, w)."""
    f, _, h, w = shape
    blocks = np.concatenate([masks[:1]] * 3 + [masks]).reshape(f, 4, h, masks.shape[1] // h, w, masks.shape[2] // w)
    return ((blocks > 0).mean((1, 3, 5)) * 255).round().astype(np.uint8)


def _save(path: Path, array: np.ndarray) -> None:
    with open(path.with_suffix(".tmp"), "wb") as file:
        np.save(file, array)
    os.replace(path.with_suffix(".tmp"), path)


def open_shards(folder: Path) -> list[Shard]:
    """All finished shards, memory-mapped, in order."""
    return [_open(folder, int(path.stem)) for path in sorted(folder.glob("*.json"))]


def _open(folder: Path, index: int) -> Shard:
    latents, actors, keyframes, masks = (
        np.load(folder / f"{index:04d}.{name}.npy", mmap_mode="r")
        for name in ("latents", "actors", "keyframes", "masks")
    )
    seeds = range(index * STORIES_PER_SHARD, (index + 1) * STORIES_PER_SHARD)
    return Shard(seeds, latents, actors, keyframes, masks, json.loads((folder / f"{index:04d}.json").read_text()))
