"""Checkpoints in the very layout of Wan's, with small random weights: the same classes, files and names."""

from __future__ import annotations

import shutil
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
from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel, UMT5Config, UMT5EncoderModel

from tests.checkpoints import TEXT_WIDTH, enliven, spiece_model, tokenizer

HEIGHT, WIDTH, FRAMES = 32, 64, 5
LATENT_CHANNELS = 4
KINDS: dict[str, dict[str, Any]] = {  # what differs from model to model, as in the published model_index.json
    "2.1": {},
    "2.2-A14B": {"boundary_ratio": 0.875},
    "2.2-5B": {"expand_timesteps": True},
    "2.2-I2V-A14B": {"boundary_ratio": 0.9},
    "VACE": {},
    "2.1-I2V": {},  # which reads its picture with an image encoder too
}
VISION, SIDE = 8, 28  # width of the image encoder, and pixels a side of what it sees


def build(kind: str, euler: bool = False) -> WanPipeline:
    """The stock pipeline with random weights, the same ones for the same kind."""
    with torch.random.fork_rng():
        torch.manual_seed(12)
        channels: dict[str, Any] = {"in_channels": 2 * LATENT_CHANNELS + 4} if "I2V" in kind else {}
        if kind == "2.1-I2V":
            channels |= {"image_dim": VISION, "added_kv_proj_dim": 24}
        experts = {"transformer": new_vace_transformer() if kind == "VACE" else new_transformer(**channels)}
        if "boundary_ratio" in KINDS[kind]:
            experts["transformer_2"] = new_transformer(**channels)
        encoder, vae = new_text_encoder(), new_autoencoder(kind)
        if kind == "2.1-I2V":
            processor = CLIPImageProcessorPil(size=SIDE, crop_size=SIDE)
            experts |= {"image_encoder": new_image_encoder(), "image_processor": processor}
    from_pictures = WanImageToVideoPipeline if "I2V" in kind else WanPipeline
    kind_of_pipeline = WanVACEPipeline if kind == "VACE" else from_pictures
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


def new_image_encoder() -> CLIPVisionModel:
    config = CLIPVisionConfig(
        hidden_size=VISION,
        intermediate_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=14,
    )
    model = CLIPVisionModel(config)
    enliven(model)
    return model.eval()


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


AS_PUBLISHED = {  # parts of the names that diffusers gave, and those that Wan's authors and files in GGUF have
    "condition_embedder.time_embedder.linear_1": "time_embedding.0",
    "condition_embedder.time_embedder.linear_2": "time_embedding.2",
    "condition_embedder.text_embedder.linear_1": "text_embedding.0",
    "condition_embedder.text_embedder.linear_2": "text_embedding.2",
    "condition_embedder.time_proj": "time_projection.1",
    "attn1": "self_attn",
    "attn2": "cross_attn",
    "to_out.0": "o",
    "to_q": "q",
    "to_k": "k",
    "to_v": "v",
    "ffn.net.0.proj": "ffn.0",
    "ffn.net.2": "ffn.2",
    "norm2": "norm3",
    "proj_out": "head.head",
}


def published(name: str) -> str:
    """The name of a weight in files of Wan's authors."""
    for ours, theirs in AS_PUBLISHED.items():
        name = name.replace(f"{ours}.", f"{theirs}.")
    return "head.modulation" if name == "scale_shift_table" else name.replace("scale_shift_table", "modulation")


def write_gguf(path: Path, model: Any, left_out: str = "") -> Path:
    """The weights of a transformer in 8 bits where that can be (Q8_0), as people share them."""
    from gguf import GGMLQuantizationType, GGUFWriter
    from gguf.quants import quantize

    writer, eight = GGUFWriter(str(path), "wan"), GGMLQuantizationType.Q8_0
    for name, weight in model.state_dict().items():
        values = weight.float().numpy()
        if name == left_out:
            continue
        if values.ndim == 2 and values.shape[1] % 32 == 0:
            writer.add_tensor(published(name), quantize(values, eight), raw_dtype=eight)
        else:
            writer.add_tensor(published(name), values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def wide_transformer() -> Any:
    """One of which most weights can be in blocks of 32."""
    with torch.random.fork_rng():
        torch.manual_seed(21)
        return new_transformer(attention_head_dim=16, ffn_dim=64)


def save_gguf(folder: Path) -> Path:
    """A model of which the transformer's weights are in GGUF."""
    save(folder, "2.1")
    shutil.rmtree(folder / "transformer")
    model = wide_transformer()
    model.save_config(folder / "transformer")
    write_gguf(folder / "transformer" / "wan-Q8_0.gguf", model)
    return folder
