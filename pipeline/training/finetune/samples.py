"""Sample stories during a training: what the model makes of a few scenes, written as a film."""

from __future__ import annotations

from pathlib import Path

import imageio_ffmpeg
import numpy as np
import torch
from transformers import CLIPVisionModelWithProjection

from ...errors import ThroughlineError
from ...history import HistoryScene
from ...story_pipeline import StoryPipeline
from .encoded import EncodedClips, Size
from .tasks import GeneratorTask

SCENES = 3  # of a sample story that is made of a video's captions


def make_pipeline(
    base: StoryPipeline, task: GeneratorTask, image_encoder: CLIPVisionModelWithProjection
) -> StoryPipeline:
    """The base with the parts in training; they stay the same objects."""
    parts = {name: getattr(task, name) for name in ("transformer", "extractor", "decoupler")}
    return StoryPipeline(**base.components | parts | {"image_encoder": image_encoder})


def read_prompts(path: Path | None, clips: EncodedClips) -> list[str]:
    """The lines of a file, or the captions of the first video. Raises ThroughlineError."""
    if path is None:
        return [row.caption for row in clips.rows if not row.past or 0 in row.past][:SCENES]
    try:
        prompts = [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise ThroughlineError(f"sample prompts {path} cannot be read: {error.strerror}") from None
    if not prompts:
        raise ThroughlineError(f"sample prompts {path} are empty: expected a line a scene")
    return prompts


def tell(pipeline: StoryPipeline, prompts: list[str], size: Size, steps: int, device: torch.device) -> list[np.ndarray]:
    """The clips of a story, uint8 (F, H, W, 3) each; every scene remembers those before it."""
    pipeline.set_progress_bar_config(disable=True)
    pipeline.to(device)
    training, history, story = pipeline.transformer.training, list[HistoryScene](), list[np.ndarray]()
    pipeline.transformer.eval()
    try:
        for prompt in prompts:
            clip = pipeline(prompt, history, height=size.height, width=size.width, num_frames=size.frames, steps=steps)
            story.append(clip.frames)
            history.append(pipeline.encode_scene(prompt, clip.frames))
    finally:
        pipeline.transformer.train(training)
    return story


def write(path: Path, story: list[np.ndarray], frames_per_second: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = story[0].shape[1:3]
    writer = imageio_ffmpeg.write_frames(str(path), (width, height), fps=frames_per_second, macro_block_size=1)
    writer.send(None)
    for frame in np.concatenate(story):
        writer.send(np.ascontiguousarray(frame))
    writer.close()
