"""torch.distributed.run --nproc_per_node 2 tests/pipeline/training/sharded.py: a tiny backbone is trained whole, and
split over processes as configs/fsdp.yaml says; the losses have to be the same.

accelerate itself splits nothing on CPUs, so that this asks torch for what accelerate would ask it for."""

import sys
import warnings

import torch
import torch.distributed as dist
from accelerate.commands.config.config_args import load_config_from_file
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from pipeline.transformer import StoryTransformer3DModel
from tests import checkpoints
from tests.paths import ROOT

CONFIG = ROOT / "pipeline" / "training" / "finetune" / "configs" / "fsdp.yaml"
STEPS = 3


def backbone() -> StoryTransformer3DModel:
    torch.manual_seed(3)
    return StoryTransformer3DModel(
        num_attention_heads=2,
        in_channels=4,
        out_channels=4,
        time_embed_dim=8,
        text_embed_dim=16,
        num_layers=2,
        sample_width=6,
        sample_height=4,
        sample_frames=9,
        max_text_seq_length=40,
        history_dim=12,
        history_gate=0.5,
        **checkpoints.KINDS["2b"],
    ).train()


def losses(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> list[float]:
    torch.manual_seed(5)
    latents, text, history = torch.randn(2, 3, 4, 4, 6), torch.randn(2, 40, 16), torch.randn(2, 3, 12)
    found = []
    for _ in range(STEPS):
        loss = (model(latents, text, torch.tensor([10, 900]), history=history).sample - latents).square().mean()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        found.append(loss.item())
    return found


def split_up(model: torch.nn.Module) -> torch.nn.Module:
    given = load_config_from_file(str(CONFIG)).fsdp_config
    assert given["fsdp_version"] == 2 and given["fsdp_auto_wrap_policy"] == "TRANSFORMER_BASED_WRAP"
    names = given["fsdp_transformer_layer_cls_to_wrap"].split(",")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    options = {"mesh": mesh, "reshard_after_forward": given["fsdp_reshard_after_forward"]}
    parts = [module for module in model.modules() if type(module).__name__ in names]
    for module in [*parts, model]:
        fully_shard(module, **options)
    return model


def main() -> int:
    warnings.simplefilter("ignore")
    model = backbone()
    whole = losses(model, torch.optim.AdamW(model.parameters(), 1e-2))
    dist.init_process_group("gloo")
    model = split_up(backbone())
    split = losses(model, torch.optim.AdamW(model.parameters(), 1e-2))
    shards = [p for p in model.parameters() if isinstance(p, DTensor) and p.to_local().numel() < p.numel()]
    print(dist.get_world_size(), len(shards), whole, split, flush=True)
    dist.destroy_process_group()
    return 0 if shards and all(abs(a - b) < 1e-4 for a, b in zip(whole, split, strict=True)) else 1


if __name__ == "__main__":
    sys.exit(main())
