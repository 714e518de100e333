"""The command line: `python -m storyboard render`, and the verbs of `storyboard.interfaces.commands`.

Exit codes: 0 done, 2 bad input or nowhere to write (one line on stderr), 130 interrupted. Whatever fails leaves nothing
half-written behind.
"""

from __future__ import annotations

import argparse
import errno
import sys
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, get_args

from pipeline import defaults
from pipeline.errors import ThroughlineError

from ..media.fit import FitMode
from ..rendering.model_choice import Choice, add_options
from ..rendering.workers import starting
from . import film_options
from .numbers import number, whole_number

if TYPE_CHECKING:  # they load torch, which --help and a mistyped option need not wait for
    import numpy as np

    from pipeline.story_pipeline import StoryPipeline

    from ..rendering.film import FilmOrder, Progress, SceneDone
    from ..rendering.workers.crew import Crew

FILES = """\
Writes the film, and beside it a folder named after it: for film.mp4, film_scenes/ with scene-1.mp4, scene-1.png
(the keyframe by which later scenes remember it), ... and trace.json (per scene: what the filter kept and why, where
each kept word was looked at, who was cast, guidance, seconds, settings). Earlier files of these names are replaced,
once everything is made."""
EXAMPLE = """\
example:
  python -m storyboard render --out film.mp4 --prompts \\
    "Actor 1 is running on the playground." "Actor 2 is skiing on the snow." \\
    "Actor 2 is running on the playground." "Actor 1 is skiing on the snow."
"""
MOST_SCALE = 16


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives its exit code; errors in the arguments themselves raise SystemExit(2)."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except ThroughlineError as error:
        return _fail(str(error))
    except BrokenPipeError:
        raise
    except OSError as error:
        return _fail(_os_message(error, getattr(options, "out", None)))
    except KeyboardInterrupt:
        print(f"\ninterrupted: {getattr(options, 'interrupted', 'nothing was written')}", file=sys.stderr)
        return 130
    return 0


def _fail(message: str) -> int:
    print(f"error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _os_message(error: OSError, out: Path | None) -> str:
    if out and (error.errno == errno.ENOSPC or "No space left" in str(error)):
        return f"out is {str(out)!r}: no space left on its disk"
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


# --- options -------------------------------------------------------------------------------------------------------


SCALE_HELP = "enlarges the written pictures N times (default: to a width from 576 on)"
FINISH_HELP = (
    "enlarges them with edges drawn anew, as many times as the upscaler does: 4 for the one that ships, which takes a "
    "second or two a scene; keyframes stay as they are remembered"
)


class _Parser(argparse.ArgumentParser):
    """One line an error, without the usage. `rest` adds the commands of the verbs once they are needed: `render` and
    its help do not wait for what they load."""

    rest: Callable[[], None] | None = None

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        given = sys.argv[1:] if args is None else list(args)
        if given[:1] != ["render"]:
            self.complete()
        return super().parse_known_args(given, namespace)

    def format_help(self) -> str:
        self.complete()
        return super().format_help()

    def complete(self) -> None:
        """Adds what is still missing."""
        rest, self.rest = self.rest, None
        if rest:
            rest()

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}\n")


