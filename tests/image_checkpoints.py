"""Checkpoints in the very layout of AnimateDiff's, with small random weights: the same classes, files and names."""

from __future__ import annotations

import json
import shutil
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AnimateDiffPipeline,
    AutoencoderKL,
    AutoencoderKLTemporalDecoder,
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LCMScheduler,
    MotionAdapter,
    StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer, CLIPVisionConfig, CLIPVisionModelWithProjection

from tests.checkpoints import SENTENCES, TEXT_WIDTH, enliven

HEIGHT, WIDTH, FRAMES = 32, 48, 3
LINEAR = {"beta_schedule": "linear", "clip_sample": False}  # as motion adapters are trained
KINDS: dict[str, Any] = {  # of schedulers
    "ddim": lambda: DDIMScheduler(steps_offset=1, **LINEAR),
    "v": lambda: DDIMScheduler(steps_offset=1, prediction_type="v_prediction", **LINEAR),
    "euler": lambda: EulerDiscreteScheduler(beta_schedule="linear", timestep_spacing="trailing"),
    "dpm": lambda: DPMSolverMultistepScheduler(beta_schedule="linear"),
    "lcm": lambda: LCMScheduler(beta_schedule="linear"),
}


@lru_cache
def tokenizer() -> CLIPTokenizer:
    """CLIP's, with every byte and the words of the sentences that the other tests read."""
    from tokenizers.pre_tokenizers import ByteLevel

    letters = sorted(ByteLevel.alphabet())
    pieces, merges = dict.fromkeys([*letters, *(f"{letter}</w>" for letter in letters)]), dict[tuple[str, str], None]()
    for word in sorted({word for sentence in SENTENCES for word in sentence.lower().split()}):
        parts = [*word[:-1], f"{word[-1]}</w>"]
        while len(parts) > 1:
            merges[parts[0], parts[1]] = None
            parts = [parts[0] + parts[1], *parts[2:]]
            pieces[parts[0]] = None
    vocabulary = {piece: index for index, piece in enumerate([*pieces, "<|startoftext|>", "<|endoftext|>"])}
    return CLIPTokenizer(vocab=vocabulary, merges=list(merges), model_max_length=77, pad_token="<|endoftext|>")


def new_unet(**options: Any) -> UNet2DConditionModel:
    usual: dict[str, Any] = {
        "sample_size": 8,
        "block_out_channels": (8, 16, 16),
        "down_block_types": ("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        "layers_per_block": 1,
        "norm_num_groups": 4,
        "attention_head_dim": 2,
        "cross_attention_dim": TEXT_WIDTH,
    }
    model = UNet2DConditionModel(**usual | options)
    enliven(model)
    return model.eval()


def new_motion_adapter() -> MotionAdapter:
    model = MotionAdapter(
        block_out_channels=(8, 16, 16),
        motion_layers_per_block=1,
        motion_mid_block_layers_per_block=1,
        motion_num_attention_heads=2,
        motion_norm_num_groups=4,
        motion_max_seq_length=8,
    )
    enliven(model)
    return model.eval()


def new_text_encoder() -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=len(tokenizer()),
        hidden_size=TEXT_WIDTH,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        bos_token_id=tokenizer().bos_token_id,
        eos_token_id=tokenizer().eos_token_id,
        pad_token_id=tokenizer().pad_token_id,
    )
    model = CLIPTextModel(config)
    enliven(model)
    return model.eval()


def new_autoencoder() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(8, 8),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        latent_channels=4,
        sample_size=32,
        scaling_factor=0.6,
    ).eval()


def new_temporal_autoencoder() -> AutoencoderKLTemporalDecoder:
    model = AutoencoderKLTemporalDecoder(
        block_out_channels=(32, 32),
        down_block_types=("DownEncoderBlock2D",) * 2,
        latent_channels=4,
        sample_size=32,
        scaling_factor=0.6,
    )
    enliven(model)
    return model.eval()


def build(kind: str = "ddim") -> AnimateDiffPipeline:
    """The stock pipeline with random weights, the same ones for the same kind."""
    with torch.random.fork_rng():
        torch.manual_seed(13)
        return AnimateDiffPipeline(
            vae=new_autoencoder(),
            text_encoder=new_text_encoder(),
            tokenizer=tokenizer(),
            unet=new_unet(),
            motion_adapter=new_motion_adapter(),
            scheduler=KINDS[kind](),
        )


