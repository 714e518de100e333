"""Checkpoints in the very layout of LTX-2's, with small random weights: the same classes, files and names."""

from __future__ import annotations

from pathlib import Path
from string import ascii_letters
from typing import Any

import torch
from diffusers import (
    AutoencoderKLLTX2Audio,
    AutoencoderKLLTX2Video,
    LTX2Pipeline,
    LTX2VideoTransformer3DModel,
)
from diffusers.pipelines.ltx2 import LTX2TextConnectors, LTX2Vocoder
from transformers import Gemma3Config, Gemma3ForConditionalGeneration, GemmaTokenizer

from tests.checkpoints import enliven
from tests.ltx_checkpoints import new_scheduler

HEIGHT, WIDTH, FRAMES = 64, 96, 17
LATENT_CHANNELS, SOUND_CHANNELS, MEL_BINS = 6, 4, 8  # of these bins, a quarter in latents
WIDTHS = {"attention_head_dim": 16, "audio_attention_head_dim": 8}
TEXT_WIDTH, LAYERS = 16, 2  # of the text encoder
KINDS: dict[str, dict[str, dict[str, Any]]] = {  # what differs from one to the other, as in diffusers' own conversion
    "2.0": {"transformer": {"caption_channels": TEXT_WIDTH}, "connectors": {}},  # whose heads are not gated
    "2.3": {
        "transformer": {
            "gated_attn": True,
            "cross_attn_mod": True,
            "audio_gated_attn": True,
            "audio_cross_attn_mod": True,
            "use_prompt_embeddings": False,
            "perturbed_attn": True,
        },
        "connectors": {
            "video_connector_num_attention_heads": 2,
            "video_connector_attention_head_dim": 16,
            "video_gated_attn": True,
            "audio_gated_attn": True,
            "per_modality_projections": True,
            "video_hidden_dim": 32,
            "audio_hidden_dim": 16,
            "proj_bias": True,
        },
    },
}


def build(kind: str) -> LTX2Pipeline:
    """The stock pipeline with random weights, the same ones for the same kind."""
    with torch.random.fork_rng():
        torch.manual_seed(15)
        transformer = LTX2VideoTransformer3DModel(
            in_channels=LATENT_CHANNELS,
            out_channels=LATENT_CHANNELS,
            num_attention_heads=2,
            cross_attention_dim=32,
            audio_in_channels=SOUND_CHANNELS * MEL_BINS // 4,
            audio_out_channels=SOUND_CHANNELS * MEL_BINS // 4,
            audio_num_attention_heads=2,
            audio_cross_attention_dim=16,
            num_layers=2,
            rope_type="split",
            **WIDTHS | KINDS[kind]["transformer"],
        )
        connectors = LTX2TextConnectors(
            caption_channels=TEXT_WIDTH,
            text_proj_in_factor=LAYERS + 1,
            **{
                "video_connector_num_attention_heads": 2,
                "video_connector_attention_head_dim": 8,
                "video_connector_num_layers": 1,
                "audio_connector_num_attention_heads": 2,
                "audio_connector_attention_head_dim": 8,
                "audio_connector_num_layers": 1,
                "rope_type": "split",
            }
            | KINDS[kind]["connectors"],
        )
        enliven(transformer)
        enliven(connectors)
        encoder, vae, audio_vae, vocoder = new_text_encoder(), new_autoencoder(), new_sound_autoencoder(), new_vocoder()
    return LTX2Pipeline(
        scheduler=new_scheduler(),
        vae=vae,
        audio_vae=audio_vae,
        text_encoder=encoder,
        tokenizer=new_tokenizer(),
        connectors=connectors.eval(),
        transformer=transformer.eval(),
        vocoder=vocoder,
    )


def new_tokenizer() -> GemmaTokenizer:
    """Of letters, a few words and bytes."""
    names = ["<pad>", "<eos>", "<bos>", "<unk>", "<mask>", *(f"<0x{i:02X}>" for i in range(256)), "▁", *ascii_letters]
    merges, words = [], ("cat", "driving", "beach", "snow")
    for word in words:
        for end in range(2, len(word) + 1):
            pair = (word[: end - 1], word[end - 1])
            if pair not in merges:
                merges.append(pair)
                names.append(word[:end])
    vocabulary = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return GemmaTokenizer(vocab=vocabulary, merges=merges, add_bos_token=True, model_max_length=1024)


def new_text_encoder() -> Gemma3ForConditionalGeneration:
    text = {
        "vocab_size": 400,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": 32,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "head_dim": 8,
        "query_pre_attn_scalar": 8,
    }
    vision = {
        "hidden_size": 8,
        "intermediate_size": 8,
        "num_hidden_layers": 1,
        "num_attention_heads": 1,
        "image_size": 28,
        "patch_size": 14,
    }
    config = Gemma3Config(text_config=text, vision_config=vision, mm_tokens_per_image=4, image_token_index=399)
    model = Gemma3ForConditionalGeneration(config)
    enliven(model)
    return model.eval()


def new_autoencoder() -> AutoencoderKLLTX2Video:
    vae = AutoencoderKLLTX2Video(
        latent_channels=LATENT_CHANNELS,
        block_out_channels=(8, 16, 32, 64),
        decoder_block_out_channels=(8, 16, 32),
        layers_per_block=(1, 1, 1, 1, 1),
        decoder_layers_per_block=(1, 1, 1, 1),
        spatial_compression_ratio=32,
        temporal_compression_ratio=8,
    )
    vae.latents_mean.copy_(torch.linspace(-0.3, 0.4, LATENT_CHANNELS))
    vae.latents_std.copy_(torch.linspace(0.6, 1.8, LATENT_CHANNELS))
    return vae.eval()


def new_sound_autoencoder() -> AutoencoderKLLTX2Audio:
    return AutoencoderKLLTX2Audio(
        base_channels=SOUND_CHANNELS * MEL_BINS // 4,
        ch_mult=(1, 1, 1),
        num_res_blocks=1,
        latent_channels=SOUND_CHANNELS,
        mel_bins=MEL_BINS,
    ).eval()


def new_vocoder() -> LTX2Vocoder:
    return LTX2Vocoder(
        in_channels=2 * MEL_BINS,
        hidden_channels=8,
        upsample_kernel_sizes=[4, 4],
        upsample_factors=[2, 2],
        resnet_kernel_sizes=[3],
        resnet_dilations=[[1, 3, 5]],
    ).eval()


def save(folder: Path, kind: str) -> Path:
    """Writes the checkpoint as it is published."""
    build(kind).save_pretrained(folder)
    return folder