def parser() -> argparse.ArgumentParser:
    """All commands and options."""
    top = _Parser(
        prog="python -m storyboard", description="Throughline: a storyboard that remembers.", allow_abbrev=False
    )
    added = top.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)
    command = added.add_parser(
        "render", help="make a film from prompts, one a scene", description=FILES, epilog=EXAMPLE, allow_abbrev=False,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    command.set_defaults(run=render)
    _add_story_options(command.add_argument_group("the story"))
    film_options.add(command.add_argument_group("the film"))
    _add_picture_options(command.add_argument_group("the picture"))
    _add_sampling_options(command.add_argument_group("how it is made"))
    _add_machine_options(command.add_argument_group("what makes it"))

    def rest() -> None:
        from . import commands, worker_command

        commands.add_commands(added)
        worker_command.add(added)

    top.rest = rest
    return top


def _add_story_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--prompts", nargs="+", required=True, metavar="TEXT", help="one prompt a scene, in order")
    group.add_argument("--out", type=Path, required=True, metavar="FILM.mp4", help="the film to write")
    group.add_argument("--clips", nargs="+", type=Path, default=[], metavar="FILE",
                       help="your own clips or pictures of the first scenes: remembered and part of the film, not "
                            "generated; a clip at its own speed, a picture as long as a scene")  # fmt: skip
    group.add_argument("--fit", choices=get_args(FitMode), default="fit",
                       help="how clips of another shape get into the film's: with bars, cut, or stretched "
                            "(default: fit)")  # fmt: skip
    group.add_argument("--cut", nargs=2, type=number(0, 1), default=(0.5, 0.5), metavar=("ACROSS", "DOWN"),
                       help="where --fit fill cuts, from 0 (keeps left, top) to 1 (default: 0.5 0.5)")  # fmt: skip
    group.add_argument("--no-casting", action="store_true", help="let whom no prompt describes look as it happens")
    group.add_argument("--negative-prompt", metavar="TEXT", help="what the film should not show")


def _add_picture_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--height", type=whole_number(1), metavar="PIXELS", help=_usual(defaults.HEIGHT, "of what the model makes")
    )
    group.add_argument("--width", type=whole_number(1), metavar="PIXELS", help=_usual(defaults.WIDTH, "of the same"))
    lengths = group.add_mutually_exclusive_group()
    lengths.add_argument(
        "--num-frames", type=whole_number(1), metavar="N", help=_usual(defaults.NUM_FRAMES, "of a scene, 4 k + 1")
    )
    lengths.add_argument("--seconds", nargs="+", type=number(0.1, 60), default=[], metavar="S",
                         help="of all scenes, or of each one, to the nearest that the model can make")  # fmt: skip
    rate = _usual(defaults.FRAMES_PER_SECOND, "frames a second of the film, which lasts as long at any: pictures as "
                                              "small as the embedded model's are drawn in between")  # fmt: skip
    group.add_argument("--fps", type=number(1, 60), metavar="RATE", help=rate)
    sizes = group.add_mutually_exclusive_group()
    sizes.add_argument("--scale", type=whole_number(1, MOST_SCALE), metavar="N", help=SCALE_HELP)
    sizes.add_argument("--finish", type=whole_number(2, MOST_SCALE), metavar="N", help=FINISH_HELP)


def _add_sampling_options(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--guidance-scale", type=number(0, 30), metavar="W1", help=_usual(defaults.TEXT, "weight of the text")
    )
    group.add_argument(
        "--history-scale", type=number(0, 30), metavar="W2", help=_usual(defaults.HISTORY, "weight of the history")
    )
    group.add_argument(
        "--dynamic-guidance", action="store_true", help="let both weights rise over the steps, by a cosine"
    )
    group.add_argument(
        "--steps", type=whole_number(1, 1000), metavar="N", help=_usual(defaults.STEPS, "denoising steps a scene")
    )
    group.add_argument("--eta", type=number(0, 1), metavar="SHARE", default=0.0,
                       help="noise added at each step, 0 (none, DDIM) to 1 (DDPM) (default: %(default)g)")  # fmt: skip
    group.add_argument("--seed", type=whole_number(0, 2**63 - 2**20), metavar="N", default=0,
                       help="of the first scene, one more for each scene after it, and of who is cast "
                            "(default: %(default)s)")  # fmt: skip
    group.add_argument("--threshold", type=number(0, 1), metavar="COSINE",
                       help="similarity from which a word of the past is kept (default: the filter's own)")  # fmt: skip


def _usual(value: float, words: str) -> str:
    """An option's help, with what is used where it is not given."""
    return f"{words} (default: as suits the model; {value:g} for {Choice.model})"


