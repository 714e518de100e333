"""Which weights of a transformer are trained: all of them, low-rank additions (LoRA), or a second attention beside the
frozen one (dual channel). The history path is trained in every mode."""

from __future__ import annotations

from torch import nn

from ...backbones.transformer_backbone import TransformerBackbone
from ...errors import ThroughlineError
from ...story_pipeline import StoryPipeline
from ...transformer import StoryTransformer3DModel

MODES = {
    "full": "all weights",
    "lora": "low-rank additions to every attention's projections, through peft",
    "dual": "a second attention beside each one, which stays frozen: x = α base + (1 - α) plus, α learned",
}
PROJECTIONS = r".*attn1\.(to_q|to_k|to_v|to_out\.0)"


def trainable_backbone(pipeline: StoryPipeline) -> TransformerBackbone:
    """Raises ThroughlineError for a model of a family whose network has no history path to train."""
    if not isinstance(pipeline.backbone, TransformerBackbone):
        raise ThroughlineError(
            f"model is of the family {pipeline.backbone.name}: expected one whose network reads history tokens"
        )
    return pipeline.backbone


def open_for_training(transformer: StoryTransformer3DModel, mode: str, rank: int = 64) -> None:
    """Adds what the mode adds, and freezes what it freezes. Raises ThroughlineError."""
    if mode not in MODES:
        raise ThroughlineError(f"mode is {mode!r}: expected one of {', '.join(MODES)}")
    transformer.requires_grad_(mode == "full")
    if mode == "lora":
        _add_lora(transformer, rank)
    if mode == "dual":
        transformer.open_dual_channel()
    for name, parameter in transformer.named_parameters():
        if name.startswith("history_"):
            parameter.requires_grad_(True)


def _add_lora(transformer: StoryTransformer3DModel, rank: int) -> None:
    from peft import LoraConfig

    transformer.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=PROJECTIONS))


def merge(transformer: StoryTransformer3DModel) -> StoryTransformer3DModel:
    """With LoRA's additions folded into the weights, so that nothing needs peft to use them."""
    if getattr(transformer, "peft_config", None):
        transformer.fuse_lora()
        transformer.unload_lora()
    return transformer


def trainable(module: nn.Module) -> dict[str, nn.Parameter]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}
