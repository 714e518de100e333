"""Checkpoints in the very layout of LTX-Video's, with small random weights: the same classes, files and names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLLTXVideo, FlowMatchEulerDiscreteScheduler, LTXPipeline, LTXVideoTransformer3DModel
from transformers import T5Config, T5EncoderModel

from tests.checkpoints import TEXT_WIDTH, enliven, spiece_model, tokenizer

HEIGHT, WIDTH, FRAMES = 64, 96, 17
LATENT_CHANNELS = 6
KINDS: dict[str, dict[str, Any]] = {  # what differs from model to model, as in the configurations of the autoencoders
    "0.9": {},
    "0.9.5": {"timestep_conditioning": True},  # its decoder is told how noisy latents are
}


def build(kind: str) -> LTXPipeline:
    """The stock pipeline with random weights, the same ones for the same kind."""
    with torch.random.fork_rng():
        torch.manual_seed(14)
        transformer = LTXVideoTransformer3DModel(
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            num_attention_heads=2,
            attention_head_dim=16,
            cross_attention_dim=32,
            num_layers=2,
            caption_channels=TEXT_WIDTH,
        )
        enliven(transformer)
        encoder, vae = new_text_encoder(), new_autoencoder(kind)
    return LTXPipeline(
        scheduler=new_scheduler(),
        vae=vae,
        text_encoder=encoder,
        tokenizer=tokenizer(),
        transformer=transformer.eval(),
    )


def new_text_encoder() -> T5EncoderModel:
    config = T5Config(
        vocab_size=200,
        d_model=TEXT_WIDTH,
        d_kv=8,
        d_ff=32,
        num_layers=1,
        num_heads=2,
        feed_forward_proj="gated-gelu",
    )
    return T5EncoderModel(config).eval()


def new_autoencoder(kind: str) -> AutoencoderKLLTXVideo:
    vae = AutoencoderKLLTXVideo(
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(8, 8, 8, 8),
        decoder_block_out_channels=(8, 8, 8, 8),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1, 1),
        **KINDS[kind],
    )
    vae.latents_mean.copy_(torch.linspace(-0.3, 0.4, LATENT_CHANNELS))
    vae.latents_std.copy_(torch.linspace(0.6, 1.8, LATENT_CHANNELS))
    return vae.eval()


def new_scheduler() -> FlowMatchEulerDiscreteScheduler:
    """As published: levels are shifted by the number of tokens."""
    return FlowMatchEulerDiscreteScheduler(
        use_dynamic_shifting=True,
        base_image_seq_len=1024,
        max_image_seq_len=4096,
        base_shift=0.95,
        max_shift=2.05,
        shift_terminal=0.1,
    )


def save(folder: Path, kind: str) -> Path:
    """Writes the checkpoint as it is published."""
    build(kind).save_pretrained(folder)
    (folder / "tokenizer" / "spiece.model").write_bytes(spiece_model())
    return folder
