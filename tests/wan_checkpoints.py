"""Checkpoints in the very layout of Wan's, with small random weights: the same classes, files and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AutoencoderKLWan,
    FlowMatchEulerDiscreteScheduler,
    UniPCMultistepScheduler,
    WanImageToVideoPipeline,
    WanPipeline,
    WanTransformer3DModel,
    WanVACEPipeline,
    WanVACETransformer3DModel,
)
from transformers import UMT5Config, UMT5EncoderModel

from tests.checkpoints import TEXT_WIDTH, enliven, spiece_model, tokenizer

HEIGHT, WIDTH, FRAMES = 32, 64, 5
LATENT_CHANNELS = 4
KINDS: dict[str, dict[str, Any]] = {  # what differs from model to model, as in the published model_index.json
    "2.1": {},
    "2.2-A14B": {"boundary_ratio": 0.875},
    "2.2-5B": {"expand_timesteps": True},
    "2.2-I2V-A14B": {"boundary_ratio": 0.9},
    "VACE": {},
}


def build(kind: str, euler: bool = False) -> WanPipeline:
    """The stock pipeline with random weights, the same ones for the same kind."""
    with torch.random.fork_rng():
        torch.manual_seed(12)
        channels = {"in_channels": 2 * LATENT_CHANNELS + 4} if "I2V" in kind else {}
        experts = {"transformer": new_vace_transformer() if kind == "VACE" else new_transformer(**channels)}
        if "boundary_ratio" in KINDS[kind]:
            experts["transformer_2"] = new_transformer(**channels)
        encoder, vae = new_text_encoder(), new_autoencoder(kind)
    kind_of_pipeline = {"2.2-I2V-A14B": WanImageToVideoPipeline, "VACE": WanVACEPipeline}.get(kind, WanPipeline)
    return kind_of_pipeline(
        tokenizer=tokenizer(),
        text_encoder=encoder,
        vae=vae,
        scheduler=new_scheduler(euler),
        **experts,
        **KINDS[kind],
    )


def new_transformer(**options: Any) -> Any:
    usual = {
        "num_attention_heads": 2,
        "attention_head_dim": 12,
        "in_channels": LATENT_CHANNELS,
        "out_channels": LATENT_CHANNELS,
        "text_dim": TEXT_WIDTH,
        "freq_dim": 16,
        "ffn_dim": 32,
        "num_layers": 2,
    }
    kind = WanVACETransformer3DModel if "vace_layers" in options else WanTransformer3DModel
    model = kind(**usual | options)
    enliven(model)
    return model.eval()


def new_vace_transformer() -> WanVACETransformer3DModel:
    return new_transformer(vace_layers=[0, 1], vace_in_channels=2 * LATENT_CHANNELS + 64)


def new_text_encoder() -> UMT5EncoderModel:
    config = UMT5Config(
        vocab_size=200,
        d_model=TEXT_WIDTH,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return UMT5EncoderModel(config).eval()


def new_autoencoder(kind: str) -> AutoencoderKLWan:
    newer = {  # that of 2.2 5B folds 2 x 2 pixels
        "is_residual": True,
        "in_channels": 12,
        "out_channels": 12,
        "patch_size": 2,
        "scale_factor_spatial": 16,
    }
    return AutoencoderKLWan(
        base_dim=4,
        z_dim=LATENT_CHANNELS,
        dim_mult=[1, 1, 1, 1],
        num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[-0.2, 0.1, 0.0, 0.3],
        latents_std=[1.5, 0.7, 1.0, 2.0],
        **(newer if kind == "2.2-5B" else {}),
    ).eval()


def new_scheduler(euler: bool = False) -> Any:
    if euler:
        return FlowMatchEulerDiscreteScheduler(shift=5.0)
    return UniPCMultistepScheduler(
        prediction_type="flow_prediction", use_flow_sigmas=True, num_train_timesteps=1000, flow_shift=3.0
    )


def save(folder: Path, kind: str, euler: bool = False) -> Path:
    """Writes the checkpoint as it is published."""
    build(kind, euler).save_pretrained(folder)
    (folder / "tokenizer" / "spiece.model").write_bytes(spiece_model())
    return folder
