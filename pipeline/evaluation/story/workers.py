"""The work of a benchmark: stories that lack scores are filmed and scored, in as many processes as there are cores."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from ... import loading
from ...picturebook.localiser import Localiser
from ...picturebook.reader import ClipReader
from ...training.models.image_encoder import FactHeads
from .benchmark import HeldOut, Judge, StoryScore, score_stories
from .filming import BATCH, FilmedScene, Filming
from .probe_stories import score_probes
from .results import Results
from .systems import PROBES, SHEET_ROWS, Options, keyframes
from .witnesses import Line

AT_ONCE = 4  # stories: what a run that is killed loses of each process


@dataclass(frozen=True)
class Assignment:
    """Stories that lack the same systems."""

    stories: tuple[HeldOut, ...]
    systems: tuple[str, ...]


@dataclass(frozen=True)
class Brief:
    """What every process needs to know."""

    model: str
    reader: Path | None
    localiser: Path | None
    options: Options
    results: Results
    batch: int = BATCH
    heads: FactHeads | None = None  # of the second witness; None for one that is not asked


def judge_of(brief: Brief) -> Judge:
    return Judge(ClipReader.load(brief.reader), Localiser.load(brief.localiser))


def plan(results: Results, wanted: Sequence[tuple[HeldOut, tuple[str, ...]]], at_once: int) -> list[Assignment]:
    """Jobs for what is lacking of (story, systems). A run that goes on makes the batches that it would have made."""
    groups = defaultdict[tuple[str, int, tuple[str, ...]], list[HeldOut]](list)
    for story, names in wanted:
        lacking = results.lacking(story.protocol, story.index, names)
        if lacking:
            groups[story.protocol, story.index // at_once, lacking].append(story)
    return [Assignment(tuple(stories), names) for (_, _, names), stories in groups.items()]


def work(brief: Brief, jobs: Sequence[Assignment], processes: int) -> Iterator[Assignment]:
    """Does the jobs and yields each when its results are on disk. Killed, it loses those that are not done."""
    if processes == 1:
        hand = Hand(brief)
        for job in jobs:
            hand.do(job)
            yield job
        return
    context = multiprocessing.get_context("spawn")
    threads = max(1, available_cores() // processes)
    with ProcessPoolExecutor(processes, context, initializer=_start, initargs=(brief, threads)) as pool:
        try:
            done = {pool.submit(_do, job): job for job in jobs}
            for future in as_completed(done):
                future.result()
                yield done[future]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def processes_here() -> int:
    """One a core, which makes more of a CPU than more threads do; one for a GPU."""
    return 1 if torch.cuda.is_available() else available_cores()


def available_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Hand:
    """One process's models, and what it does with them."""

    def __init__(self, brief: Brief) -> None:
        pipeline = loading.load(brief.model)
        pipeline.set_progress_bar_config(disable=True)
        self.results, self.judge = brief.results, judge_of(brief)
        if brief.heads is not None:
            line = Line(pipeline.image_encoder.float(), self.judge.localiser, brief.heads)
            self.judge = replace(self.judge, line=line)
        self.filming = Filming(pipeline, brief.options, brief.batch)

    def do(self, job: Assignment) -> None:
        since, made = time.perf_counter(), self.filming.made
        outcome = self._scored(job)
        share = len(job.stories)
        clips, seconds = (self.filming.made - made) / share, (time.perf_counter() - since) / share
        for story, (score, takes) in zip(job.stories, outcome, strict=True):
            if all(name in takes for name in SHEET_ROWS):
                films = [keyframes([take.frames for take in takes[name]]) for name in SHEET_ROWS]
                self.results.add_strip(story.protocol, story.index, films)
            self.results.add(story.protocol, story.index, score, clips, seconds)

    def _scored(self, job: Assignment) -> list[tuple[StoryScore, dict[str, list[FilmedScene]]]]:
        """Scores and films; probes show nothing that a contact sheet has room for."""
        if job.stories[0].protocol != PROBES:
            return score_stories(self.filming, self.judge, job.stories, job.systems)
        return [(score, {}) for score in score_probes(self.filming, self.judge, job.stories, job.systems)]


_hand: Hand | None = None  # of a process of the pool


def _start(brief: Brief, threads: int) -> None:
    global _hand
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _hand = Hand(brief)


def _end_with_parent() -> None:
    """Without it a process would wait for work for ever when the one that gives it was killed."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(job: Assignment) -> None:
    assert _hand is not None, "the process was started by _start"
    _hand.do(job)
