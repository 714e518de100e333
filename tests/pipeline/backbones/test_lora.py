"""LoRAs merged into models: as diffusers and peft write them, stacked, and with a schedule of a few steps."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline import loading
from pipeline.backbones import lora
from pipeline.backbones.checkpoints import digest
from pipeline.backbones.distilled import ALONE
from pipeline.backbones.registry import family_of
from tests import checkpoints, image_checkpoints, ltx2_checkpoints, ltx_checkpoints, wan_checkpoints

pytest.importorskip("peft", reason="optional: pip install peft")
PROMPT, PAST = "A cat is driving on the beach", "A cat is running in the snow"
FILE = "diffusion_pytorch_model.safetensors"
NAMES = {  # of a layer of every network that LoRAs are for
    "cogvideox": ("transformer", "transformer_blocks.0.attn1.to_q"),
    "wan": ("transformer", "blocks.0.attn1.to_q"),
    "ltx": ("transformer", "transformer_blocks.0.attn1.to_q"),
    "ltx2": ("transformer", "transformer_blocks.0.attn1.to_q"),
    "animatediff": ("unet", "down_blocks.0.attentions.0.transformer_blocks.0.attn1.to_q"),
}
SAVE = {
    "cogvideox": lambda folder: checkpoints.save(folder, "2b"),
    "wan": lambda folder: wan_checkpoints.save(folder, "2.2-A14B"),
    "ltx": lambda folder: ltx_checkpoints.save(folder, "0.9"),
    "ltx2": lambda folder: ltx2_checkpoints.save(folder, "2.3"),
    "animatediff": image_checkpoints.save,
}


def written(folder: Path, target: Path, layer: tuple[str, str], peft: bool = False, seed: int = 0) -> torch.Tensor:
    """A LoRA of rank 2 of one layer of a model, and what it adds to its weights at full strength."""
    network, name = layer
    weight = load_file(folder / network / FILE)[f"{name}.weight"]
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(2, weight.shape[1], generator=generator)
    b = torch.randn(weight.shape[0], 2, generator=generator)
    prefix = "base_model.model" if peft else network
    target.mkdir()
    save_file({f"{prefix}.{name}.lora_A.weight": a, f"{prefix}.{name}.lora_B.weight": b}, target / "a.safetensors")
    if peft:
        (target / "adapter_config.json").write_text(json.dumps({"r": 2, "lora_alpha": 6}))
    return (3 if peft else 1) * b @ a


@pytest.mark.parametrize("family", NAMES)
def test_loras_of_diffusers_and_of_peft_stack_with_their_strengths(family: str, tmp_path: Path) -> None:
    folder, (network, name) = SAVE[family](tmp_path / "model"), NAMES[family]
    added = [written(folder, tmp_path / str(i), NAMES[family], peft=bool(i), seed=i) for i in range(2)]
    code = lora.main([str(folder), str(tmp_path / "to"), "--lora", f"{tmp_path}/0=0.5", "--lora", f"{tmp_path}/1=-2"])
    assert code == 0
    before, after = (load_file(path / network / FILE) for path in (folder, tmp_path / "to"))
    expected = before[f"{name}.weight"] + 0.5 * added[0] - 2 * added[1]
    torch.testing.assert_close(after[f"{name}.weight"], expected, rtol=1e-4, atol=1e-4)
    assert all(torch.equal(after[key], value) for key, value in before.items() if key != f"{name}.weight")
    assert digest(folder) != digest(tmp_path / "to")
    assert loading.load(str(tmp_path / "to"), "cpu", "float32").backbone.name == family


def test_a_few_step_lora_brings_its_schedule_and_at_one_only_history_acts(tmp_path: Path, capsys) -> None:
    folder, small = SAVE["wan"](tmp_path / "model"), {"height": 32, "width": 64, "num_frames": 5}
    for i in range(2):
        written(folder, tmp_path / str(i), NAMES["wan"], seed=i)
    options = ["--lora", f"{tmp_path}/0", "--lora-2", f"{tmp_path}/1", "--steps", "4", "--shift", "5"]
    assert lora.main([str(folder), str(tmp_path / "to"), *options]) == 0
    assert ALONE in capsys.readouterr().out
    few = loading.load(str(tmp_path / "to"), "cpu", "float32")
    assert (few.native.steps, few.guidance.text) == (4, 1.0)
    assert family_of(tmp_path / "to").native(tmp_path / "to") == few.backbone.native
    times = torch.tensor(few.backbone.sampler(4, 0.0).timesteps)
    torch.testing.assert_close(times, torch.tensor([1000, 937.5, 833.3333, 625]), rtol=1e-4, atol=0)
    clip = few(PROMPT, [few.encode_scene(PAST, few(PROMPT, **small).frames)], **small)
    assert all("text_pull" not in step and "history_pull" in step for step in clip.trace.guidance)
    usual = loading.load(str(folder), "cpu", "float32")
    assert usual.native.steps == 40 and len(usual.backbone.sampler(4, 0.0).timesteps) == 4


def test_cogvideox_takes_a_shift_of_its_own_and_image_models_none(tmp_path: Path, capsys) -> None:
    folder = SAVE["cogvideox"](tmp_path / "model")
    assert lora.main([str(folder), str(tmp_path / "to"), "--steps", "6", "--text", "2", "--shift", "7"]) == 0
    few = loading.load(str(tmp_path / "to"), "cpu", "float32")
    assert (few.native.steps, few.guidance.text, few.scheduler.config.snr_shift_scale) == (6, 2.0, 7)
    assert loading.load(str(folder), "cpu", "float32").scheduler.config.snr_shift_scale == 3.0
    ltx = SAVE["ltx"](tmp_path / "ltx")
    assert lora.main([str(ltx), str(tmp_path / "few-ltx"), "--steps", "8"]) == 0
    native = loading.load(str(tmp_path / "few-ltx"), "cpu", "float32").backbone.native
    assert (native.steps, native.text) == (8, 1.0)
    assert family_of(tmp_path / "few-ltx").native(tmp_path / "few-ltx").steps == 8
    image = SAVE["animatediff"](tmp_path / "image")
    assert lora.main([str(image), str(tmp_path / "no"), "--steps", "6", "--shift", "7"]) == 2
    assert "shift is 7: expected none for a model with an AutoencoderKL" in capsys.readouterr().err
    assert not list(tmp_path.glob("no*"))


@pytest.mark.parametrize(
    "options, reason",
    [
        (["--lora", "nowhere.safetensors"], "lora is 'nowhere.safetensors': expected a .safetensors file"),
        (["--lora", "a=b"], "lora is 'a=b': expected FILE or FILE=STRENGTH"),
        (["--lora", "a=99"], "strength of 'a' is 99.0: expected a number from -10 to 10"),
        (["--lora", "OTHER"], "expected a LoRA of a CogVideoXTransformer3DModel"),
        (["--lora-2", "OTHER"], "has no transformer_2: expected one for"),
        (["--steps", "0"], "steps is 0: expected 1 to 50"),
        (["--shift", "5"], "shift is 5: expected --steps beside it"),
    ],
)
def test_what_cannot_be_merged_is_said_in_a_line_and_leaves_nothing(options, reason, tmp_path: Path, capsys) -> None:
    folder = SAVE["cogvideox"](tmp_path / "model")
    save_file({"transformer.nothing.lora_A.weight": torch.ones(2, 2)}, tmp_path / "other.safetensors")
    given = [str(tmp_path / "other.safetensors") if option == "OTHER" else option for option in options]
    assert lora.main([str(folder), str(tmp_path / "to"), *given]) == 2
    assert reason in capsys.readouterr().err and not list(tmp_path.glob("to*"))
