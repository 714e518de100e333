"""Trains the student of `pipeline.live`: guided denoising with many branches in as few passes as it has segments.

Guidance distillation (Meng et al. 2023, arXiv 2210.03142) and progressive distillation (Salimans and Ho 2022) in one
go. The teacher denoises training scenes from pure noise with drawn weights of the guidance, and what it passes at the
borders of the segments is kept; the student learns to get from each border to the next by one step of DDIM. There it
also learns the two differences that the weights multiply, so that it follows weights that it was seldom asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from ...autoencoder import AutoencoderLinearVideo
from ...blocks.attention import AttentionContext
from ...decoupler import Decoupler
from ...feature_extractor import FeatureExtractor
from ...guidance import make_preconditioning
from ...live.student import LARGEST, Student
from ...sampling import ddim_step, trailing_timesteps
from ...transformer import StoryTransformer3DModel
from ..dataset.memory import SCENES
from ..loop import Losses, Recipe, device_of, half_precision
from .extractor import ExtractorData, recollect
from .generator import SCENE_DROP, empty_text, new_scheduler

RECIPE = Recipe("live", 4500, 1e-3, 16, warmup=50, decay=0.6, average=0.99, adam_names=("",))
SEGMENTS = 4  # steps of the student
TEACHER_STEPS = 12  # over all segments
CLIPS = 24  # in a file of `make_passages`
FILES = 120
WEIGHTS = (0.4, 1.0, 1.5, 1.5)  # of the segments' errors; the first one's is large and its way short
TAME = 16.0  # (w1 - 1)² + w2² at which a clip's error counts half: it grows with both
ELSEWHERE = 0.5  # share of a batch that is asked for other weights than those that led the teacher there
USUAL = ((1.0, 4.0), (1.0, 5.0))  # ranges of w1 and w2 from which half of the clips draw; the others from all


@dataclass(frozen=True, eq=False)
class Scenes:
    """Training scenes as both networks are told of them, N rows."""

    rows: Tensor  # int64 (N), of the training set
    use: Tensor  # bool (N, SCENES): which scenes of its story a row may remember
    variant: Tensor  # int64 (N, SCENES), of keyframes
    weights: Tensor  # float32 (N, 2), w1 and w2; w2 is 0 where nothing is remembered


@dataclass(frozen=True, eq=False)
class Passages:
    """What the teacher passed: states float16 (N, SEGMENTS + 1, f, C, h, w), from pure noise to clean latents; and at
    the first SEGMENTS of them pulls float16 (N, SEGMENTS, 2, f, C, h, w), what w1 and w2 multiply."""

    scenes: Scenes
    states: Tensor
    pulls: Tensor


@dataclass(frozen=True, eq=False)
class Told:
    """Conditions of a batch."""

    text: Tensor  # (B, L, t)
    mask: Tensor  # bool (B, L)
    history: Tensor  # (B, H, d)
    matched: Tensor  # bool (B, H): which rows of the history are there

    def with_text(self, text: Tensor) -> Told:
        """The same for another text, (n, t), in all rows."""
        replaced, mask = torch.zeros_like(self.text), torch.zeros_like(self.mask)
        replaced[:, : len(text)], mask[:, : len(text)] = text, True
        return Told(replaced, mask, self.history, self.matched)

    def without_history(self, rows: Tensor) -> Told:
        """Some rows, with none of their history."""
        return Told(self.text[rows], self.mask[rows], self.history[rows], torch.zeros_like(self.matched[rows]))


@dataclass(frozen=True, eq=False)
class Memory:
    """What conditions come from: frozen."""

    extractor: FeatureExtractor
    decoupler: Decoupler
    data: ExtractorData

    @torch.no_grad()
    def told(self, scenes: Scenes, chosen: Tensor) -> Told:
        rows = scenes.rows[chosen]
        r = recollect(self.extractor, self.data, rows, scenes.use[chosen], scenes.variant[chosen])
        past_mask = r.past_mask.clone()
        past_mask[:, 0] |= ~past_mask.any(1)  # rows without a past see one token; `matched` hides what comes of it
        predicted = self.extractor(r.past, r.prompt, past_mask, r.mask)
        visual = self.decoupler(r.prompt, predicted, r.matched)
        count = max(1, int(r.matched.sum(1).max()))
        order = r.matched.long().argsort(dim=1, descending=True, stable=True)[:, :count]
        history = visual.gather(1, order[..., None].expand(-1, -1, visual.shape[-1]))
        return Told(r.prompt, r.mask, history, r.matched.gather(1, order))


def predict(
    network: StoryTransformer3DModel, told: Told, cond: Tensor | None = None
) -> Callable[[Tensor, Tensor], Tensor]:
    """(z, t) -> what the network itself gives."""
    context = AttentionContext(text_mask=told.mask, history_mask=told.matched)

    def run(z: Tensor, t: Tensor) -> Tensor:
        return network(z, told.text, t, cond, history=told.history, context=context).sample

    return run


def draw_scenes(memory: Memory, count: int, generator: torch.Generator) -> Scenes:
    rows = torch.randint(len(memory.data.text), (count,), generator=generator)
    use = torch.rand(count, SCENES, generator=generator) > SCENE_DROP
    variant = torch.randint(2, (count, SCENES), generator=generator)
    usual = torch.rand(count, 1, generator=generator) < 0.5
    low, high = torch.tensor(USUAL).T
    drawn = torch.rand(count, 2, generator=generator)
    weights = torch.where(usual, low + (high - low) * drawn, LARGEST * drawn)
    scenes = Scenes(rows, use, variant, weights)
    remembers = memory.told(scenes, torch.arange(count)).matched.any(1).cpu()
    weights[:, 1] *= remembers
    return scenes


@dataclass(frozen=True, eq=False)
class Teacher:
    """The teacher with everything that it needs."""

    network: StoryTransformer3DModel
    vae: AutoencoderLinearVideo
    memory: Memory

    @property
    def shape(self) -> tuple[int, ...]:
        """Of latents, (f, C, h, w)."""
        config = self.network.config
        frames = (config.sample_frames - 1) // config.temporal_compression_ratio + 1
        return frames, config.in_channels, config.sample_height, config.sample_width

    @torch.no_grad()
    def passages(self, seed: int) -> Passages:
        """CLIPS scenes, denoised."""
        generator, device = torch.Generator().manual_seed(seed), device_of(self.network)
        scenes = draw_scenes(self.memory, CLIPS, generator)
        z = torch.randn((CLIPS, *self.shape), generator=generator).to(device)
        rows = self._rows(self.memory.told(scenes, torch.arange(CLIPS)))
        bars = new_scheduler().alphas_cumprod.float()
        states, times, pulls = [z.half().cpu()], trailing_timesteps(TEACHER_STEPS, len(bars)), []
        w1, w2 = (w[:, None, None, None, None] for w in scenes.weights.to(device).unbind(1))
        for index, t in enumerate(times):
            full, text, history = self._branches(z, t, rows, bars)
            v = full + (w1 - 1) * text + w2 * history
            if index % (TEACHER_STEPS // SEGMENTS) == 0:
                pulls.append(torch.stack([text, history], dim=1).half().cpu())
            after = bars[times[index + 1]] if index + 1 < len(times) else torch.tensor(1.0)
            z, _ = ddim_step(v, z, bars[t], after)
            if (index + 1) % (TEACHER_STEPS // SEGMENTS) == 0:
                states.append(z.half().cpu())
        return Passages(scenes, torch.stack(states, dim=1), torch.stack(pulls, dim=1))

    def _rows(self, told: Told) -> dict[str, tuple[Told, Tensor]]:
        """Of every branch what it is told, and of which clips."""
        device = told.text.device
        everyone, remembering = torch.arange(len(told.text), device=device), told.matched.any(1).nonzero()[:, 0]
        return {
            "full": (told, everyone),
            "negative": (told.with_text(empty_text().to(device)), everyone),
            "forgetful": (told.without_history(remembering), remembering),
        }

    def _branches(
        self, z: Tensor, t: int, rows: dict[str, tuple[Told, Tensor]], bars: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The branch "full", and by what it differs from "negative" and "forgetful"."""
        v = {name: self._branch(z[own], t, told, bars) for name, (told, own) in rows.items()}
        history, remembering = torch.zeros_like(v["full"]), rows["forgetful"][1]
        history[remembering] = v["full"][remembering] - v["forgetful"]
        return v["full"], v["full"] - v["negative"], history

    def _branch(self, z: Tensor, t: int, told: Told, bars: Tensor) -> Tensor:
        if not len(z):
            return z
        run, times = predict(self.network, told), torch.full((len(z),), t, device=z.device)
        precondition = make_preconditioning(self.vae.config.latents_std, self.vae.config.latents_motion_std)
        with half_precision(z.device):
            return precondition(lambda x: run(x, times), z, bars[times.cpu()].to(z.device)).float()


