"""The loop from noise to latents: the branches of the guidance, in batches, for one shot or several.

Letters: B rows (branches of shots), L text tokens, H history tokens, f latent frames, C channels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLCogVideoX
from torch import Tensor

from .backbones.cogvideox import padding_frames, repeat_for_tokens, rotary_positions, to_device
from .blocks.block_cache import EXACT, Caches, Speed
from .encoders.latents import Where
from .encoders.text import TextEncoder
from .generation import SceneRequest
from .guidance import Preconditioning, branches, guide
from .reference.attention import MOST_NOISE, Reference, collage, drawn, keys_and_values
from .sampling import Sampler, Scheduler, StockSampler, TrailingDdim
from .transformer import KeysValues, Rotary, StoryTransformer3DModel, Witness

Predictions = dict[str, Tensor]  # by branch
Outcome = tuple[Tensor, dict[str, float]]  # of a step, of a shot


@dataclass(eq=False)
class Denoiser:
    """A transformer with all that it needs to make a clip's latents.

    stock: whether text is padded and sampled as the stock pipeline does it, so that without history the outcome is
    the stock pipeline's.
    """

    transformer: StoryTransformer3DModel
    scheduler: Scheduler
    text: TextEncoder
    precondition: Preconditioning
    unit: int  # pixels a side of a latent
    stock: bool
    where: Where
    autocast: bool = True  # bfloat16 on processors that have it
    speed: Speed = EXACT

    @torch.no_grad()
    def __call__(self, shots: Sequence[SceneRequest], shape: tuple[int, ...]) -> Iterator[list[Outcome]]:
        """Yields after every step, of each shot, the estimate of the clean latents, (1, f, C, h, w), and the norms.

        shape: of the latents of a clip, (1, f, C, h, w).
        """
        cut = padding_frames(self.transformer, shape[1])
        shape = (shape[0], shape[1] + cut, *shape[2:])
        generators = [torch.Generator().manual_seed(shot.settings.seed) for shot in shots]
        noisy = [self._noise(shape, generator) for generator in generators]
        samplers = [self._sampler(shot) for shot in shots]
        predict, steps = _Predictor(self, shots, shape), len(samplers[0].timesteps)
        for index, t in enumerate(samplers[0].timesteps):
            weights = [self.speed.guiding(shot.guidance).weights(index, steps) for shot in shots]
            names = [branches(*w, shot.memory.remembers) for w, shot in zip(weights, shots, strict=True)]
            predict.begin(names, index / steps)
            predictions, outcome = predict(noisy, t, samplers[0].alpha_bars[index], names), []
            for i, (w1, w2) in enumerate(weights):
                v = guide(predictions[i], w1, w2)
                noisy[i], clean = samplers[i].step(index, v, noisy[i], generators[i])
                outcome.append((clean[:, cut:], {"text": w1, "history": w2} | _norms(predictions[i])))
            yield outcome

    def _noise(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """In the precision in which the stock pipeline draws it, where that is what a seed means."""
        dtype = self.transformer.dtype if self.stock else torch.float32
        return torch.randn(shape, generator=generator, dtype=dtype).float().to(self.where())

    def _sampler(self, shot: SceneRequest) -> Sampler:
        if self.stock:
            return StockSampler(self.scheduler, shot.settings.steps)
        return TrailingDdim(self.scheduler, shot.settings.steps, shot.settings.eta)

    def look(self, references: Sequence[Reference], t: int) -> list[KeysValues]:
        """What a step at timestep t sees of the references."""
        t = min(t, round(MOST_NOISE * self.scheduler.config.num_train_timesteps))
        return keys_and_values(references, self.reference_network, t, self.scheduler.alphas_cumprod[t].float())

    def reference_network(self, latents: Tensor, text: Tensor, t: int, alpha_bar: Tensor, witness: Witness) -> Tensor:
        """A `reference.Network`: v for a single latent frame, (1, 1, C, h, w), with its own text (L, t)."""
        z = repeat_for_tokens(latents, self.transformer).to(self.where())
        hidden, mask = self.padded([text.to(self.where(), self.transformer.dtype)])
        rotary = self.rotary(z.shape)

        def network(x: Tensor) -> Tensor:
            return self.run(x, hidden, t, rotary, text_mask=mask, witness=witness)

        return self.precondition(network, z, alpha_bar[None].to(self.where())).float()

    def rotary(self, shape: Sequence[int]) -> Rotary:
        return to_device(rotary_positions(self.transformer, (shape[1], shape[3], shape[4]), self.unit), self.where())

    def run(self, x: Tensor, text: Tensor, t: int, rotary: Rotary, **options) -> Tensor:
        times = torch.full((len(x),), t, device=self.where())
        with fast_on_cpu(self.where(), self.autocast):
            return self.transformer(
                x.to(self.transformer.dtype), text, times, image_rotary_emb=rotary, **options
            ).sample

    def padded(self, rows: Sequence[Tensor]) -> tuple[Tensor, Tensor | None]:
        """Texts (L_i, t) as one tensor (B, L, t) and its mask, bool (B, L); None where padding is read as text."""
        text, mask = _padded(rows)
        return text, None if self.stock else mask


class _Predictor:
    """(z, t, ᾱ, branches) -> v of each branch, of each shot. Rows run as one batch, those that look at references as
    one batch a shot."""

    def __init__(self, denoiser: Denoiser, shots: Sequence[SceneRequest], shape: tuple[int, ...]) -> None:
        self.denoiser, self.shots, self.rotary = denoiser, shots, denoiser.rotary(shape)
        self.caches = Caches(denoiser.speed)
        device, dtype = denoiser.where(), denoiser.transformer.dtype

        def encoded(text: str) -> Tensor:
            return denoiser.text.encode(text).hidden.to(device, dtype)

        self.words = [(encoded(shot.prompt), encoded(shot.settings.negative_prompt)) for shot in shots]
        tokens = [shot.memory.tokens for shot in shots]
        self.pasts = [None if x is None else x[0].to(device, dtype) for x in tokens]
        seen, patch = [shot.memory.references for shot in shots], denoiser.transformer.config.patch_size
        self.collages = [collage(own, patch).to(device) if own else None for own in seen]

    def __call__(
        self, noisy: list[Tensor], t: int, alpha_bar: Tensor, names: list[tuple[str, ...]]
    ) -> list[Predictions]:
        predictions: list[Predictions] = [{} for _ in names]
        rows = [(i, name) for i, own in enumerate(names) for name in own]
        looking = [self._looks(row) for row in rows]
        plain = [row for row, looks in zip(rows, looking, strict=True) if not looks]
        groups: list[tuple[list[tuple[int, str]], list[KeysValues] | None]] = [(plain, None)] if plain else []
        for i in sorted({i for (i, _), looks in zip(rows, looking, strict=True) if looks}):
            seen = self.denoiser.look(self.shots[i].memory.references, t)
            groups.append(([row for row in rows if row[0] == i and self._looks(row)], seen))
        for group, kv in groups:
            for (i, name), v in zip(group, self._batch(noisy, t, alpha_bar, group, kv), strict=True):
                target = None if kv is None else self.collages[i]
                predictions[i][name] = v if target is None else drawn(v, noisy[i], alpha_bar, target)
        return predictions

    def begin(self, names: list[tuple[str, ...]], share: float) -> None:
        """The next step, after `share` of all steps."""
        self.caches.begin([(i, name) for i, own in enumerate(names) for name in own], share)

    def _looks(self, row: tuple[int, str]) -> bool:
        return row[1] != "forgetful" and bool(self.shots[row[0]].memory.references)

    def _batch(
        self, noisy: list[Tensor], t: int, alpha_bar: Tensor, rows: list[tuple[int, str]], seen: list[KeysValues] | None
    ) -> tuple[Tensor, ...]:
        denoiser = self.denoiser
        text, mask = denoiser.padded([self.words[i][name == "negative"] for i, name in rows])
        remembered = [None if name == "forgetful" else self.pasts[i] for i, name in rows]
        history, history_mask = _padded_history(remembered)

        def network(x: Tensor) -> Tensor:
            return denoiser.run(x, text, t, self.rotary, text_mask=mask, history=history, history_mask=history_mask,
                                references=seen, caches=self.caches.of(rows))  # fmt: skip

        z = torch.cat([noisy[i] for i, _ in rows])
        return denoiser.precondition(network, z, alpha_bar[None].to(denoiser.where())).float().split(1)


def is_stock(vae: torch.nn.Module) -> bool:
    """Whether a model is a CogVideoX checkpoint, which pads its texts and comes with its own sampler."""
    return isinstance(vae, AutoencoderKLCogVideoX)


def fast_on_cpu(device: torch.device, wanted: bool) -> torch.autocast:
    """bfloat16 where the processor has instructions for it (two to three times faster); elsewhere nothing."""
    has_bf16 = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and device.type == "cpu" and has_bf16)


def _padded(rows: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Rows (n_i, d) as one tensor (B, n, d), and bool (B, n), True where there is a token."""
    lengths = torch.tensor([len(row) for row in rows], device=rows[0].device)
    padded = torch.nn.utils.rnn.pad_sequence(list(rows), batch_first=True)
    return padded, torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]


def _padded_history(rows: Sequence[Tensor | None]) -> tuple[Tensor | None, Tensor | None]:
    """As `_padded`; None for a row that remembers nothing, and for all if none remembers."""
    some = next((row for row in rows if row is not None), None)
    return (None, None) if some is None else _padded([some[:0] if row is None else row for row in rows])


def _norms(predictions: Predictions) -> dict[str, float]:
    """How much the text and the history pull, root mean square."""
    norms = {}
    for name, other in (("text_pull", "negative"), ("history_pull", "forgetful")):
        if other in predictions and "full" in predictions:
            norms[name] = float((predictions["full"] - predictions[other]).square().mean().sqrt())
    return norms
