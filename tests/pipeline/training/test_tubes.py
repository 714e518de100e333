"""Clips with questions: what is asked is true of one actor in these frames, or of nobody."""

import random

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.grounding.layers import COLUMNS, ROWS
from pipeline.grounding.tubes import Located
from pipeline.picturebook.world import ACTIONS
from pipeline.training.dataset.tubes import AskedClip, asked_clip
from pipeline.training.models.locator import Batch, tube_losses


@pytest.fixture(scope="module")
def clips() -> list[AskedClip]:
    return [asked_clip(random.Random(f"test/{i}")) for i in range(60)]


def test_the_same_chance_gives_the_same_clip(clips: list[AskedClip]) -> None:
    again = asked_clip(random.Random("test/3"))
    assert np.array_equal(again.frames, clips[3].frames) and again.questions == clips[3].questions


def test_boxes_are_around_what_the_mask_shows(clips: list[AskedClip]) -> None:
    for clip in clips:
        for actor, own in enumerate(clip.boxes):
            for t in np.nonzero(clip.shown[actor])[0]:
                rows, columns = np.nonzero((clip.masks[t].astype(int) + 1) // 2 == actor + 1)
                x, y, width, height = own[t]
                assert columns.min() / 144 == pytest.approx(x - width / 2, abs=1e-5)
                assert (rows.max() + 1) / 96 == pytest.approx(y + height / 2, abs=1e-5)


def test_answers_are_frames_in_which_the_actor_is_seen(clips: list[AskedClip]) -> None:
    answered = [(clip, q) for clip in clips for q in clip.questions if q.actor is not None]
    assert len(answered) > 100
    for clip, question in answered:
        assert clip.shown[question.actor, question.first : question.last + 1].all()


def test_many_answers_are_part_of_a_clip_and_many_are_not_there(clips: list[AskedClip]) -> None:
    questions = [q for clip in clips for q in clip.questions]
    partial = [q for q in questions if q.actor is not None and q.last - q.first < 16]
    absent = [q for q in questions if q.actor is None]
    assert len(partial) > 0.3 * len(questions) and len(absent) > 0.25 * len(questions)
    assert any("starts" in q.text or "begins" in q.text for q in partial)
    assert any(action in q.text for q in absent for action in ACTIONS)


def test_nobody_else_fits_a_question_about_a_kind() -> None:
    for i in range(200):
        clip = asked_clip(random.Random(f"kinds/{i}"))
        for question in clip.questions:
            if question.text in ("the robot", "robot", "a robot") and question.actor is not None:
                assert question.last - question.first + 1 == clip.shown[question.actor].sum()


def test_the_losses_are_least_for_the_truth() -> None:

    inside = torch.tensor([[False, True, True, False], [False] * 4])
    boxes = torch.full((2, 4, 4), 0.5)
    cells = torch.zeros(2, 4, ROWS * COLUMNS)
    batch = Batch(*([torch.zeros(1)] * 5), inside.any(1), inside, boxes, cells)

    def answer(first: int, last: int, there: Tensor, box: float) -> Located:
        ends = torch.zeros(1, 2, 4, 2)
        ends[0, 0, first, 0] = ends[0, 0, last, 1] = 6.0
        weights = torch.zeros(1, 2, 4, ROWS * COLUMNS + 3)
        logits = torch.where(there, 5.0, -5.0)[None]
        return Located(torch.full((1, 2, 4, 4), box), ends, logits, cells[None] - 6.0, weights)

    right = tube_losses(answer(1, 2, inside, 0.5), batch)
    for wrong in (answer(0, 2, inside, 0.5), answer(1, 2, ~inside, 0.5), answer(1, 2, inside, 0.3)):
        assert tube_losses(wrong, batch)["loss"] > right["loss"] + 0.1
    assert right["there"] == 1 and right["giou"] == pytest.approx(1.0)
