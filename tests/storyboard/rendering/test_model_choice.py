"""The options that all commands share."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import defaults
from pipeline.blocks.block_cache import SPEEDS
from pipeline.defaults import HISTORIES
from storyboard.rendering.model_choice import Choice, add_options
from tests.tiny import save_tiny


def parsed(*arguments: str) -> Choice:
    parser = argparse.ArgumentParser()
    add_options(parser)
    return Choice.of(parser.parse_args(arguments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("model"))


def test_options_become_the_arguments_of_load(folder: Path) -> None:
    choice = parsed(
        "--model", str(folder), "--memory", "balanced", "--history", "reference", "--offline", "--speed", "fast",
        "--weights", "float8",
    )  # fmt: skip
    assert choice == Choice(str(folder), None, True, "balanced", "reference", speed="fast", weights="float8")
    pipeline = choice.load()
    assert (pipeline.history, pipeline.placement.name, pipeline.speed) == ("reference", "balanced", "fast")


def test_by_default_it_is_the_embedded_model_as_it_was_trained() -> None:
    assert parsed() == Choice()


def test_another_history_is_another_model_to_a_story(folder: Path) -> None:
    digests = {history: Choice(str(folder), history=history).digest() for history in (None, *HISTORIES)}
    assert digests[None] == digests["trained"]
    assert len(set(digests.values())) == 3


def test_another_speed_is_not() -> None:
    assert tuple(SPEEDS) == defaults.SPEEDS
    assert Choice(speed="fast").digest() == Choice().digest()


def test_the_options_load_no_torch() -> None:
    program = "import sys, storyboard.rendering.model_choice; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout.strip() == "False"