def save(folder: Path, kind: str = "ddim") -> Path:
    """Writes the checkpoint as AnimateDiffPipeline does."""
    build(kind).save_pretrained(folder)
    return folder


def save_with_temporal_decoder(folder: Path) -> Path:
    """The same model with the autoencoder of Stable Video Diffusion in place of its own."""
    save(folder)
    with torch.random.fork_rng():
        torch.manual_seed(19)
        shutil.rmtree(folder / "vae")
        new_temporal_autoencoder().save_pretrained(folder / "vae")
    index = json.loads((folder / "model_index.json").read_text())
    index["vae"] = ["diffusers", "AutoencoderKLTemporalDecoder"]
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def save_image_model(folder: Path) -> Path:
    """Writes the image model alone, as it is published."""
    with torch.random.fork_rng():
        torch.manual_seed(13)
        StableDiffusionPipeline(
            vae=new_autoencoder(),
            text_encoder=new_text_encoder(),
            tokenizer=tokenizer(),
            unet=new_unet(),
            scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        ).save_pretrained(folder)
    return folder


VISION, EMBEDDED, PICTURE_TOKENS = 32, 12, 4  # widths of the image encoder and of what it gives
ADAPTERS = ("plain", "plus")


def new_image_encoder() -> CLIPVisionModelWithProjection:
    config = CLIPVisionConfig(
        hidden_size=VISION,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        projection_dim=EMBEDDED,
        image_size=16,
        patch_size=8,
    )
    model = CLIPVisionModelWithProjection(config)
    enliven(model)
    return model.eval()


def new_ip_adapter(kind: str = "plain") -> dict[str, Tensor]:
    """Weights by the names of the published files."""
    shapes = {f"image_proj.{name}": shape for name, shape in (_plain() if kind == "plain" else _plus()).items()}
    for number, width in enumerate((8, 16, 16, 16, 8, 8, 16)):  # on the way down, on the way up, between
        for name in ("to_k_ip", "to_v_ip"):
            shapes[f"ip_adapter.{2 * number + 1}.{name}.weight"] = (width, TEXT_WIDTH)
    return {name: 0.5 * torch.randn(shape) for name, shape in shapes.items()}


def _plain() -> dict[str, tuple[int, ...]]:
    tokens = PICTURE_TOKENS * TEXT_WIDTH
    sizes = {"proj.weight": (tokens, EMBEDDED), "proj.bias": (tokens,)}
    return sizes | {f"norm.{name}": (TEXT_WIDTH,) for name in ("weight", "bias")}


def _plus(inner: int = 24) -> dict[str, tuple[int, ...]]:
    found: dict[str, tuple[int, ...]] = {
        "latents": (1, PICTURE_TOKENS, inner),
        "proj_in.weight": (inner, VISION),
        "proj_in.bias": (inner,),
        "proj_out.weight": (TEXT_WIDTH, inner),
        "proj_out.bias": (TEXT_WIDTH,),
        "norm_out.weight": (TEXT_WIDTH,),
        "norm_out.bias": (TEXT_WIDTH,),
    }
    for i in range(4):
        norms = [f"layers.{i}.0.norm1", f"layers.{i}.0.norm2", f"layers.{i}.1.0"]
        found |= {f"{norm}.{name}": (inner,) for norm in norms for name in ("weight", "bias")}
        found |= {f"layers.{i}.0.to_q.weight": (64, inner), f"layers.{i}.0.to_kv.weight": (128, inner)}
        found |= {f"layers.{i}.0.to_out.weight": (inner, 64)}
        found |= {f"layers.{i}.1.1.weight": (4 * inner, inner), f"layers.{i}.1.3.weight": (inner, 4 * inner)}
    return found


def save_ip_adapter(folder: Path, kind: str = "plain") -> Path:
    """Writes an IP-Adapter and its image encoder as they are published: a file, and image_encoder/ beside it."""
    with torch.random.fork_rng():
        torch.manual_seed(17)
        new_image_encoder().save_pretrained(folder / "image_encoder")
        save_file(new_ip_adapter(kind), folder / "ip-adapter_sd15.safetensors")
    return folder


def save_prompted(folder: Path, kind: str = "plain") -> Path:
    """A model that pictures can tell what is to be seen: ip_adapter/ and image_encoder/ are among its parts."""
    save(folder)
    save_ip_adapter(folder, kind)
    (folder / "ip_adapter").mkdir()
    (folder / "ip-adapter_sd15.safetensors").rename(folder / "ip_adapter" / "ip-adapter_sd15.safetensors")
    return folder
