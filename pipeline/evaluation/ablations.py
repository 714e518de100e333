"""python -m pipeline.evaluation.ablations: what each part of the generator's training is worth.

Every arm goes on from the same trained weights for the same steps on the same batches, with one part of the recipe
changed; the first goes on as it is. What comes of each is measured by the story benchmark (ABBA). A run that was killed
goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from tqdm import tqdm

from ..autoencoder import AutoencoderLinearVideo
from ..feature_extractor import FeatureExtractor
from ..picturebook.localiser import Localiser
from ..picturebook.reader import ClipReader
from ..story_pipeline import StoryPipeline
from ..training.loop import Recipe, train
from ..training.models import extractor as extractors
from ..training.models.generator import ADAM_NAMES, GeneratorTrainer, make_losses
from ..training.models.noising import Choices
from ..training.stages import Workshop, load_vision, trained_parts
from .common.command import Parser, new_file, run, whole
from .common.statistics import Estimate, estimate
from .story.benchmark import HeldOut, Judge, score_stories
from .story.filming import Filming
from .story.systems import ABBA, Options
from .story.workers import AT_ONCE

AS_IT_IS = Choices(alignment=0.0)  # its head is not kept with the weights
ARMS = {
    "as it is": AS_IT_IS,
    "extractor trained end to end": replace(AS_IT_IS, end_to_end=True),
    "decoupling loss": replace(AS_IT_IS, decoupling=0.02),
    "no history noise": replace(AS_IT_IS, history_noise=False),
    "no perceptual loss": replace(AS_IT_IS, perception=0.0),
    "no windows": replace(AS_IT_IS, windows=0.0),
    "noise levels where looks are decided": replace(AS_IT_IS, deciding=0.6),
}
MEASURES = ("actor", "place", "cross_talk", "prompt", "presence", "motion")


@dataclass(frozen=True)
class Budget:
    steps: int
    stories: int
    seed: int  # of the stories


def train_arm(name: str, workshop: Workshop, steps: int) -> Path:
    """The model folder of an arm; its log and its checkpoint are beside it."""
    folder = workshop.out / "ablations" / name.replace(" ", "-")
    if (folder / "model" / "model_index.json").exists():
        return folder / "model"
    choices, vision = ARMS[name], load_vision(workshop)
    extractor = FeatureExtractor.from_pretrained(workshop.need("extractor")).float().to(workshop.device)
    vae = AutoencoderLinearVideo.from_pretrained(workshop.need("vae")).float().to(workshop.device)
    trainer = GeneratorTrainer(extractor, vae, vision.config.hidden_size)
    trainer.load(*trained_parts(workshop))
    if choices.end_to_end:
        trainer.extractor = extractor
    recipe = Recipe("arm", steps, 1e-3, 32, warmup=20, decay=0.6, average=0.99, adam_names=ADAM_NAMES, seed=101)
    data = extractors.load_data(workshop.cache, vision)
    losses = make_losses(
        trainer.to(workshop.device), extractor, vae, vision, workshop.cache, data, recipe.batch_size, choices
    )
    for _ in tqdm(train(recipe, trainer, losses, folder), name, steps, unit="step"):
        pass
    return _save(trainer, extractor, workshop.assets, folder / "model")


def _save(trainer: GeneratorTrainer, extractor: FeatureExtractor, assets: Path, folder: Path) -> Path:
    """The shipped model with the parts that were trained; its index comes last, as a sign that all is there."""
    parts = {"transformer": trainer.transformer, "decoupler": trainer.decoupler, "extractor": extractor}
    shutil.copytree(assets, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(*parts, "model_index.json"))
    for name, part in parts.items():
        part.cpu().save_pretrained(folder / name)
    shutil.copy(assets / "model_index.json", folder)
    return folder


def measure(folder: Path, budget: Budget) -> dict[str, Estimate]:
    """Of the films that a model makes of held-out stories."""
    pipeline = StoryPipeline.from_pretrained(folder)
    filming, judge = Filming(pipeline, Options()), Judge(ClipReader.load(None), Localiser.load(None))
    stories = [HeldOut(ABBA, index, budget.seed) for index in range(budget.stories)]
    scores = [
        score["ours"].tallies
        for start in tqdm(range(0, len(stories), AT_ONCE), "measuring")
        for score, _ in score_stories(filming, judge, stories[start : start + AT_ONCE], ["ours"])
    ]
    return {name: estimate(tallies[name] for tallies in scores) for name in MEASURES}


def row(name: str, figures: dict[str, Estimate]) -> str:
    cells = (f"{e.mean:.2f} ({e.low:.2f}–{e.high:.2f})" for e in figures.values())
    return f"| {name} | " + " | ".join(cells) + " |"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.ablations", description=__doc__)
    p.add_argument("--out", type=Path, required=True, help="a training's folder, with all stages up to the generator")
    p.add_argument("--steps", type=whole(1, 10**6), default=300, help="of every arm (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=40, help="to measure by (%(default)s)")
    p.add_argument("--seed", type=whole(0, 2**31), default=11, help="which stories (%(default)s)")
    p.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS), help="(all)")
    p.add_argument("--json", type=new_file, required=True)
    return p


def main(a: argparse.Namespace) -> None:
    workshop, budget = Workshop(a.out, Path("assets/picturebook")), Budget(a.steps, a.stories, a.seed)
    report(((name, measure(train_arm(name, workshop, a.steps), budget)) for name in a.arms), a.json)


def report(arms: Iterable[tuple[str, dict[str, Estimate]]], path: Path) -> None:
    """Prints the table row by row; the file holds what has been printed."""
    print("| trained with | " + " | ".join(m.replace("_", "-") for m in MEASURES) + " |" + "\n|---" + "|---" * 6 + "|")
    results: dict[str, dict] = {}
    for name, figures in arms:
        print(row(name, figures), flush=True)
        results[name] = {measure: asdict(value) for measure, value in figures.items()}
        path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
