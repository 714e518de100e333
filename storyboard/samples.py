"""python -m storyboard.samples: renders the sample stories of assets/stories/ again, which new weights need.

A sample is an archive of a story, rendered by the embedded model: takes of other weights would be stale.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from tqdm import tqdm

from pipeline import loading
from pipeline.backbones import checkpoints
from pipeline.backbones.counting import TokenCounter
from pipeline.errors import ThroughlineError
from pipeline.language import vocabulary

from .studio import Studio

STORIES: Mapping[str, tuple[str, ...]] = {
    "Mia and the robot": (
        "Mia is walking on the playground.",
        "The robot is dancing in the desert.",
        "Mia is skiing on the snow.",
        "The robot is walking on the playground.",
        "Mia and the robot are waving in the desert.",
        "Mia is riding a bicycle on the playground.",
    ),
    "Two actors change places": (
        "Actor 1 is running on the playground.",
        "Actor 2 is skiing on the snow.",
        "Actor 2 is running on the playground.",
        "Actor 1 is skiing on the snow.",
    ),
}
OWNER = "sample-stories-of-throughline"


def render(folder: Path, model: str = "picturebook") -> list[Path]:
    """Renders every sample and writes its archive into `folder`. Raises ThroughlineError if a scene fails."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = checkpoints.find(model)
    digest, encoder = checkpoints.digest(weights), TokenCounter.of(weights)
    with tempfile.TemporaryDirectory(prefix="throughline-samples-") as home:
        words = vocabulary.read(weights)
        studio = Studio(lambda: loading.load(model), Path(home), digest, vocabulary=words, encoder=encoder)
        with closing(studio):
            return [_render(studio, title, prompts, folder) for title, prompts in tqdm(STORIES.items(), unit="story")]


def _render(studio: Studio, title: str, prompts: tuple[str, ...], folder: Path) -> Path:
    story = studio.new_story(OWNER, title, prompts)["story"]["id"]
    studio.render(OWNER, story)
    for state in studio.follow(OWNER, story):
        failed = [job["error"] for job in state["jobs"].values() if job["state"] == "failed"]
        if failed:
            raise ThroughlineError(f"sample {title!r}: {failed[0]}")
    made = studio.export_story(OWNER, story)
    digest, _, suffix = made["url"].partition("?")[0].removeprefix("media/").partition(".")
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', title.lower())}.zip"
    shutil.copyfile(studio.media.path(digest, suffix), path)
    return path


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m storyboard.samples", description=__doc__)
    parser.add_argument("--out", type=Path, default=checkpoints.assets_folder() / "stories", help="(%(default)s)")
    parser.add_argument("--model", default="picturebook", help="(%(default)s)")
    options = parser.parse_args(arguments)
    try:
        for path in render(options.out, options.model):
            print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")
    except ThroughlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