def _add_machine_options(group: argparse._ArgumentGroup) -> None:
    add_options(group)
    starting.add_options(group)
    group.add_argument("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... (default: a GPU if there is one)")
    group.add_argument("--dtype", choices=("float32", "bfloat16", "float16"),
                       help="precision of the transformer (default: bfloat16 where that is fast)")  # fmt: skip


# --- render --------------------------------------------------------------------------------------------------------


def render(options: argparse.Namespace) -> None:
    """Makes the film and its files. What can be checked without the model is checked before it is loaded."""
    _check(options)
    from pipeline import loading

    from ..export.film_folder import finished_frames, staging, write_scene, write_trace
    from ..export.prompt_film import write_film
    from ..media.sizes import good_scale
    from ..media.temporary import temporary_folder
    from ..rendering.film import check_film
    from ..rendering.finishing.finisher import drawn_rate, smoothed

    choice, wanted = Choice.of(options), starting.Wanted.of(options)
    choice.find()
    loading.find_device(options.device)
    with temporary_folder() as folder, staging(options.out) as target, _workers(wanted, choice) as crew:
        extras = film_options.extras(options, folder)
        pipeline = choice.load()
        order = _order(options, pipeline)
        check_film(pipeline, order)
        own, width = pipeline.frames_per_second, order.scene_settings(0).width
        order = replace(order, clips=_read_clips(options, order, own), **_read_ends(options, order))
        rate = drawn_rate(width, own, options.fps)
        finisher = choice.finisher() if options.finish else None
        scale = options.finish or options.scale or good_scale(width)
        if finisher:
            finisher.check(width, scale)
        keep = partial(write_scene, target, frames_per_second=rate, scale=scale, finisher=finisher)
        finished = partial(finished_frames, target, frames_per_second=rate, scale=scale) if finisher else None
        events = _events(pipeline, order, crew, folder / "media")
        scenes = _make(events, order, keep, lambda frames: smoothed(frames, own, rate))
        write_film(target / options.out.name, scenes, rate, scale, extras, finished)
        write_trace(target, scenes, _film_entry(options, order, pipeline, options.fps or own, scale))
    print(options.out)


def _check(options: argparse.Namespace) -> None:
    """Everything that needs no model."""
    from ..export.film_folder import check_target
    from ..media.importing import check_any

    for index, prompt in enumerate(options.prompts, 1):
        if not prompt.strip():
            raise ThroughlineError(f"scene {index}: prompt is {prompt[:40]!r}: expected at least a word")
    if len(options.clips) > len(options.prompts):
        counts = f"{len(options.clips)} clips for {len(options.prompts)} prompts"
        raise ThroughlineError(f"{counts}: expected a prompt for each clip")
    film_options.check(options)
    if options.upscaler and not options.finish:
        raise ThroughlineError(f"upscaler is {options.upscaler!r}: expected --finish N beside it")
    check_target(options.out)
    for clip in options.clips:
        with _told_in_full(clip):
            check_any(clip)


def _order(options: argparse.Namespace, pipeline: StoryPipeline) -> FilmOrder:
    """The order without its clips. What was not given is as the model has it."""
    from ..rendering.film import FilmOrder

    weights = _given(text=options.guidance_scale, history=options.history_scale)
    guidance = replace(pipeline.guidance, **weights, schedule="cosine" if options.dynamic_guidance else "constant")
    names = ("height", "width", "num_frames", "steps", "seed", "eta", "negative_prompt", "threshold")
    settings = _given(**{name: getattr(options, name) for name in names})
    lengths = _lengths(options, pipeline)
    seams = film_options.seams(options)
    casting = None if options.no_casting or not Choice.of(options).casts() else options.seed
    settings = vars(pipeline.native) | settings
    return FilmOrder(tuple(options.prompts), guidance, settings, lengths, seams, casting=casting)


def _lengths(options: argparse.Namespace, pipeline: StoryPipeline) -> tuple[int, ...]:
    """Frames of each scene, if seconds were given."""
    seconds = options.seconds * len(options.prompts) if len(options.seconds) == 1 else options.seconds
    period = pipeline.latents.period
    return tuple(1 + period * max(0, round((s * pipeline.frames_per_second - 1) / period)) for s in seconds)


