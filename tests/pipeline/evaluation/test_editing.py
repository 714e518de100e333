"""Which systems an evaluation of edits asks, and what it keeps of finished scenes."""

from pathlib import Path

import pytest

from pipeline.errors import ThroughlineError
from pipeline.evaluation.common.statistics import Tally
from pipeline.evaluation.editing.__main__ import chosen
from pipeline.evaluation.editing.progress import Progress
from pipeline.evaluation.editing.systems import systems

ASKED = {"seed": 1, "rendered": False}
TALLIES = {"ours": {"part": {"asked": Tally(1, 2), "motion": Tally(0.5, 1)}}}


def test_finished_scenes_are_taken_from_the_file(tmp_path: Path) -> None:
    first = Progress(tmp_path / "a", ASKED)
    first.add(0, TALLIES)
    first.add(3, {})
    assert Progress(tmp_path / "a", ASKED).done == {0: TALLIES, 3: {}}


def test_without_a_file_nothing_is_kept() -> None:
    progress = Progress(None, ASKED)
    progress.add(0, TALLIES)
    assert progress.done == {0: TALLIES}


def test_a_file_of_other_figures_is_refused(tmp_path: Path) -> None:
    Progress(tmp_path / "a", ASKED)
    with pytest.raises(ThroughlineError, match=r"is of \{'seed': 1, .*expected \{'seed': 2"):
        Progress(tmp_path / "a", ASKED | {"seed": 2})
    (tmp_path / "b").write_text("nothing\n")
    with pytest.raises(ThroughlineError, match="is no progress of an evaluation"):
        Progress(tmp_path / "b", ASKED)


def test_systems_are_chosen_by_name() -> None:
    every = systems(True)
    assert chosen(every, []) == every and list(chosen(every, ["rerender", "ours"])) == ["rerender", "ours"]
    with pytest.raises(ThroughlineError, match="system is 'theirs': expected one of ours, rerender"):
        chosen(every, ["theirs"])
