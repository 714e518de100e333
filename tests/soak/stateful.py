"""Any sequence of edits, undo, redo, renders, restarts and clearing up, against a list (hypothesis, stateful).

python -m tests.soak.stateful --examples 300
"""

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from storyboard.studio import Studio
from tests.soak.fakes import open_fake
from tests.soak.kills import check_media
from tests.soak.model import Op, Pages, as_edit, page_of

ME, YOU = "a" * 32, "b" * 32
PROMPTS = ["Mia runs.", "Mia sleeps.", "A dog barks at Mia.", "", "The dog runs."]
RARELY = st.integers(0, 7).map(lambda number: number == 0)


class StoryMachine(RuleBasedStateMachine):
    """One story, as a studio keeps it and as a list would."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="throughline-stateful-"))
        self.studio: Studio = open_fake(self.folder, step_seconds=0, steps=1)
        self.story: str = self.studio.new_story(ME, "Film", ["Mia runs.", "Mia waves."])["story"]["id"]
        self.pages = Pages([page_of(self.board.story)])
        self.takes: dict[str, str] = {}  # every take ever made, and its clip
        self.number = 0

    @property
    def board(self):
        return self.studio.library.head(ME, self.story).board

    @property
    def scenes(self) -> tuple[tuple[str, str], ...]:
        return self.pages.page[1]

    def do(self, op: Op) -> None:
        self.studio.edit(ME, self.story, as_edit(op))
        self.pages.do(op)

    @rule(title=st.sampled_from(["Film", "Another", "雪"]))
    def rename(self, title: str) -> None:
        self.do(("title", title))

    @precondition(lambda self: self.scenes)
    @rule(place=st.integers(0, 9), prompt=st.sampled_from(PROMPTS))
    def write(self, place: int, prompt: str) -> None:
        self.do(("prompt", self.scenes[place % len(self.scenes)][0], prompt))

    @precondition(lambda self: len(self.scenes) < 6)
    @rule(place=st.integers(0, 9), prompt=st.sampled_from(PROMPTS))
    def add(self, place: int, prompt: str) -> None:
        self.number += 1
        self.do(("add", str(place % (len(self.scenes) + 1)), f"new{self.number}", prompt))

    @precondition(lambda self: self.scenes)
    @rule(place=st.integers(0, 9))
    def remove(self, place: int) -> None:
        self.do(("remove", self.scenes[place % len(self.scenes)][0]))

    @precondition(lambda self: self.scenes)
    @rule(place=st.integers(0, 9), to=st.integers(0, 9))
    def move(self, place: int, to: int) -> None:
        self.do(("move", self.scenes[place % len(self.scenes)][0], str(to % len(self.scenes))))

    @precondition(lambda self: self.pages.present > 0)
    @rule()
    def undo(self) -> None:
        self.studio.undo(ME, self.story)
        self.pages.do(("undo",))

    @precondition(lambda self: self.pages.present < len(self.pages.revisions) - 1)
    @rule()
    def redo(self) -> None:
        self.studio.redo(ME, self.story)
        self.pages.do(("redo",))

    @rule(again=RARELY)
    def render(self, again: bool) -> None:
        wanted = [scene for scene, prompt in self.scenes if prompt] if again else None
        self.studio.render(ME, self.story, wanted, again)
        for _ in self.studio.follow(ME, self.story, pause=0.001):
            pass
        states = [standing.state for standing in self.studio.standings(ME, self.story).values()]
        assert all(state in ("fresh", "blank") for state in states), states

    @rule()
    def restart(self) -> None:
        self.studio.close()
        self.studio = open_fake(self.folder, step_seconds=0, steps=1)

    @rule()
    def clear_up(self) -> None:
        """As after a week: only what nothing refers to may go."""
        self.studio.media.put(b"left over", "zip")
        self.studio.media.collect(self.studio.library.referred(), older_than_seconds=-1)

    @invariant()
    def is_as_a_list_would_be(self) -> None:
        head = self.studio.library.head(ME, self.story)
        assert page_of(head.board.story) == self.pages.page
        assert head.can_undo == (self.pages.present > 0)
        assert head.can_redo == (self.pages.present < len(self.pages.revisions) - 1)
        shelf = {take.id: take.clip for take in head.board.takes.values()}
        assert self.takes.items() <= shelf.items(), "a take is gone"
        self.takes = shelf
        assert set(shelf.values()) <= check_media(self.folder / "media"), "a clip is gone"
        assert self.studio.library.stories(YOU) == []

    def teardown(self) -> None:
        if hasattr(self, "studio"):
            self.studio.close()
            shutil.rmtree(self.folder)


def run(examples: int, steps: int = 12) -> None:
    """Raises what hypothesis does for the shortest sequence that goes wrong."""
    wanted = settings(
        max_examples=examples,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(StoryMachine, settings=wanted)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--examples", type=int, default=300)
    options = parser.parse_args()
    began = time.monotonic()
    run(options.examples)
    print(f"{options.examples} sequences: as a list would be; {time.monotonic() - began:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
