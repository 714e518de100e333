"""python -m pipeline.training STAGE: makes assets/picturebook/, stage by stage or (all) from nothing to the end.

Every stage keeps its checkpoints, its CSV log and its result in --out; started again after a kill it goes on where it
was and gives the same losses. The training set (some gigabytes) is rendered there by the first stage that needs it.

generator-continued goes on from the weights of continuation if those were trained there, else from the generator that
was trained last, in a fresh clone from the shipped one; export then puts it in its place.

With --data DATA it trains the adapter of any backbone on clips of your own instead: see --data x --help.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from ..errors import ThroughlineError
from ..loading import find_device
from . import stages

STAGES: dict[str, Callable[[stages.Workshop], None]] = {
    "vae": stages.fit_vae,
    "image-encoder": stages.train_image_encoder,
    "extractor": stages.train_extractor,
    "generator": stages.train_generator,
    "continuation": stages.train_continuation,
    "generator-continued": stages.continue_generator,
    "sharpener": stages.train_sharpener,
    "export": stages.export,
    "live": stages.train_live,
    "reader": stages.train_reader,
    "localiser": stages.train_localiser,
    "upscaler": stages.train_upscaler,
    "interpolator": stages.train_interpolator,
    "locator": stages.train_locator,
    "image-model": stages.train_image_model,
    "temporal-layers": stages.train_temporal_layers,
    "looks": stages.fit_looks,
    "meter-facts": stages.fit_meter_facts,
}


def main(arguments: list[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if any(argument.partition("=")[0] == "--data" for argument in arguments):
        from .finetune import command  # needs accelerate's machinery, which the embedded model's training does not

        return command.main(arguments)
    parser = argparse.ArgumentParser(prog="python -m pipeline.training", description=__doc__)
    parser.add_argument("stage", choices=[*STAGES, "all"])
    parser.add_argument("--out", type=Path, default=Path("runs/picturebook"), help="folder of checkpoints and results")
    parser.add_argument("--assets", type=Path, default=Path("assets/picturebook"), help="where export puts the models")
    parser.add_argument("--shards", type=int, default=28, help="shards of 1000 clips in the training set")
    parser.add_argument("--steps", type=int, default=None, help="steps of a training stage, instead of its recipe's")
    parser.add_argument("--batch-size", type=int, default=None)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default=None, help="where the networks train; without it a GPU if there is one")
    options = parser.parse_args(arguments)
    overrides = {k: v for k, v in (("steps", options.steps), ("batch_size", options.batch_size)) if v is not None}
    try:
        device = find_device(options.device)
        recipes = overrides | {"seed": options.seed}
        workshop = stages.Workshop(options.out, options.assets, options.shards, recipes, device)
        for name in STAGES if options.stage == "all" else [options.stage]:
            STAGES[name](workshop)
    except ThroughlineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
