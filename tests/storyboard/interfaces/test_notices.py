"""Memory that runs out during a render: it starts again further down, and everybody is told."""

import json
from pathlib import Path

import pytest
import torch

from storyboard.interfaces import verbs
from storyboard.studio import Studio
from tests.storyboard.studios import ME
from tests.tiny import tiny_pipeline


def test_what_a_render_did_about_memory_reaches_whoever_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline, full = tiny_pipeline(), [True]
    decode = pipeline.latents.decode

    def scarce(latents: torch.Tensor, **options: bool) -> object:
        if full and not options:  # the clip, not a preview of it
            full.clear()
            raise torch.OutOfMemoryError("CUDA out of memory")
        return decode(latents, **options)

    monkeypatch.setattr(pipeline.latents, "decode", scarce)
    studio = Studio(lambda: pipeline, tmp_path, "f" * 64)
    try:
        made = studio.new_story(ME, "Test", ["A cat runs on the beach."])["story"]
        (scene,) = made["scenes"]
        changes = {"steps": 3, "num_frames": 5}
        studio.edit(ME, made["id"], {"do": "edit_scene", "scene": scene["id"], "changes": changes})
        told = list(verbs.render(studio, ME, made["id"], []))  # the shell prints these, programs get them
        notices = {job["notice"] for part in told for job in part.get("jobs", {}).values()} - {""}
        assert notices == {"memory ran out with fast: the scene starts again with balanced (clips decoded in tiles)"}
        (take,) = studio.library.head(ME, made["id"]).board.takes.values()
        assert take.trace
        trace = json.loads(studio.media.path(take.trace, "json").read_text())
        assert trace["notices"] == list(notices)
    finally:
        studio.close()
