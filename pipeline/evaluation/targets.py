"""python -m pipeline.evaluation.targets: what A_real should be. An ablation of the feature extractor's target.

The extractor learns L = 1 - cos(A_real, A_pred), and a target that comes from weights in training can collapse: every
row becomes the same vector and the loss is zero. Each way to make the target trains an extractor of its own, for the
same steps on the same batches. What tells a collapse is the rank of A_pred, not the loss.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from tqdm import tqdm
from transformers import CLIPVisionModelWithProjection

from ..feature_extractor import FeatureExtractor
from ..picturebook.facts import ACTOR_FACTS
from ..training.dataset.memory import SCENES
from ..training.loop import Losses, Recipe, device_of, half_precision, train
from ..training.models.extractor import (
    ExtractorData,
    Recollection,
    TargetTrainer,
    effective_rank,
    load_data,
    recollect,
    standardize,
    target_losses,
)
from ..training.models.image_encoder import FactHeads

TARGETS = {
    "masks and facts, frozen": "the cross-attention is trained first, on masks and facts, and then frozen",
    "contrastive, frozen": "trained first, on which words of two scenes are the same thing, and then frozen",
    "averaged": "an averaged copy of the cross-attention in training",
    "stopped": "the cross-attention in training, without its gradient",
    "live": "the cross-attention in training, with its gradient",
    "live, all pairs": "the same, and the cosine of every row with every row",
}
FIRST, DECAY, TEMPERATURE = 0.5, 0.99, 0.1  # steps of a target trained first, over those after; average; contrast
TAIL = 400  # stories at the end of the set, to judge by


def train_with(
    name: str, data: ExtractorData, image_dim: int, steps: int, batch: int, folder: Path
) -> FeatureExtractor:
    """An extractor trained against the target called `name` in TARGETS."""
    torch.manual_seed(0)
    extractor = FeatureExtractor(image_dim=image_dim)
    recipe = Recipe(name, steps, 1e-3, batch, adam_names=("_in", "positions", "out", "attention"))
    frozen = name.endswith("frozen")
    if frozen:
        _train_target(name, extractor, data, max(1, int(FIRST * steps)), batch, folder)
        extractor.attention.requires_grad_(False)
    for _ in tqdm(train(recipe, extractor, prediction_losses(name, extractor, data, batch), folder), name, steps):
        pass
    return extractor.eval()


def _train_target(
    name: str, extractor: FeatureExtractor, data: ExtractorData, steps: int, batch: int, folder: Path
) -> None:
    recipe = Recipe(f"{name}, target", steps, 2e-3, batch, adam_names=("heads",))
    trainer = TargetTrainer(extractor)
    contrastive = name.startswith("contrastive")
    module: nn.Module = extractor.attention if contrastive else trainer
    losses = contrastive_losses(extractor, data, batch) if contrastive else target_losses(trainer, data, batch)
    for _ in train(recipe, module, losses, folder):
        pass
    standardize(trainer, data)


def prediction_losses(
    name: str, extractor: FeatureExtractor, data: ExtractorData, batch: int
) -> Callable[[torch.Generator], Losses]:
    """1 - cos(A_real, A_pred) at words that something remembered matches."""
    average = copy.deepcopy(extractor.attention).requires_grad_(False)

    def losses(generator: torch.Generator) -> Losses:
        rows, r = _draw(extractor, data, batch, generator)
        for slow, fast in zip(average.parameters(), extractor.attention.parameters(), strict=True):
            slow.lerp_(fast.detach(), 1 - DECAY)
        with half_precision(device_of(extractor)):
            attention = average if name == "averaged" else extractor.attention
            with torch.set_grad_enabled(name.startswith("live")):
                real, _ = attention(r.prompt, data.features[0, rows].to(r.prompt.device).float())
            predicted = extractor(r.past, r.prompt, r.past_mask, r.mask)
        pairs = _all_pairs if name.endswith("all pairs") else F.cosine_similarity
        return {"loss": 1 - pairs(real[r.matched].float(), predicted[r.matched].float(), dim=-1).mean()}

    return losses


def _all_pairs(a: Tensor, b: Tensor, dim: int) -> Tensor:
    return F.normalize(a, dim=dim) @ F.normalize(b, dim=dim).T


def _draw(
    extractor: FeatureExtractor, data: ExtractorData, batch: int, generator: torch.Generator
) -> tuple[Tensor, Recollection]:
    able = learned(data)
    rows = able[torch.randint(len(able), (batch,), generator=generator)]
    variant = torch.randint(2, (batch, SCENES), generator=generator)
    return rows, recollect(extractor, data, rows, torch.ones(batch, SCENES, dtype=torch.bool), variant)


def learned(data: ExtractorData) -> Tensor:
    """Rows that remember something, but those of the last TAIL stories."""
    return torch.nonzero(data.memory.kept[: -TAIL * SCENES].flatten(1).any(1))[:, 0]


def contrastive_losses(
    extractor: FeatureExtractor, data: ExtractorData, batch: int
) -> Callable[[torch.Generator], Losses]:
    """A word and the past word that it matches read alike, in all other stories they read otherwise (InfoNCE, van den
    Oord et al. 2018). Needs no masks, only the filter's verdicts."""
    able = torch.nonzero(data.memory.kept[: -TAIL * SCENES].any(-1))  # (n, 2): row, past scene of its story

    def losses(generator: torch.Generator) -> Losses:
        row, scene = able[torch.randint(len(able), (batch,), generator=generator)].T
        past, device = row // SCENES * SCENES + scene, device_of(extractor)
        kept, matched = data.memory.kept[row, scene], data.memory.matched[row, scene]
        now, then = data.text[row].float(), data.text[past].float()
        alike = F.normalize(now, dim=-1) @ F.normalize(then, dim=-1).transpose(1, 2)
        partner = alike.masked_fill(~kept[:, None], -1).argmax(-1)  # (B, L): the past word of every word
        with half_precision(device):
            a, b = (
                extractor.attention(text.to(device), data.features[0, at].to(device).float())[0]
                for text, at in ((now, row), (then, past))
            )
        b = b.gather(1, partner.to(device)[..., None].expand(-1, -1, b.shape[-1]))
        a, b = (F.normalize(x[matched.to(device)].float(), dim=-1) for x in (a, b))
        logits = a @ b.T / TEMPERATURE
        story = torch.nonzero(matched)[:, 0]
        other = story[:, None] != story
        other.fill_diagonal_(True)
        logits = logits.masked_fill(~other.to(device), -1e4)  # words of one story may well be alike
        return {"loss": F.cross_entropy(logits, torch.arange(len(logits), device=device))}

    return losses


