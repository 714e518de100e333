"""The ablations of the generator's training."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.autoencoder import AutoencoderLinearVideo
from pipeline.backbones.checkpoints import find
from pipeline.decoupler import Decoupler
from pipeline.encoders.image import small_vision_model
from pipeline.evaluation import ablations
from pipeline.evaluation.common.statistics import Estimate
from pipeline.feature_extractor import FeatureExtractor
from pipeline.training.models import generator
from pipeline.training.models.noising import Choices
from pipeline.training.stages import Workshop


@pytest.fixture
def trained(little_set: Path, fitted, tmp_path: Path) -> Workshop:
    """A training of ten stories whose generator is done."""
    torch.manual_seed(0)
    extractor, vision = FeatureExtractor(image_dim=64, dim=32, num_layers=1, num_heads=2), small_vision_model(64, 1)
    for name, part in {"extractor": extractor, "image_encoder": vision, "vae": fitted[0]}.items():
        part.save_pretrained(tmp_path / name)
    (tmp_path / "cache").symlink_to(little_set)
    trainer = generator.GeneratorTrainer(extractor, fitted[0], 64)
    trainer.transformer.save_pretrained(tmp_path / "transformer")
    trainer.decoupler.save_pretrained(tmp_path / "decoupler")
    return Workshop(tmp_path, find("picturebook"), shards=1)


def test_only_the_arm_that_trains_the_extractor_changes_it(trained: Workshop) -> None:
    before = FeatureExtractor.from_pretrained(trained.out / "extractor").state_dict()
    for name, frozen in (("as it is", True), ("extractor trained end to end", False)):
        folder = ablations.train_arm(name, trained, steps=2)
        after = FeatureExtractor.from_pretrained(folder / "extractor").state_dict()
        assert all(torch.equal(value, after[key]) for key, value in before.items()) == frozen
        assert ablations.train_arm(name, trained, steps=2) == folder  # it is there already


def test_an_arm_goes_without_its_part_and_keeps_the_others(trained: Workshop) -> None:
    parts = {
        name: Decoupler.from_pretrained(ablations.train_arm(name, trained, steps=2) / "decoupler").state_dict()
        for name in ("as it is", "decoupling loss")
    }
    one, other = parts.values()
    assert any(not torch.equal(one[key], other[key]) for key in one)


def test_without_history_noise_remembered_keyframes_are_clean(
    trained: Workshop, fitted, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, original = [], generator.recollect
    monkeypatch.setattr(generator, "recollect", lambda *a: seen.append(a[4]) or original(*a))  # variant
    vae = AutoencoderLinearVideo.from_pretrained(trained.out / "vae")
    extractor = FeatureExtractor.from_pretrained(trained.out / "extractor")
    vision = ablations.load_vision(trained)
    data = ablations.extractors.load_data(trained.cache, vision)
    for noise in (True, False):
        trainer = generator.GeneratorTrainer(extractor, vae, 64)
        choices = Choices(history_noise=noise)
        generator.make_losses(trainer, extractor, vae, vision, trained.cache, data, 8, choices)(
            torch.Generator().manual_seed(0)
        )
    assert seen[0].any() and not seen[1].any()


def test_a_model_is_measured_on_held_out_stories() -> None:
    figures = ablations.measure(find("picturebook"), ablations.Budget(1, 1, 11))
    assert set(figures) == set(ablations.MEASURES)
    assert 0 < figures["place"].mean <= 1 and figures["place"].n == 1


def test_the_table_holds_what_has_been_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = {name: Estimate(0.5, 0.25, 0.75, 4) for name in ablations.MEASURES}

    def arms():
        yield "as it is", figures
        assert json.loads((tmp_path / "a.json").read_text())["as it is"]["actor"]["high"] == 0.75
        yield "decoupling loss", figures

    ablations.report(arms(), tmp_path / "a.json")
    printed = capsys.readouterr().out.splitlines()
    assert printed[2].startswith("| as it is | 0.50 (0.25–0.75) |") and len(printed) == 4
    assert printed[0].count("|") == printed[1].count("|") == printed[2].count("|")
