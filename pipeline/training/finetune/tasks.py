"""What is trained on clips, and its losses. Each task gives one loss a row, so that a batch can be split over processes
and over micro-batches in any way and the losses stay the same.

Letters: B rows, L tokens of a caption, n kept tokens, P patches, d width of the features, t and v widths of the text
and image encoders, f latent frames.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...backbones.transformer_backbone import TransformerBackbone, to_device
from ...blocks.attention import AttentionContext
from ...decoupler import Decoupler
from ...feature_extractor import FeatureExtractor, TokenImageAttention
from ...transformer import StoryTransformer3DModel
from ..models.extractor import effective_rank
from .encoded import REMEMBERED, EncodedClips

TEXT_DROP, HISTORY_DROP, SCENE_DROP = 0.1, 0.2, 0.15
TEMPERATURE = 0.07
Batch = dict[str, Any]


class Task(Protocol):
    """A module whose call gives losses of every row of a batch, each (B); "loss" is what is minimised."""

    def draw(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """All chance of a batch of `size` rows, each tensor with B first, on the CPU."""

    def load(self, drawn: dict[str, Tensor], mine: Tensor) -> Batch:
        """What the rows `mine` of a batch need, on the CPU."""

    def __call__(self, batch: Batch) -> dict[str, Tensor]: ...


def place(batch: Batch, device: torch.device) -> Batch:
    """A batch on a device; lists of tensors too."""

    def moved(value: Any) -> Any:
        if isinstance(value, Tensor):
            return value.to(device)
        return [moved(item) for item in value] if isinstance(value, list) else value

    return {name: moved(value) for name, value in batch.items()}


class TargetTask(nn.Module):
    """The cross-attention that says what words looked like, trained alone, by contrast over clips: what the words of a
    caption read off their own keyframe must fit them better than what they read off any other keyframe of the batch,
    and the other way round (token-wise contrast, after Yao et al. 2022)."""

    def __init__(self, attention: TokenImageAttention, clips: EncodedClips, text_dim: int, dim: int) -> None:
        super().__init__()
        self.attention, self.clips = attention, clips
        self.words = nn.Linear(text_dim, dim)
        self.rows = [i for i in range(len(clips)) if len(clips.content_tokens(i))]

    def draw(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        order = torch.randperm(len(self.rows), generator=generator)[:size]
        return {"rows": torch.tensor(self.rows)[order]}

    def load(self, drawn: dict[str, Tensor], mine: Tensor) -> Batch:
        rows = drawn["rows"].tolist()
        tokens = [self.clips.text(i)[self.clips.content_tokens(i)] for i in rows]
        return {"tokens": tokens, "patches": torch.stack([self.clips.features(i) for i in rows]), "mine": mine}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        tokens, patches, mine = batch["tokens"], batch["patches"], batch["mine"]
        own = torch.stack([self._fit(tokens[i], patches) for i in map(int, mine)])  # (B, all keyframes)
        fits = ([self._fit(words, patches[i][None])[0] for words in tokens] for i in map(int, mine))
        other = torch.stack([torch.stack(row) for row in fits])
        loss = sum(F.cross_entropy(fit.float() / TEMPERATURE, mine, reduction="none") for fit in (own, other)) / 2
        return {"loss": loss, "right": (own.argmax(1) == mine).float()}  # type: ignore[dict-item]

    def _fit(self, tokens: Tensor, patches: Tensor) -> Tensor:
        """How well the words (n, t) of one caption fit what they read off keyframes (N, P, v): (N)."""
        read, _ = self.attention(tokens[None], patches)
        return F.cosine_similarity(read.float(), self.words(tokens).float()[None], dim=-1).mean(-1)

    @torch.no_grad()
    def standardize(self, most: int = 512) -> None:
        """Makes the rows A zero on average and of unit spread, by W_V and its bias."""
        device = self.attention.to_v.weight.device
        words = (self.clips.text(i)[self.clips.content_tokens(i)].to(device) for i in self.rows[:most])
        pictures = (self.clips.features(i).to(device) for i in self.rows[:most])
        rows = torch.cat([self.attention(*pair)[0] for pair in zip(words, pictures, strict=True)])
        mean, std = rows.mean(0), rows.std()
        self.attention.to_v.bias.copy_((self.attention.to_v.bias - mean) / std)
        self.attention.to_v.weight.div_(std)


class BatchMemory:
    """What rows remember, as `history.remember` gives it to the models in generation."""

    def __init__(self, clips: EncodedClips) -> None:
        self.clips = clips

    def load(self, row: int, use: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Kept tokens (n, t) and patches (P, v) of every past clip that a row remembers; matched tokens of its own
        caption, sorted. use: bool (REMEMBERED), the past clips that it may remember."""
        tokens, patches, matched = list[Tensor](), list[Tensor](), set[int]()
        for place, (past, (kept, own)) in enumerate(zip(self.clips.rows[row].past, self.clips.kept(row), strict=True)):
            if use[place] and len(kept):
                tokens.append(self.clips.text(past)[kept])
                patches.append(self.clips.features(past))
                matched |= set(own.tolist())
        return tokens, patches, torch.tensor(sorted(matched), dtype=torch.long)

    def able(self) -> list[int]:
        """Rows that remember something."""
        every = torch.ones(REMEMBERED, dtype=torch.bool)
        return [i for i in range(len(self.clips)) if len(self.load(i, every)[2])]