@torch.no_grad()
def judge(extractor: FeatureExtractor, data: ExtractorData) -> dict[str, float]:
    """On the last TAIL stories. rank: effective, of A_pred at remembered words, of at most d. looks: share of an
    actor's attributes that a linear layer reads off A_pred, which it learned on half of the stories. pointing: share
    of actors whose words' maps peak on them."""
    rows = torch.arange(len(data.text) - TAIL * SCENES, len(data.text))
    rows = rows[data.memory.kept[rows].flatten(1).any(1)]
    r = recollect(
        extractor, data, rows, torch.ones(len(rows), SCENES, dtype=torch.bool), torch.zeros(len(rows), SCENES).long()
    )
    predicted = extractor(r.past, r.prompt, r.past_mask, r.mask).float().cpu()
    labels, matched = data.memory.labels[rows, : r.mask.shape[1]], r.matched.cpu()
    at, token = torch.nonzero(matched & ((labels == 1) | (labels == 2)), as_tuple=True)
    facts = data.actors[rows[at], labels[at, token].long() - 1]
    return {
        "rank": float(effective_rank(predicted[matched])),
        "looks": _read(predicted[at, token], facts, at),
        "pointing": _pointing(extractor, data, rows),
    }


@torch.enable_grad()
def _read(features: Tensor, facts: Tensor, story: Tensor, steps: int = 300) -> float:
    train_half = story < story.max() // 2
    heads = FactHeads(features.shape[1], ACTOR_FACTS)
    scaled = (features - features.mean(0)) / (features.std(0) + 1e-6)
    optimizer = torch.optim.Adam(heads.parameters(), 0.02)
    for _ in range(steps):
        optimizer.zero_grad()
        heads.loss(scaled[train_half], facts[train_half]).backward()
        optimizer.step()
    shares, looks = heads.accuracy(scaled[~train_half], facts[~train_half]), list(ACTOR_FACTS)
    unsaid = [share for name, share in zip(looks, shares, strict=True) if name not in ("kind", "action")]
    return sum(unsaid) / len(unsaid)


def _pointing(extractor: FeatureExtractor, data: ExtractorData, rows: Tensor) -> float:
    _, maps = extractor.look(
        data.text[rows].to(device_of(extractor)).float(), data.features[0, rows].to(device_of(extractor)).float()
    )
    labels = data.memory.labels[rows].long()
    at, token = torch.nonzero((labels == 1) | (labels == 2), as_tuple=True)
    peak = maps[at.to(maps.device), token.to(maps.device)].argmax(-1).cpu()
    return float((data.coverage[rows[at], labels[at, token], peak] > 0.2).float().mean())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser("python -m pipeline.evaluation.targets", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="a training's folder, with its cache and image encoder")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch-size", type=int, default=96)
    parser.add_argument("--json", type=Path, required=True)
    options = parser.parse_args(arguments)
    vision = CLIPVisionModelWithProjection.from_pretrained(
        options.out / "image_encoder", attn_implementation="eager"
    ).eval()
    data, results = load_data(options.out / "cache", vision), {}
    print("| target | rank of A_pred | looks read off A_pred | pointing |\n|---|---|---|---|")
    for name in TARGETS:
        folder = options.out / "targets"
        extractor = train_with(name, data, vision.config.hidden_size, options.steps, options.batch_size, folder)
        results[name] = judge(extractor, data)
        print(f"| {name} | " + " | ".join(f"{value:.2f}" for value in results[name].values()) + " |", flush=True)
    options.json.write_text(json.dumps(results, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
