"""The families of models `test_conformance.py` holds to the contract: a new one needs no more than an entry here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKLLTX2Video,
    AutoencoderKLTemporalDecoder,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    GGUFQuantizationConfig,
    LTX2Pipeline,
    LTXPipeline,
    StableVideoDiffusionPipeline,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
)
from diffusers.pipelines.wan import pipeline_wan_i2v, pipeline_wan_vace
from PIL import Image
from torch import Tensor

from pipeline.backbones.checkpoints import gguf_of
from tests import checkpoints, image_checkpoints, ltx2_checkpoints, ltx_checkpoints, tiny, toy_family, wan_checkpoints

PROMPT, PAST, UNRELATED = "A cat is driving on the beach", "A cat is running in the snow", "A robot in the library"
SEED = 5


@dataclass(frozen=True)
class Case:
    """A family, or a model of it that differs from the others in what the backbone does.

    save: writes a checkpoint in its layout with small random weights. small: settings of a small clip. stock: the
    pipeline of diffusers that it equals without history, by the same folder and settings, to latents (f, C, h, w) or
    frames (F, H, W, 3) in 0..1; None where there is none. has_text_encoder: whether the folder brings its own.
    """

    name: str
    save: Callable[[Path], Path]
    small: dict[str, Any]
    stock: Callable[[Path, str, dict[str, Any]], Tensor] | None = None
    has_text_encoder: bool = True
    savable: bool = True  # whether its weights can be written again
    only_sampler: bool = False  # whether it differs from another case in how it is sampled alone
    begins: bool = False  # whether every clip starts from a picture
    families: dict[str, str] = field(default_factory=dict)  # lines of `registry.FAMILIES` that are not there
    row: str = ""  # of the table in docs/large-models.md; "" for a family of the tests alone

    @property
    def asked(self) -> dict[str, Any]:
        """What a call for a small clip is given."""
        return self.small | ({"beginning": self.picture()} if self.begins else {})

    def picture(self, seed: int = 0) -> np.ndarray:
        """A picture that a clip may start from, uint8 (1, H, W, 3)."""
        size = (1, self.small["height"], self.small["width"], 3)
        return np.random.default_rng(seed).integers(0, 256, size, np.uint8)

    def __str__(self) -> str:
        return self.name


def run_stock(kind: type, own: dict[str, Any], folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    """What a pipeline of diffusers makes of PROMPT. own: arguments that it alone takes."""
    stock: Any = kind.from_pretrained(folder, local_files_only=True)  # type: ignore[attr-defined]
    stock.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(SEED)
    given = {**settings, "num_inference_steps": settings["steps"]} | own
    del given["steps"]
    given |= {"prompt": PROMPT, "generator": generator, "output_type": output, "return_dict": False}
    return torch.as_tensor(stock(**given)[0])[0]


def run_wan(guidance: float, folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    found = run_stock(WanPipeline, {"guidance_scale": guidance}, folder, output, settings)
    return found.transpose(0, 1) if output == "latent" else found


def run_vace(folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    with pytest.MonkeyPatch.context() as patch:  # it asks ftfy even where that is not installed
        patch.setattr(pipeline_wan_vace, "ftfy", SimpleNamespace(fix_text=lambda text: text), raising=False)
        found = run_stock(WanVACEPipeline, {"guidance_scale": 5.0}, folder, output, settings)
    return found.transpose(0, 1) if output == "latent" else found


def run_wan_from_a_picture(guidance: float, folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    own = {"guidance_scale": guidance, "image": picture_of(settings)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pipeline_wan_i2v, "ftfy", SimpleNamespace(fix_text=lambda text: text), raising=False)
        found = run_stock(WanImageToVideoPipeline, own, folder, output, settings)
    return found.transpose(0, 1) if output == "latent" else found


def run_cogvideox_from_a_picture(folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    own = {"max_sequence_length": checkpoints.TEXT_LENGTH, "image": picture_of(settings)}
    return run_stock(CogVideoXImageToVideoPipeline, own, folder, output, settings)


def picture_of(settings: dict[str, Any]) -> Image.Image:
    return Image.fromarray(Case("", Path, settings).picture()[0])


def run_ltx(folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    """Latents (N, C) are tokens there."""
    found = run_stock(LTXPipeline, {"guidance_scale": 3.0}, folder, output, settings)
    if output != "latent":
        return found
    height, width = settings["height"] // 32, settings["width"] // 32
    return found.unflatten(0, (-1, height, width)).movedim(-1, 1)


def run_ltx2(folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    """Guided by the text alone, with one weight for picture and sound. Latents have their own mean and spread there."""
    others = {"stg_scale": 0.0, "modality_scale": 1.0, "guidance_rescale": 0.0}
    weights = {"guidance_scale": 3.0, **others}
    own = weights | {f"audio_{name}": value for name, value in weights.items()}
    found = run_stock(LTX2Pipeline, own, folder, output, settings)
    if output != "latent":
        return found
    vae = AutoencoderKLLTX2Video.from_pretrained(folder / "vae", local_files_only=True)
    mean, std = (x[:, None, None, None] for x in (vae.latents_mean, vae.latents_std))
    return ((found - mean) / std).transpose(0, 1)


def run_animatediff(guidance: float, folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    found = run_stock(AnimateDiffPipeline, {"guidance_scale": guidance}, folder, output, settings)
    return found.transpose(0, 1) if output == "latent" else found


@torch.no_grad()
def run_temporal(folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    """AnimateDiffPipeline's latents, decoded as StableVideoDiffusionPipeline decodes its own."""
    latents = run_animatediff(7.5, folder, "latent", settings)
    if output == "latent":
        return latents
    vae = AutoencoderKLTemporalDecoder.from_pretrained(folder / "vae", local_files_only=True)
    frames = StableVideoDiffusionPipeline.decode_latents(SimpleNamespace(vae=vae), latents[None], len(latents))
    return (frames[0].movedim(0, -1) / 2 + 0.5).clamp(0, 1)


