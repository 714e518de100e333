"""The linear probe reads the image encoder that ships, which lies on disk in half precision."""

from pathlib import Path

import torch

from pipeline.evaluation.probe import load_image_encoder
from tests.tiny import tiny_vision_model


def test_an_image_encoder_in_half_precision_is_read_in_single(tmp_path: Path) -> None:
    tiny_vision_model().half().save_pretrained(tmp_path / "image_encoder")
    assert {parameter.dtype for parameter in load_image_encoder(str(tmp_path)).parameters()} == {torch.float32}
