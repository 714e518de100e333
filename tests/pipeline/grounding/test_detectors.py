"""Detectors in their own layout with small random weights: what is loaded, refused, and made of their boxes."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    BertConfig,
    BertTokenizerFast,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessorPil,
    SwinConfig,
)

from pipeline.errors import ThroughlineError, WeightsError
from pipeline.grounding import film
from pipeline.grounding.detected import DetectorFilm
from pipeline.grounding.detectors import GroundingDino, Said

WORDS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "the", "robot", "girl")
CLIP = np.random.default_rng(0).integers(0, 256, (11, 96, 144, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of 0.2 M weights."""
    folder = tmp_path_factory.mktemp("detector")
    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    stages = {"depths": [1] * 4, "num_heads": [1, 1, 2, 2], "out_features": ["stage2", "stage3", "stage4"]}
    layers = {"encoder_layers": 1, "decoder_layers": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32}
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(image_size=64, embed_dim=8, window_size=2, **stages),
        text_config=BertConfig(vocab_size=len(WORDS), max_position_embeddings=64, **small),
        d_model=32, num_queries=8, encoder_attention_heads=2, decoder_attention_heads=2, max_text_len=32, **layers,
    )  # fmt: skip
    torch.manual_seed(0)
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    GroundingDinoImageProcessorPil(size={"shortest_edge": 64, "longest_edge": 96}).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(WORDS) + "\n")
    BertTokenizerFast(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


LEAST_SCORE = GroundingDino.least_score


@pytest.fixture(scope="module")
def detector(folder: Path) -> DetectorFilm:
    return DetectorFilm.load(folder)


def say(monkeypatch: pytest.MonkeyPatch, detector: DetectorFilm, *scores: float) -> None:
    """Lets the detector see a box that moves to the right, as surely as `scores` say."""

    def look(pictures: np.ndarray, words: str) -> list[Said]:
        return [Said(score, np.array([0.1 * i, 0, 0.1 * i + 0.4, 1], np.float32)) for i, score in enumerate(scores)]

    monkeypatch.setattr(detector.detector, "look", look)


def test_every_picture_is_answered_with_a_box_inside_it(detector: DetectorFilm) -> None:
    said = detector.detector.look(CLIP[::4], "The robot")
    assert len(said) == 3
    for score, box in said:
        assert 0 <= score <= 1 and box.shape == (4,) and (box >= 0).all() and (box <= 1).all()


def test_the_longest_sure_run_is_the_tube(detector: DetectorFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, detector, 0.1, 0.9, 0.8)
    tube = detector.find(detector.see(CLIP), "the robot")
    assert tube is not None and (tube.first, tube.last) == (4, 10) and tube.score == pytest.approx(0.9)
    assert tube.boxes.shape == (7, 4)
    assert tube.boxes[2] == pytest.approx([0.15, 0, 0.55, 1]), "between the frames that were looked at"


def test_unsure_is_not_there(detector: DetectorFilm, monkeypatch: pytest.MonkeyPatch) -> None:
    say(monkeypatch, detector, *[LEAST_SCORE - 0.01] * 3)
    assert detector.find(detector.see(CLIP), "the robot") is None


def test_the_environment_names_a_detector(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(film.LOCATOR, str(folder))
    assert isinstance(film.load(), DetectorFilm)


def test_what_is_no_detector_is_refused(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ThroughlineError, match=r"expected a folder whose config\.json names a model"):
        film.load(str(tmp_path / "nothing"))
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert"}))
    with pytest.raises(ThroughlineError, match="is a 'bert': expected one of grounding-dino"):
        film.load(str(tmp_path))


def test_a_checkpoint_without_weights_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((folder / "config.json").read_bytes())
    with pytest.raises(WeightsError, match="cannot be loaded"):
        DetectorFilm.load(tmp_path)