def run_gguf(folder: Path, output: str, settings: dict[str, Any]) -> Tensor:
    network = WanTransformer3DModel.from_single_file(
        str(gguf_of(folder / "transformer")), config=str(folder), subfolder="transformer", local_files_only=True,
        quantization_config=GGUFQuantizationConfig(compute_dtype=torch.float32), dtype=torch.float32,
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        usual = WanPipeline.from_pretrained
        patch.setattr(WanPipeline, "from_pretrained", lambda *given, **own: usual(*given, transformer=network, **own))
        return run_wan(5.0, folder, output, settings)


COGVIDEOX = {"height": checkpoints.HEIGHT, "width": checkpoints.WIDTH, "num_frames": checkpoints.FRAMES, "steps": 3}
run_cogvideox = partial(run_stock, CogVideoXPipeline, {"max_sequence_length": checkpoints.TEXT_LENGTH})
WAN = {"height": wan_checkpoints.HEIGHT, "width": wan_checkpoints.WIDTH, "num_frames": wan_checkpoints.FRAMES}
LTX = {"height": ltx_checkpoints.HEIGHT, "width": ltx_checkpoints.WIDTH, "num_frames": ltx_checkpoints.FRAMES}
LTX2 = {"height": ltx2_checkpoints.HEIGHT, "width": ltx2_checkpoints.WIDTH, "num_frames": ltx2_checkpoints.FRAMES}
IMAGE = {"height": image_checkpoints.HEIGHT, "width": image_checkpoints.WIDTH, "num_frames": image_checkpoints.FRAMES}
TEXT, WORDS, MOVED = "CogVideoX 1.0, 1.5", "Wan 2.1, 2.2 A14B", "image model with temporal layers"

CASES = (
    Case(
        "picturebook",
        tiny.save_tiny,
        {"height": 48, "width": 72, "num_frames": 5, "steps": 3},
        has_text_encoder=False,
        row="picture book",
    ),
    Case(
        "toy",
        toy_family.save,
        {"height": 48, "width": 72, "num_frames": 5, "steps": 3},
        has_text_encoder=False,
        families={"ToyAutoencoder": toy_family.__name__},
    ),
    *(
        Case(f"cogvideox-{kind}", partial(checkpoints.save, kind=kind), COGVIDEOX, run_cogvideox, row=TEXT)
        for kind in checkpoints.KINDS
    ),
    Case("cogvideox-dpm", partial(checkpoints.save, kind="5b", dpm=True), COGVIDEOX, run_cogvideox, row=TEXT),
    *(
        Case(
            f"cogvideox-{kind}{'-dpm' * dpm}",
            partial(checkpoints.save, kind=kind, dpm=dpm),
            COGVIDEOX,
            run_cogvideox_from_a_picture,
            only_sampler=dpm,
            begins=True,
            row="CogVideoX 1.0, 1.5 I2V",
        )
        for kind in checkpoints.FROM_PICTURES
        for dpm in (False, True)
    ),
    Case("wan-2.1", partial(wan_checkpoints.save, kind="2.1"), {**WAN, "steps": 5}, partial(run_wan, 5.0), row=WORDS),
    Case(
        "wan-euler",
        partial(wan_checkpoints.save, kind="2.1", euler=True),
        {**WAN, "steps": 5},
        partial(run_wan, 5.0),
        row=WORDS,
    ),
    Case(
        "wan-2.2-A14B",
        partial(wan_checkpoints.save, kind="2.2-A14B"),
        {**WAN, "steps": 5},
        partial(run_wan, 4.0),
        row=WORDS,
    ),
    Case(
        "wan-2.2-5B",
        partial(wan_checkpoints.save, kind="2.2-5B"),
        {"height": 64, "width": 96, "num_frames": 5, "steps": 4},
        partial(run_wan, 5.0),
        row="Wan 2.2 5B",
    ),
    Case(
        "wan-2.2-I2V-A14B",
        partial(wan_checkpoints.save, kind="2.2-I2V-A14B"),
        {**WAN, "steps": 5},
        partial(run_wan_from_a_picture, 4.0),
        begins=True,
        row="Wan 2.2 I2V-A14B",
    ),
    Case(
        "wan-2.1-I2V",
        partial(wan_checkpoints.save, kind="2.1-I2V"),
        {**WAN, "steps": 5},
        partial(run_wan_from_a_picture, 5.0),
        begins=True,
        row="Wan 2.1 I2V",
    ),
    Case("wan-gguf", wan_checkpoints.save_gguf, {**WAN, "steps": 5}, run_gguf, savable=False, row=WORDS),
    Case("wan-VACE", partial(wan_checkpoints.save, kind="VACE"), {**WAN, "steps": 5}, run_vace, row="Wan VACE"),
    *(
        Case(
            f"ltx-{kind}",
            partial(ltx_checkpoints.save, kind=kind),
            {**LTX, "steps": 4},
            run_ltx,
            row="LTX-Video",
        )
        for kind in ltx_checkpoints.KINDS
    ),
    *(
        Case(
            f"ltx2-{kind}",
            partial(ltx2_checkpoints.save, kind=kind),
            {**LTX2, "steps": 4},
            run_ltx2,
            row="LTX-2",
        )
        for kind in ltx2_checkpoints.KINDS
    ),
    *(
        Case(
            f"animatediff-{kind}",
            partial(image_checkpoints.save, kind=kind),
            {**IMAGE, "steps": 4},
            partial(run_animatediff, 2.0 if kind == "lcm" else 7.5),
            only_sampler=kind != "ddim",
            row=MOVED,
        )
        for kind in image_checkpoints.KINDS
    ),
    Case(
        "animatediff-prompted",
        image_checkpoints.save_prompted,
        {**IMAGE, "steps": 4},
        partial(run_animatediff, 7.5),
        row=MOVED,
    ),
    Case(
        "animatediff-temporal",
        image_checkpoints.save_with_temporal_decoder,
        {**IMAGE, "steps": 4},
        run_temporal,
        row=MOVED,
    ),
)
WITH_STOCK = tuple(case for case in CASES if case.stock is not None)
