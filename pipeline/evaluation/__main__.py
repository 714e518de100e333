"""python -m pipeline.evaluation: the story benchmark. See --help."""

from __future__ import annotations

import argparse
import io
import sys
import time
from dataclasses import fields
from pathlib import Path

from PIL import Image
from tqdm import tqdm

from .. import backbones
from ..guidance import Guidance
from ..story_pipeline import DEFAULT_STEPS, StoryPipeline
from . import benchmark, report
from .accuracy import reader_accuracy
from .chance import PROTOCOLS
from .command import Parser, new_file, run, whole
from .reader import ClipReader
from .systems import Film, Options

DEFAULTS = {field.name: field.default for field in fields(Guidance)}
SETTINGS = ("protocol", "stories", "seed", "model", "steps", "guidance_scale", "history_scale")
SHEET_STORIES = 8


def parser() -> argparse.ArgumentParser:
    p = Parser(
        "python -m pipeline.evaluation", description="The story benchmark, on stories that were never trained on."
    )
    p.add_argument("--protocol", choices=sorted(PROTOCOLS), default="abba", help="A, B, B, A; or 8 to 12 scenes")
    p.add_argument("--stories", type=whole(1, 10_000), default=100, help="how many (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=0, help="which stories (%(default)s)")
    p.add_argument("--json", type=new_file, required=True, metavar="FILE", help="where the figures go")
    p.add_argument("--markdown", type=new_file, metavar="FILE", help="where the table goes")
    p.add_argument("--sheet", type=new_file, metavar="FILE.png", help="keyframes of the first stories")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--reader", type=Path, help="folder of the reader, if it is not the one that ships")
    p.add_argument("--steps", type=whole(1, 1000), default=DEFAULT_STEPS, help="of denoising (%(default)s)")
    p.add_argument("--guidance-scale", type=float, default=DEFAULTS["text"], help="w1, on the text (%(default)s)")
    p.add_argument("--history-scale", type=float, default=DEFAULTS["history"], help="w2, on the history (%(default)s)")
    return p


def main(a: argparse.Namespace) -> None:
    started = time.perf_counter()
    options = Options(Guidance(a.guidance_scale, a.history_scale), a.steps)
    reader = ClipReader.load(a.reader)
    pipeline = backbones.load(a.model)
    pipeline.set_progress_bar_config(disable=True)
    accuracy = reader_accuracy(reader, a.seed)
    print(f"The reader on held-out rendered clips:\n{report.accuracy_lines(accuracy)}\n", flush=True)
    scores, films = score_stories(a, pipeline, reader, options)
    table = benchmark.summary(scores)
    outcome = {
        **table,
        **benchmark.extras(scores, a.protocol),
        "settings": {name: getattr(a, name) for name in SETTINGS},
        "reader_accuracy": accuracy,
        "seconds": time.perf_counter() - started,
    }
    write(a, outcome, report.markdown(table), films)
    print(report.markdown(table), end="")


def score_stories(
    a: argparse.Namespace, pipeline: StoryPipeline, reader: ClipReader, options: Options
) -> tuple[list[benchmark.StoryScore], list[dict[str, Film]]]:
    """All scores, and the films of the first stories; with a progress bar."""
    scores, films = [], []
    total = 2 * benchmark.count_scenes(a.protocol, a.stories, a.seed)
    with tqdm(total=total, unit="scene", desc=a.protocol, file=sys.stderr) as bar:
        for index in range(a.stories):
            story = benchmark.held_out_story(a.protocol, index, a.seed)
            args = (story, a.protocol, benchmark.domain(a.seed), options, bar.update)
            score, made = benchmark.score_story(pipeline, reader, *args)
            scores.append(score)
            films += [made] * (index < SHEET_STORIES)
    return scores, films


def write(a: argparse.Namespace, outcome: dict, table: str, films: list[dict[str, Film]]) -> None:
    files = {a.json: report.to_json(outcome)}
    if a.markdown:
        files[a.markdown] = table.encode()
    if a.sheet:
        picture = io.BytesIO()
        Image.fromarray(benchmark.contact_sheet(films)).save(picture, "PNG")
        files[a.sheet] = picture.getvalue()
    report.write_all(files)


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
