"""python -m pipeline.evaluation: the story benchmark. See --help."""

from __future__ import annotations

import argparse
import io
import sys
import time
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path

from tqdm import tqdm

from ..backbones import checkpoints
from ..defaults import STEPS
from ..errors import ThroughlineError
from ..guidance import Guidance
from ..picturebook.localiser import localiser_folder
from ..picturebook.reader import reader_folder
from ..training.models.image_encoder import FactHeads
from .common.command import Parser, new_file, run, whole
from .common.statistics import NOTHING
from .probe import load_image_encoder
from .reporting import report
from .reporting.contact_sheet import Block, chosen, contact_sheet, title_of
from .reporting.summary import probe_summary, ranking, summary
from .story import workers
from .story.accuracy import localiser_accuracy, reader_accuracy
from .story.benchmark import HeldOut, StoryScore
from .story.filming import BATCH
from .story.probe_stories import PROBE_MEASURES
from .story.results import Results, sources_digest
from .story.systems import ABBA, ABLATIONS, LONG, MAIN, PROBES, Options, measured_on
from .story.witnesses import TRAINING_STORIES, has_line, train_heads

DEFAULTS = {field.name: field.default for field in fields(Guidance)}
PROTOCOLS = {"both": (ABBA, LONG), ABBA: (ABBA,), LONG: (LONG,)}
PROBE_STORIES = 40  # unless more or fewer are asked for
SHEET_COLUMNS = {ABBA: 2, LONG: 1}


def parser() -> argparse.ArgumentParser:
    p = Parser(
        "python -m pipeline.evaluation",
        description="The story benchmark, on stories that were never trained on. "
        "A run that was killed goes on where it was.",
    )
    p.add_argument("--out", type=Path, default=Path("runs/bench"), help="folder of tables, plots and scores")
    p.add_argument("--protocol", choices=PROTOCOLS, default="both", help="A, B, B, A; 8 to 12 scenes; (%(default)s)")
    p.add_argument("--stories", type=whole(1, 10_000), default=200, help="of each protocol (%(default)s)")
    p.add_argument(
        "--probe-stories",
        type=whole(1, 10_000),
        metavar="N",
        help=f"that ask what the others do not (as many as --stories, at most {PROBE_STORIES})",
    )
    p.add_argument(
        "--ablation-stories",
        type=whole(0, 10_000),
        metavar="N",
        default=0,
        help="of these the first N by the ablations too (%(default)s)",
    )
    p.add_argument(
        "--ablations",
        nargs="+",
        choices=ABLATIONS,
        default=tuple(ABLATIONS),
        metavar="NAME",
        help="which: %(choices)s (all)",
    )
    p.add_argument("--seed", type=whole(0, 2**31), default=0, help="which stories (%(default)s)")
    p.add_argument("--model", default="picturebook", help="a model's name or folder (%(default)s)")
    p.add_argument("--reader", type=Path, help="folder of the reader, if it is not the one that ships")
    p.add_argument("--localiser", type=Path, help="folder of the localiser, if it is not the one that ships")
    p.add_argument("--steps", type=whole(1, 1000), default=STEPS, help="of denoising (%(default)s)")
    p.add_argument("--guidance-scale", type=float, default=DEFAULTS["text"], help="w1, on the text (%(default)s)")
    p.add_argument("--history-scale", type=float, default=DEFAULTS["history"], help="w2, on the history (%(default)s)")
    p.add_argument(
        "--processes", type=whole(1, 256), default=workers.processes_here(), help="(one a core, one for a GPU)"
    )
    p.add_argument("--batch", type=whole(1, 256), default=BATCH, help="scenes at once (%(default)s)")
    p.add_argument("--json", type=new_file, metavar="FILE", help="the figures of a single protocol, system by system")
    p.add_argument("--no-plots", action="store_true", help="tables and contact sheets only")
    return p


def main(a: argparse.Namespace) -> None:
    started = time.perf_counter()
    if a.json and a.protocol == "both":
        raise ThroughlineError("--json holds one protocol: expected --protocol abba or --protocol long beside it")
    brief = brief_of(a)
    judge = workers.judge_of(brief)
    accuracy = {
        "reader": reader_accuracy(judge.reader, a.seed),
        "localiser": localiser_accuracy(judge.localiser, a.seed),
    }
    for name, shares in accuracy.items():
        print(f"The {name} on held-out rendered clips:\n{report.accuracy_lines(shares)}\n", flush=True)
    brief.results.open()
    film(brief, wanted(a), a.processes)
    scores = {protocol: scores_of(a, brief.results, protocol) for protocol in PROTOCOLS[a.protocol]}
    probes = probe_summary(list(scores_of(a, brief.results, PROBES).values()))
    outcome = {
        "protocols": {
            protocol: with_probes(summary(protocol, list(own.values())), probes) for protocol, own in scores.items()
        },
        "probes": probes,
        "accuracy": accuracy,
        "settings": brief.results.settings,
        "cost": cost_of(a, brief.results) | {"seconds": time.perf_counter() - started, "processes": a.processes},
    }
    write(a, brief.results, outcome, scores)
    print(report.markdown(outcome), end="")