def make_passages(
    folder: Path, network: StoryTransformer3DModel, vae: AutoencoderLinearVideo, memory: Memory, files: int = FILES
) -> None:
    """Files of what the teacher passes, those that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    teacher = Teacher(network, vae, memory)
    for index in tqdm(range(files), desc="teacher", unit="file"):
        path = folder / f"{index:04d}.pt"
        if not path.exists():
            made = teacher.passages(index)
            torch.save(vars(made.scenes) | {"states": made.states, "pulls": made.pulls}, path.with_suffix(".tmp"))
            path.with_suffix(".tmp").replace(path)


def load_passages(folder: Path) -> Passages:
    parts = [torch.load(path, weights_only=True) for path in sorted(folder.glob("*.pt"))]
    joined = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
    states, pulls = joined.pop("states"), joined.pop("pulls")
    return Passages(Scenes(**joined), states, pulls)


def make_losses(
    student: Student,
    vae: AutoencoderLinearVideo,
    memory: Memory,
    passages: Passages,
    batch_size: int,
) -> Callable[[torch.Generator], Losses]:
    """The error of v against the one that leads to the teacher's next state. A share of the batch is asked for other
    weights there, and v should differ by as much as the teacher's would, which is linear in them."""
    device, bars = device_of(student), new_scheduler().alphas_cumprod.float()
    precondition = make_preconditioning(vae.config.latents_std, vae.config.latents_motion_std)
    times = torch.tensor(trailing_timesteps(SEGMENTS, len(bars)))
    levels = torch.cat([bars[times], torch.ones(1)])

    def losses(generator: torch.Generator) -> Losses:
        chosen = torch.randint(len(passages.states), (batch_size,), generator=generator)
        segment = torch.arange(batch_size) % SEGMENTS
        z, following = (passages.states[chosen, segment + i].float().to(device) for i in (0, 1))
        bar, after = (levels[segment + i][:, None, None, None, None].to(device) for i in (0, 1))
        own = passages.scenes.weights[chosen]
        other = torch.rand(own.shape, generator=generator) * LARGEST * (own > 0)
        elsewhere = torch.rand(batch_size, 1, generator=generator) < ELSEWHERE
        weights = torch.where(elsewhere, other, own)
        moved = (weights - own)[:, :, None, None, None, None] * passages.pulls[chosen, segment].float()
        target = aimed(z, following, bar, after) + moved.sum(1).to(device)
        told = memory.told(passages.scenes, chosen)
        with half_precision(device):
            run = predict(student, told, weights.to(device))
            v = precondition(lambda x: run(x, times[segment].to(device)), z, levels[segment].to(device))
        errors = (v.float() - target).square().mean((1, 2, 3, 4))
        size = ((weights[:, 0] - 1).square() + weights[:, 1].square()).to(device)
        weighted = errors * torch.tensor(WEIGHTS, device=device)[segment] / (1 + size / TAME)
        found = {f"segment_{i + 1}": errors[i::SEGMENTS].mean() for i in range(SEGMENTS)}
        return {"loss": weighted.mean(), "elsewhere": errors[elsewhere[:, 0].to(device)].mean(), **found}

    return losses


def aimed(z: Tensor, following: Tensor, bar: Tensor, after: Tensor) -> Tensor:
    """The v with which one step of DDIM from z, at ᾱ `bar`, gives `following`, at ᾱ `after`."""
    a, s, a_next, s_next = bar.sqrt(), (1 - bar).sqrt(), after.sqrt(), (1 - after).sqrt()
    x = (following - s_next / s * z) / (a_next - s_next * a / s)
    return (a * z - x) / s