def _given(**values: Any) -> dict[str, Any]:
    """What the user gave; the rest is up to the model."""
    return {name: value for name, value in values.items() if value is not None}


def _read_clips(options: argparse.Namespace, order: FilmOrder, frames_per_second: float) -> tuple[Any, ...]:
    """At the rate of the film, so that each lasts as long as it did."""
    from ..media.fit import Fit
    from ..media.importing import read_any

    settings, fit, found = order.scene_settings(0), Fit(options.fit, *options.cut), []
    for path in options.clips:
        with _told_in_full(path):
            frames = read_any(path, settings.height, settings.width, frames_per_second, settings.num_frames, fit)
        found.append(frames)
    return tuple(found)


def _read_ends(options: argparse.Namespace, order: FilmOrder) -> dict[str, Any]:
    """The pictures with which scenes begin and end, at the film's size."""
    settings = order.scene_settings(0)
    given = {"first": options.first, "last": options.last}
    return {place: film_options.pictures(paths, settings.height, settings.width) for place, paths in given.items()}


@contextmanager
def _told_in_full(path: Path) -> Iterator[None]:
    """Errors name a file alone, for users of a server; in a shell they say where it lies."""
    try:
        yield
    except ThroughlineError as error:
        raise ThroughlineError(str(error).replace(repr(path.name), repr(str(path)), 1)) from None


@contextmanager
def _workers(wanted: starting.Wanted | None, choice: Choice) -> Iterator[Crew | None]:
    """They end with what is inside; None if none are wanted."""
    if wanted is None:
        yield None
        return
    from ..studio import home

    crew = starting.start(wanted, choice, home())
    try:
        yield crew
    finally:
        crew.close()


def _events(
    pipeline: StoryPipeline, order: FilmOrder, crew: Crew | None, media: Path
) -> Generator[Progress | SceneDone, None, None]:
    """What happens while the film is made, by this process or by workers."""
    from ..rendering.film import render_film

    if crew is None:
        return render_film(pipeline, order)
    from ..rendering.workers.film_crew import FilmCrew
    from ..store.blobs import BlobStore

    return FilmCrew(pipeline, order, crew, BlobStore(media)).render()


def _make(
    made: Generator[Progress | SceneDone, None, None],
    order: FilmOrder,
    keep: Callable[[SceneDone], None],
    drawn: Callable[[np.ndarray], np.ndarray],
) -> list[SceneDone]:
    """Renders all scenes under a progress bar; `keep` gets each, `drawn` as it is to be in files, as soon as it is
    there."""
    from tqdm import tqdm

    from ..rendering.film import Progress

    count = len(order.prompts)
    scenes: list[SceneDone] = []
    total = order.scene_settings(0).steps * (count - len(order.clips))
    with closing(made) as events, tqdm(total=total, unit="step", leave=False) as bar:
        for event in events:
            if isinstance(event, Progress):
                bar.set_description(f"scene {event.scene + 1} of {count}", refresh=False)
                bar.update()
            else:
                scenes.append(replace(event, frames=drawn(event.frames)))
                keep(scenes[-1])
                for notice in event.trace.notices if event.trace else ():
                    tqdm.write(notice, file=sys.stderr)
    return scenes


def _film_entry(
    options: argparse.Namespace, order: FilmOrder, pipeline: StoryPipeline, rate: float, scale: int
) -> dict[str, Any]:
    """What `trace.json` says about all scenes."""
    settings = order.scene_settings(0)
    return {
        "film": options.out.name,
        "model": options.model,
        "device": str(pipeline.transformer.device),
        "dtype": options.dtype or "automatic",
        "frames_per_second": rate,
        "height": settings.height * scale,
        "width": settings.width * scale,
        "scale": scale,
        "guidance": vars(order.guidance),
        "clips": [str(path) for path in options.clips],
    }
