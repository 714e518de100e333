"""Checkpoints in the layout of SAM 2's and SAM 3's, with small random weights."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from transformers import CLIPTokenizer, Sam2VideoConfig, Sam2VideoModel, Sam3VideoConfig, Sam3VideoModel

SIDE = 64  # pixels of the pictures that they see
DECODER = {"hidden_size": 128, "mlp_dim": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
TRACKING = {
    "image_size": SIDE,
    "num_maskmem": 3,
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 32,
    "memory_attention_rope_feat_sizes": [4, 4],
    "memory_encoder_hidden_size": 128,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_num_layers": 1,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 32,
    "mask_decoder_config": DECODER,
}
WORDS = ("<|startoftext|>", "<|endoftext|>", "robot</w>", "the</w>", *"abcdehorst", "t</w>")


def save_sam2(folder: Path) -> Path:
    torch.manual_seed(1)
    hiera = {
        "model_type": "sam2_hiera_det_model", "hidden_size": 8, "num_attention_heads": 1, "image_size": [SIDE, SIDE],
        "blocks_per_stage": [1, 1, 2, 1], "embed_dim_per_stage": [8, 16, 32, 64],
        "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [8, 4, 4, 2],
        "global_attention_blocks": [3], "window_positional_embedding_background_size": [4, 4],
    }  # fmt: skip
    vision = {
        "model_type": "sam2_vision_model", "backbone_config": hiera, "backbone_channel_list": [64, 32, 16, 8],
        "fpn_hidden_size": 128, "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    prompts = {"hidden_size": 128, "image_size": SIDE, "patch_size": 16}
    config = Sam2VideoConfig(vision_config=vision, prompt_encoder_config=prompts, **TRACKING)
    Sam2VideoModel(config).save_pretrained(folder)
    return folder


def save_sam3(folder: Path) -> Path:
    torch.manual_seed(2)
    heads = {"hidden_size": 128, "num_attention_heads": 2}
    vit = {
        "model_type": "sam3_vit_model", "intermediate_size": 32, "num_hidden_layers": 2, "image_size": SIDE,
        "patch_size": 16, "window_size": 2, "global_attn_indexes": [1], "pretrain_image_size": 32, **heads,
    }  # fmt: skip
    vision = {
        "model_type": "sam3_vision_model", "backbone_config": vit, "fpn_hidden_size": 128,
        "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
    }  # fmt: skip
    text = {
        "model_type": "clip_text_model", "vocab_size": len(WORDS), "intermediate_size": 32, "projection_dim": 16,
        "num_hidden_layers": 1, "max_position_embeddings": 32, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1,
        **heads,
    }  # fmt: skip
    layers = {"num_layers": 1, "intermediate_size": 32, **heads}
    detector = {
        "vision_config": vision, "text_config": text, "geometry_encoder_config": layers, "detr_encoder_config": layers,
        "detr_decoder_config": {**layers, "num_queries": 6},
        "mask_decoder_config": {**heads, "num_upsampling_stages": 3},
    }  # fmt: skip
    prompts = {"hidden_size": 128, "image_size": SIDE, "patch_size": 16}
    tracker = {"vision_config": vision, "prompt_encoder_config": prompts, **TRACKING}
    Sam3VideoModel(Sam3VideoConfig(detector_config=detector, tracker_config=tracker)).save_pretrained(folder)
    (folder / "vocab.json").write_text(json.dumps({word: i for i, word in enumerate(WORDS)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    CLIPTokenizer.from_pretrained(folder, pad_token="<|endoftext|>").save_pretrained(folder)
    return folder
