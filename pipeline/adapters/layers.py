"""Which layers of a network an adapter may change: the spatial path.

In every family attention's projections. In the embedded model, whose attention is small, also the feed-forward layers,
what reads the text and what draws: its output and the linear layers of the detail stage. All of these see one video
token or one latent at a time, or mix tokens by attention. What looks along time alone, the convolutions of the detail
stage, and the whole history path are left as they are.
"""

from __future__ import annotations

import re

from torch import nn

ATTENTION = r"(.*\.)?attn\d\.(to_q|to_k|to_v|to_out\.0)"
EMBEDDED = (
    r"transformer_blocks\.\d+\.(attn1\.(to_q|to_k|to_v|to_out\.0)|ff\.net\.(0\.proj|2))|patch_embed\.text_proj|proj_out"
    r"|detail\.(from_tokens|out|blocks\.\d+\.mix)"
)
FROZEN = ("history_", "plus.")  # parts of names that no adapter touches


def spatial_layers(network: nn.Module) -> list[str]:
    """The names of the layers that an adapter is put on."""
    pattern = re.compile(EMBEDDED if getattr(network, "detail", None) is not None else ATTENTION)
    linear = (name for name, module in network.named_modules() if isinstance(module, nn.Linear))
    found = [name.removesuffix(".base_layer") for name in linear]  # where there is an adapter already
    return [name for name in found if pattern.fullmatch(name) and not any(part in name for part in FROZEN)]
