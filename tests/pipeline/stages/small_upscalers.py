"""Upscalers in the layouts in which large ones are had, small and with random weights."""

import json
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, DDPMScheduler, StableDiffusionUpscalePipeline, UNet2DConditionModel
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTokenizer,
    Swin2SRConfig,
    Swin2SRForImageSuperResolution,
)


def swin2sr(folder: Path, upscale: int = 2) -> None:
    torch.manual_seed(1)
    config = Swin2SRConfig(
        image_size=32,
        embed_dim=16,
        depths=[2],
        num_heads=[2],
        window_size=4,
        upscale=upscale,
        upsampler="pixelshuffledirect",
    )
    Swin2SRForImageSuperResolution(config).save_pretrained(folder)


def diffusion(folder: Path) -> None:
    torch.manual_seed(2)
    blocks, norm = (32, 64), 8
    unet = UNet2DConditionModel(
        block_out_channels=blocks, layers_per_block=1, sample_size=16, in_channels=7, out_channels=4,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        cross_attention_dim=32, attention_head_dim=8, use_linear_projection=True, num_class_embeds=1000,
        norm_num_groups=norm,
    )  # fmt: skip
    vae = AutoencoderKL(
        block_out_channels=[16, 16, 32], in_channels=3, out_channels=3, latent_channels=4, norm_num_groups=norm,
        down_block_types=["DownEncoderBlock2D"] * 3, up_block_types=["UpDecoderBlock2D"] * 3, scaling_factor=0.08333,
    )  # fmt: skip
    schedule = {"beta_schedule": "scaled_linear", "prediction_type": "v_prediction"}
    words = _tokenizer(folder.parent / f"{folder.name}-words")
    text = CLIPTextConfig(
        hidden_size=32, intermediate_size=37, num_attention_heads=4, num_hidden_layers=1, vocab_size=len(words),
        bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    StableDiffusionUpscalePipeline(
        vae=vae, text_encoder=CLIPTextModel(text), tokenizer=words, unet=unet,
        low_res_scheduler=DDPMScheduler(), scheduler=DDIMScheduler(clip_sample=False, **schedule), max_noise_level=350,
    ).save_pretrained(folder)  # fmt: skip


def _tokenizer(folder: Path) -> CLIPTokenizer:
    """One of single letters."""
    folder.mkdir()
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    names = ["<|startoftext|>", "<|endoftext|>", *letters, *(f"{letter}</w>" for letter in letters), ".</w>", ",</w>"]
    (folder / "vocab.json").write_text(json.dumps({name: place for place, name in enumerate(names)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    return CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"), model_max_length=77)