def with_probes(figures: dict, probes: dict) -> dict:
    """A protocol's figures, the systems' rows with what the probes say of them."""
    rows = {
        name: row | {measure: probes["systems"].get(name, {}).get(measure, NOTHING) for measure in PROBE_MEASURES}
        for name, row in figures["systems"].items()
    }
    return figures | {"systems": rows}


def brief_of(a: argparse.Namespace) -> workers.Brief:
    options = Options(Guidance(a.guidance_scale, a.history_scale), a.steps)
    settings = {
        "model": checkpoints.digest(checkpoints.find(a.model)),
        "reader": checkpoints.digest(a.reader or reader_folder()),
        "localiser": checkpoints.digest(a.localiser or localiser_folder()),
        "sources": sources_digest(),
        "seed": a.seed,
        "steps": a.steps,
        "guidance_scale": a.guidance_scale,
        "history_scale": a.history_scale,
    }
    return workers.Brief(a.model, a.reader, a.localiser, options, Results(a.out / "stories", settings), a.batch)


def wanted(a: argparse.Namespace) -> list[tuple[HeldOut, tuple[str, ...]]]:
    """Every story with the systems that film it."""
    return [
        (
            HeldOut(protocol, index, a.seed),
            measured_on(protocol, (*MAIN, *a.ablations) if index < a.ablation_stories else MAIN),
        )
        for protocol in (*PROTOCOLS[a.protocol], PROBES)
        for index in range(stories_of(a, protocol))
    ]


def stories_of(a: argparse.Namespace, protocol: str) -> int:
    return (a.probe_stories or min(a.stories, PROBE_STORIES)) if protocol == PROBES else a.stories


def film(brief: workers.Brief, stories: Sequence[tuple[HeldOut, tuple[str, ...]]], processes: int) -> None:
    """Films and scores what is lacking, with a progress bar."""
    jobs = workers.plan(brief.results, stories, workers.AT_ONCE)
    if any("ours" in job.systems and job.stories[0].protocol != PROBES for job in jobs):
        brief = replace(brief, heads=second_witness(brief.model))
    with tqdm(total=sum(len(job.stories) for job in jobs), unit="story", file=sys.stderr) as bar:
        for job in workers.work(brief, jobs, min(processes, max(1, len(jobs)))):
            bar.update(len(job.stories))


def second_witness(model: str) -> FactHeads | None:
    """Trained once for all processes; None for a model without an image encoder that it could look through."""
    if not (checkpoints.find(model) / "image_encoder").is_dir():
        return None
    encoder = load_image_encoder(model)
    return train_heads(encoder, TRAINING_STORIES) if has_line(encoder) else None


def scores_of(a: argparse.Namespace, results: Results, protocol: str) -> dict[int, StoryScore]:
    return {index: results.score(protocol, index) for index in range(stories_of(a, protocol))}


def cost_of(a: argparse.Namespace, results: Results) -> dict[str, float]:
    """Of all stories of the benchmark, whichever run filmed them."""
    costs = [results.cost(story.protocol, story.index) for story, _ in wanted(a)]
    return {"clips": sum(clips for clips, _ in costs), "process_seconds": sum(seconds for _, seconds in costs)}


def write(a: argparse.Namespace, results: Results, outcome: dict, scores: dict[str, dict[int, StoryScore]]) -> None:
    files = {"benchmark.json": report.to_json(outcome), "benchmark.md": report.markdown(outcome).encode()}
    for protocol, own in scores.items():
        files[f"stories-{protocol}.png"] = sheet_of(a, results, protocol, own)
    if not a.no_plots:
        from .reporting.plots import all_plots

        files |= all_plots(outcome)
    paths = {a.out / name: data for name, data in files.items()}
    if a.json:
        paths[a.json] = report.to_json(of_one_protocol(outcome, a.protocol))
    report.write_all(paths)


def of_one_protocol(outcome: dict, protocol: str) -> dict:
    """The systems, each with its measures, beside everything else that is known of `protocol`."""
    own = outcome["protocols"][protocol]
    own = own | {"comparisons": own["comparisons"] | outcome["probes"]["comparisons"]}
    rest = {name: value for name, value in (own | outcome).items() if name not in ("systems", "protocols")}
    return own["systems"] | rest


def sheet_of(a: argparse.Namespace, results: Results, protocol: str, scores: dict[int, StoryScore]) -> bytes:
    blocks = []
    for group, indices in chosen(ranking(scores)).items():
        for index in indices:
            strip, prompts = results.strip(protocol, index), HeldOut(protocol, index, a.seed).script.prompts
            blocks.append(Block(title_of(group, index, scores[index]), strip, prompts))
    data = io.BytesIO()
    contact_sheet(blocks, SHEET_COLUMNS[protocol]).save(data, "PNG")
    return data.getvalue()


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
