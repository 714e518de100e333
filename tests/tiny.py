"""A pipeline with every part of the embedded one, but tiny and untrained: for what happens, not for how it looks."""

from pathlib import Path

import torch
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

from pipeline.autoencoder import AutoencoderLinearVideo
from pipeline.decoupler import Decoupler
from pipeline.encoders.text import load_minilm
from pipeline.feature_extractor import FeatureExtractor
from pipeline.story_pipeline import StoryPipeline
from pipeline.training.models.generator import new_scheduler
from pipeline.transformer import StoryTransformer3DModel

LATENT_CHANNELS, PATCH, IMAGE_DIM, DIM = 16, 12, 32, 24


def tiny_components() -> dict:
    """The components of `StoryPipeline` with random weights (always the same ones), but for MiniLM."""
    with torch.random.fork_rng():
        torch.manual_seed(7)
        components = {
            "image_encoder": tiny_vision_model(),
            "extractor": FeatureExtractor(image_dim=IMAGE_DIM, dim=DIM, num_layers=1, num_heads=2),
            "decoupler": Decoupler(dim=DIM, num_heads=2),
            "transformer": tiny_transformer(),
            "vae": tiny_autoencoder(),
        }
    for component in components.values():
        component.eval().requires_grad_(False)
    return components | {"scheduler": new_scheduler()}


def tiny_vision_model() -> CLIPVisionModelWithProjection:
    config = CLIPVisionConfig(
        hidden_size=IMAGE_DIM,
        intermediate_size=2 * IMAGE_DIM,
        projection_dim=384,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        hidden_act="gelu",
    )
    return CLIPVisionModelWithProjection(config)


def tiny_transformer() -> StoryTransformer3DModel:
    return StoryTransformer3DModel(
        num_attention_heads=2,
        attention_head_dim=24,
        num_layers=2,
        in_channels=LATENT_CHANNELS,
        out_channels=LATENT_CHANNELS,
        time_embed_dim=16,
        text_embed_dim=384,
        sample_height=8,
        sample_width=12,
        sample_frames=17,
        patch_size=2,
        max_text_seq_length=64,
        spatial_interpolation_scale=1.0,
        history_dim=DIM,
        history_gate=1.0,
    )


def tiny_autoencoder() -> AutoencoderLinearVideo:
    """Falling spreads as after PCA; filters scaled so that pictures of noise use the range of colours."""
    spreads = torch.linspace(1.5, 0.2, LATENT_CHANNELS).tolist()
    vae = AutoencoderLinearVideo(latent_channels=LATENT_CHANNELS, patch_size=PATCH, latents_std=spreads)
    torch.nn.init.normal_(vae.encoder.weight, std=0.15)
    return vae


def tiny_pipeline(piece: int = 0) -> StoryPipeline:
    """A new pipeline at 96 x 144 pixels and 17 frames (less is faster), with the real MiniLM as its text encoder.

    piece: frames that are made at once, of a model that goes on from frames; 0 for one that does not.
    """
    text_encoder, tokenizer = load_minilm()
    components = tiny_components()
    if piece:
        components["transformer"].register_to_config(frame_timesteps=True, sample_frames=piece)
    pipeline = StoryPipeline(text_encoder=text_encoder, tokenizer=tokenizer, **components)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def save_tiny(folder: Path) -> Path:
    """Saves the tiny pipeline as `assets/picturebook/` is, in the diffusers layout, without MiniLM. Gives `folder`."""
    tiny_pipeline().save_pretrained(folder, text_encoder=False)
    return folder