def predict(extractor: FeatureExtractor, tokens: list[Tensor], patches: list[Tensor], prompt: Tensor) -> Tensor:
    """A_pred (1, L, d) of one row, for its caption (L, t)."""
    phi = torch.cat([extractor.look(t, p)[0] for t, p in zip(tokens, patches, strict=True)])
    return extractor(phi[None], prompt[None])


class ExtractorTask(nn.Module):
    """The extractor's transformer: L = 1 - cos(A_real, A_pred) on the tokens that something kept matches. A_real comes
    from the cross-attention, which is frozen."""

    def __init__(self, extractor: FeatureExtractor, clips: EncodedClips) -> None:
        super().__init__()
        self.extractor, self.clips, self.memory = extractor, clips, BatchMemory(clips)
        extractor.attention.requires_grad_(False)
        self.rows = self.memory.able()

    def draw(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        rows = torch.tensor(self.rows)[torch.randint(len(self.rows), (size,), generator=generator)]
        return {"rows": rows, "use": torch.rand(size, REMEMBERED, generator=generator) > SCENE_DROP}

    def load(self, drawn: dict[str, Tensor], mine: Tensor) -> Batch:
        items = []
        for row, use in zip(drawn["rows"][mine].tolist(), drawn["use"][mine], strict=True):
            found = self.memory.load(row, use)
            if not len(found[2]):  # all that it remembers was dropped
                found = self.memory.load(row, torch.ones_like(use))
            items.append((*found, self.clips.text(row), self.clips.features(row)))
        names = ("tokens", "patches", "matched", "text", "features")
        return dict(zip(names, map(list, zip(*items, strict=True)), strict=True))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        losses, rows = [], []
        for tokens, patches, matched, text, features in zip(*batch.values(), strict=True):
            with torch.no_grad():
                real, _ = self.extractor.attention(text[matched], features)
            predicted = predict(self.extractor, tokens, patches, text)[0, matched].float()
            losses.append((1 - F.cosine_similarity(real.float(), predicted, dim=-1)).mean())
            rows.append(predicted)
        loss = torch.stack(losses)
        return {"loss": loss, "rank": effective_rank(torch.cat(rows)).expand(len(loss))}


class GeneratorTask(nn.Module):
    """Decoupler and transformer on top of the frozen extractor: the squared error of v. Text, history and single past
    clips are dropped at random, so that every branch of the guidance is in distribution."""

    def __init__(
        self,
        transformer: StoryTransformer3DModel,
        decoupler: Decoupler,
        extractor: FeatureExtractor,
        clips: EncodedClips,
        backbone: TransformerBackbone,
    ) -> None:
        """transformer: the one in training; backbone: how one of its family is used."""
        super().__init__()
        self.transformer, self.decoupler, self.extractor = transformer, decoupler, extractor
        extractor.requires_grad_(False)
        self.clips, self.memory, self.backbone = clips, BatchMemory(clips), backbone
        self.alphas = backbone.noising.alpha_bars.float()

    def draw(self, size: int, generator: torch.Generator) -> dict[str, Tensor]:
        shape = self._clean(0).shape
        use = torch.rand(size, REMEMBERED, generator=generator) > SCENE_DROP
        use &= torch.rand(size, 1, generator=generator) > HISTORY_DROP
        return {
            "rows": torch.randint(len(self.clips), (size,), generator=generator),
            "use": use,
            "silent": torch.rand(size, generator=generator) < TEXT_DROP,
            "t": torch.randint(len(self.alphas), (size,), generator=generator),
            "noise": torch.randn(size, *shape, generator=generator),
        }

    def _clean(self, row: int) -> Tensor:
        """The latents of a clip; where a token spans several frames, the first is repeated as far as need be."""
        latents = self.clips.latents(row)
        return torch.cat([latents[:1]] * self.backbone.padding_frames(len(latents)) + [latents])

    def load(self, drawn: dict[str, Tensor], mine: Tensor) -> Batch:
        rows = drawn["rows"][mine].tolist()
        remembered = [self.memory.load(row, use) for row, use in zip(rows, drawn["use"][mine], strict=True)]
        texts = [self.clips.text(row) for row in rows]
        nothing = self.clips.text_of("")
        read = [nothing if silent else text for text, silent in zip(texts, drawn["silent"][mine], strict=True)]
        t = drawn["t"][mine]
        lengths = torch.tensor([len(text) for text in read])
        padded = nn.utils.rnn.pad_sequence(read, batch_first=True)
        return {
            "clean": torch.stack([self._clean(row) for row in rows]),
            "noise": drawn["noise"][mine],
            "t": t,
            "alpha": self.alphas[t],
            "text": padded,
            "captions": texts,
            "mask": torch.arange(padded.shape[1]) < lengths[:, None],
            "tokens": [list(r[0]) for r in remembered],
            "patches": [list(r[1]) for r in remembered],
            "matched": [r[2] for r in remembered],
        }

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        history, remembers = self._history(batch)
        clean, noise, alpha = batch["clean"], batch["noise"], batch["alpha"]
        a, s = (x.sqrt()[:, None, None, None, None] for x in (alpha, 1 - alpha))
        rotary = to_device(self.backbone.positions(clean.shape), clean.device)
        mask = None if self.backbone.reads_padding else batch["mask"]
        context = AttentionContext(text_mask=mask, history_mask=remembers)

        def network(z: Tensor) -> Tensor:
            given = {"image_rotary_emb": rotary, "history": history, "context": context}
            return self.transformer(z, batch["text"], batch["t"], **given).sample

        v = self.backbone.precondition(network, a * clean + s * noise, alpha).float()
        return {"loss": (v - (a * noise - s * clean)).square().flatten(1).mean(1)}

    def _history(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """History tokens (B, H, d), H at least 1, and their mask, bool (B, H)."""
        device, dim = batch["clean"].device, self.decoupler.config.dim
        found = []
        for tokens, patches, matched, text in zip(
            batch["tokens"], batch["patches"], batch["matched"], batch["captions"], strict=True
        ):
            if not len(matched):
                found.append(self._nothing(text))
                continue
            with torch.no_grad():
                predicted = predict(self.extractor, tokens, patches, text)
            mask = torch.zeros(1, len(text), dtype=torch.bool, device=device)
            mask[0, matched] = True
            found.append(self.decoupler(text[None], predicted, mask)[0, matched])
        lengths = torch.tensor([len(m) for m in batch["matched"]], device=device)
        history = nn.utils.rnn.pad_sequence(found, batch_first=True)
        assert history.shape[-1] == dim, f"the decoupler gives {history.shape[-1]} features, expected {dim}"
        return history, torch.arange(history.shape[1], device=device) < lengths[:, None]

    def _nothing(self, text: Tensor) -> Tensor:
        """A row that the mask hides, (1, d), through the decoupler: on every process each weight must have a part in
        the loss."""
        return self.decoupler(text[None, :1], text.new_zeros(1, 1, self.decoupler.config.dim))[0]
