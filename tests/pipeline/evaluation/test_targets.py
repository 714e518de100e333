"""The ablation of what the feature extractor is trained against."""

from pathlib import Path

import pytest
import torch

from pipeline.encoders.image import small_vision_model
from pipeline.evaluation import targets
from pipeline.feature_extractor import FeatureExtractor
from pipeline.training.models import extractor


@pytest.fixture(scope="module")
def data(little_set: Path) -> extractor.ExtractorData:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(targets, "TAIL", 4)
        yield extractor.load_data(little_set, small_vision_model(64, 1).eval())


def gradient(name: str, data: extractor.ExtractorData) -> torch.Tensor:
    """Of the keys of the cross-attention, in the first step against a target."""
    torch.manual_seed(0)
    model = FeatureExtractor(image_dim=64, dim=32, num_layers=1, num_heads=2)
    targets.prediction_losses(name, model, data, 8)(torch.Generator().manual_seed(0))["loss"].backward()
    return model.attention.to_v.weight.grad


def test_only_a_live_target_is_drawn_towards_its_prediction(data: extractor.ExtractorData) -> None:
    stopped, averaged, live = (gradient(name, data) for name in ("stopped", "averaged", "live"))
    torch.testing.assert_close(stopped, averaged)  # the average begins as a copy
    assert (live - stopped).norm() > 0.1 * stopped.norm() > 0


def test_every_target_trains_and_is_judged(data: extractor.ExtractorData, tmp_path: Path) -> None:
    for name in targets.TARGETS:
        model = targets.train_with(name, data, 64, steps=2, batch=8, folder=tmp_path)
        verdict = targets.judge(model, data)
        assert 1 <= verdict["rank"] <= 192 and all(0 <= verdict[key] <= 1 for key in ("looks", "pointing"))
        assert model.attention.to_v.weight.requires_grad != name.endswith("frozen")


def test_rows_that_are_all_alike_have_rank_one(data: extractor.ExtractorData) -> None:
    torch.manual_seed(0)
    model = FeatureExtractor(image_dim=64, dim=32, num_layers=1, num_heads=2).eval()
    spread = targets.judge(model, data)["rank"]
    torch.nn.init.zeros_(model.out[1].weight)
    with torch.no_grad():
        model.out[1].weight[0] = 1.0
    assert targets.judge(model, data)["rank"] < 1.5 < spread
