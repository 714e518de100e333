"""Checkpoints in the very layout of CogVideoX's, with small random weights: the same classes, files and names."""

from __future__ import annotations

import shutil
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import sentencepiece
import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXDPMScheduler,
    CogVideoXImageToVideoPipeline,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)
from transformers import T5Config, T5EncoderModel, T5Tokenizer

TEXT_LENGTH, TEXT_WIDTH = 40, 16
HEIGHT, WIDTH, FRAMES = 32, 48, 9
ROTARY = {"use_rotary_positional_embeddings": True}
KINDS: dict[str, dict] = {  # what differs from size to size, as in the configurations of the published checkpoints
    "2b": {"attention_head_dim": 16},
    "5b": {"attention_head_dim": 16, **ROTARY},
    "1.5": {"attention_head_dim": 16, **ROTARY, "patch_size_t": 2, "patch_bias": False},
}
FROM_PICTURES: dict[str, dict] = {  # the same of those that start from a picture
    "5b-I2V": {**KINDS["5b"], "use_learned_positional_embeddings": True},
    "1.5-I2V": {**KINDS["1.5"], "ofs_embed_dim": 8},  # as wide as that of time, to which it is added
}
SNR_SHIFT = {"2b": 3.0}
SENTENCES = (
    "a cat is driving a car",
    "a dog is riding a bicycle on the beach",
    "the cat is running on the beach",
    "Mia is jumping in the snow",
    "a robot is reading in the library",
    "a red coat and a blue hat",
)


@lru_cache
def spiece_model() -> bytes:
    """A tiny SentencePiece model with T5's special tokens."""
    model = BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=model,
        vocab_size=60,
        model_type="unigram",
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        minloglevel=2,
        hard_vocab_limit=False,
    )
    return model.getvalue()


def build(kind: str, dpm: bool = False) -> CogVideoXPipeline | CogVideoXImageToVideoPipeline:
    """The stock pipeline with random weights, the same ones for the same kind."""
    with torch.random.fork_rng():
        torch.manual_seed(11)
        t5 = T5Config(
            vocab_size=200,
            d_model=TEXT_WIDTH,
            d_kv=8,
            d_ff=32,
            num_layers=1,
            num_heads=2,
            feed_forward_proj="gated-gelu",
        )
        text_encoder = T5EncoderModel(t5)
        transformer = CogVideoXTransformer3DModel(
            num_attention_heads=2,
            in_channels=8 if kind in FROM_PICTURES else 4,
            out_channels=4,
            time_embed_dim=8,
            text_embed_dim=TEXT_WIDTH,
            num_layers=2,
            sample_width=WIDTH // 8,
            sample_height=HEIGHT // 8,
            sample_frames=FRAMES,
            max_text_seq_length=TEXT_LENGTH,
            **(KINDS | FROM_PICTURES)[kind],
        )
        vae = AutoencoderKLCogVideoX(
            block_out_channels=(8, 8, 8, 8),
            latent_channels=4,
            layers_per_block=1,
            norm_num_groups=2,
            sample_height=96,
            sample_width=80,
            scaling_factor=0.7,  # of which half is a tile: 6 x 5 latents
            invert_scale_latents=kind == "1.5-I2V",
        )
        enliven(transformer)
        if transformer.config.use_learned_positional_embeddings:
            transformer.patch_embed.pos_embedding.normal_()
    scheduler = CogVideoXDPMScheduler if dpm else CogVideoXDDIMScheduler
    return (CogVideoXImageToVideoPipeline if kind in FROM_PICTURES else CogVideoXPipeline)(
        tokenizer=tokenizer(),
        text_encoder=text_encoder.eval(),
        vae=vae.eval(),
        transformer=transformer.eval(),
        scheduler=scheduler(
            prediction_type="v_prediction",
            rescale_betas_zero_snr=True,
            timestep_spacing="trailing",
            clip_sample=False,
            set_alpha_to_one=True,
            snr_shift_scale=SNR_SHIFT.get(kind, 1.0),
        ),
    )


def save(folder: Path, kind: str, dpm: bool = False) -> Path:
    """Writes the checkpoint as it is published: safetensors, and a tokenizer of `spiece.model` alone."""
    build(kind, dpm).save_pretrained(folder)
    (folder / "tokenizer" / "tokenizer.json").unlink(missing_ok=True)
    (folder / "tokenizer" / "spiece.model").write_bytes(spiece_model())
    return folder


def tokenizer() -> T5Tokenizer:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        path = Path(name, "spiece.model")
        path.write_bytes(spiece_model())
        return T5Tokenizer.from_pretrained(name, extra_ids=10)


def enliven(model: torch.nn.Module) -> None:
    """Larger weights, so that what goes in makes a difference to what comes out."""
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "norm" not in name:
            torch.nn.init.xavier_uniform_(parameter.data.flatten(1), gain=1.5)


def copy(source: Path, target: Path) -> Path:
    return shutil.copytree(source, target)
