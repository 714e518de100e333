"""Trains the decoupler and the transformer on top of the frozen feature extractor, by v-prediction.

Text, history and single past scenes are dropped at random, so that every branch of the guidance is in distribution;
half of the remembered keyframes are blurred and noisy, as generated ones are. Latents that show an actor count more:
actors are small and have most of the looks. For the same reason some batches see only the patches around an actor
(`windows`). Another loss aligns a hidden layer with φ of the true keyframe (representation alignment, Yu et al. 2024),
which brings memory and layout early; and one compares φ of a frame of the estimated clean clip with φ of the true one
(a perceptual loss on diffusion, Lin and Yang 2024), which makes figures commit to a look instead of blending several.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import CogVideoXDDIMScheduler
from torch import Tensor, nn
from transformers import CLIPVisionModelWithProjection

from ...autoencoder import AutoencoderLinearVideo
from ...blocks.attention import AttentionContext
from ...decoupler import Decoupler, cross_covariance
from ...encoders.image import patch_features, to_pixels
from ...feature_extractor import FeatureExtractor
from ...guidance import Preconditioning, make_preconditioning
from ...picturebook.facts import GRID
from ...transformer import StoryTransformer3DModel
from ..dataset.castings import CAST
from ..dataset.memory import SCENES
from ..dataset.picturebook_set import MAX_TOKENS, PictureBookSet
from ..loop import Losses, Recipe, device_of, half_precision
from .extractor import ExtractorData, recollect
from .noising import (
    KEYFRAME_LATENT,
    LATENT_FRAMES,
    Choices,
    Noised,
    draw_deciding,
    draw_soft,
    draw_times,
    last_frame,
    with_still_ends,
)
from .windows import Window, draw_window

ADAM_NAMES = ("patch_embed", "proj_out", "positions", "time_embedding", "history_proj", "align")
RECIPE = Recipe("generator", 15400, 2.5e-3, 32, warmup=100, average=0.998, adam_names=ADAM_NAMES)
CONTINUED = Recipe("generator-continued", 2200, 2e-4, 32, warmup=60, decay=0.75, average=0.998, adam_names=ADAM_NAMES)
CONTINUATION = Recipe("continuation", 3600, 2e-4, 32, warmup=100, decay=0.7, average=0.999, adam_names=ADAM_NAMES)
TEXT_DROP, HISTORY_DROP, SCENE_DROP = 0.1, 0.2, 0.15
ALIGNMENT_LAYER = 2
ACTOR_WEIGHT = 4.0  # of a latent that is all actor, against 1 for one without
PATCH = 2  # latents a side of a token
DRAWN_ALIKE = Choices()  # all latent frames of a clip are equally noisy, and none is known


def new_scheduler() -> CogVideoXDDIMScheduler:
    return CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        snr_shift_scale=3.0,
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        beta_schedule="scaled_linear",
        beta_start=0.00085,
        beta_end=0.012,
        clip_sample=False,
        set_alpha_to_one=True,
    )


def new_transformer(
    latent_channels: int, height: int = 8, width: int = 12, history_dim: int = 192
) -> StoryTransformer3DModel:
    """The embedded generator, untrained: 120 video tokens for 17 frames of 96 x 144."""
    return StoryTransformer3DModel(
        num_attention_heads=6,
        attention_head_dim=48,
        num_layers=6,
        in_channels=latent_channels,
        out_channels=latent_channels,
        time_embed_dim=32,
        text_embed_dim=384,
        sample_height=height,
        sample_width=width,
        sample_frames=17,
        patch_size=PATCH,
        activation_fn="gelu",  # the exact one: five times faster than CogVideoX's approximation on a CPU, in bfloat16
        max_text_seq_length=64,
        spatial_interpolation_scale=1.0,
        history_dim=history_dim,
        history_gate=1.0,
        detail_dim=128,
    )


class GeneratorTrainer(nn.Module):
    def __init__(self, extractor: FeatureExtractor, vae: AutoencoderLinearVideo, image_dim: int) -> None:
        super().__init__()
        dim = extractor.config.dim
        self.decoupler = Decoupler(dim=dim)
        self.transformer = new_transformer(vae.config.latent_channels, history_dim=dim)
        nn.init.zeros_(self.transformer.proj_out.weight)
        width = self.transformer.config.num_attention_heads * self.transformer.config.attention_head_dim
        self.align = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, image_dim))
        self.hidden: list[Tensor] = []  # of ALIGNMENT_LAYER, caught in the last forward pass
        norm = self.transformer.transformer_blocks[ALIGNMENT_LAYER].norm1.norm  # which sees the video, then the text
        norm.register_forward_pre_hook(lambda _, args: self.hidden.append(args[0]))

    def load(self, transformer: StoryTransformer3DModel, decoupler: Decoupler) -> None:
        """Goes on from trained weights. The head of the alignment is not kept with them and begins anew."""
        self.transformer.load_state_dict(transformer.float().state_dict())
        self.decoupler.load_state_dict(decoupler.float().state_dict())

    def alignment(self, target: Tensor, window: Window | None = None) -> Tensor:
        """1 - cosine between the hidden layer on the keyframe's latent frame and φ there, target (B, P, v)."""
        tokens = self.hidden[0].unflatten(1, (LATENT_FRAMES, -1))[:, KEYFRAME_LATENT]
        grid = target.unflatten(1, (GRID, GRID)).permute(0, 3, 1, 2)
        pooled = F.avg_pool2d(grid, (3, 2))  # (B, v, rows of patches, columns)
        if window:
            pooled = replace(window, p=1).cut(pooled)
        return 1 - F.cosine_similarity(self.align(tokens).float(), pooled.flatten(2).transpose(1, 2), dim=-1).mean()


def make_losses(
    trainer: GeneratorTrainer,
    extractor: FeatureExtractor,
    vae: AutoencoderLinearVideo,
    image_encoder: CLIPVisionModelWithProjection,
    folder: Path,
    data: ExtractorData,
    batch_size: int,
    choices: Choices = DRAWN_ALIKE,
    *,
    base: StoryTransformer3DModel | None = None,
) -> Callable[[torch.Generator], Losses]:
    """Losses of a batch. The autoencoder and the image encoder are frozen, and so is the extractor unless it is trained
    end to end. base: the frozen generator of the clips that are gone on from, where `choices.soft` asks for one."""
    pictures, device = PictureBookSet(folder), device_of(trainer)
    scheduler = new_scheduler()
    precondition = make_preconditioning(vae.config.latents_std, vae.config.latents_motion_std)
    nothing = empty_text().to(device)
    centre = data.features[0, ::50].float().mean((0, 1)).to(device)
    for frozen in (vae, image_encoder):
        frozen.requires_grad_(False)
    extractor.requires_grad_(choices.end_to_end)

    def losses(generator: torch.Generator) -> Losses:
        drawn = _draw(pictures, batch_size, choices, scheduler.alphas_cumprod, generator)
        rows, window = drawn.rows, drawn.window
        cut = window.cut if window else _whole
        clean, noise, actors = (x.to(device) for x in (drawn.clean, drawn.noise, drawn.actors))
        with half_precision(device):
            given = _conditions(trainer, extractor, data, drawn, nothing)
            alpha_bar = scheduler.alphas_cumprod[drawn.t].float().to(device)  # (B, f)
            noised = Noised(cut(clean), cut(noise), drawn.t.to(device), alpha_bar, drawn.known.to(device))
            if choices.ending:
                noised = replace(noised, shown=cut(with_still_ends(vae, clean, noised.known[:, -1])))
            if base is not None:
                noised = _softened(noised, drawn, scheduler.alphas_cumprod, base, precondition, given, window)
            squares, estimate = _estimates(trainer, precondition, noised, given, window)
            alignment = trainer.alignment(data.features[0, rows].to(device).float() - centre, window)
            made = ~drawn.known.to(device)[..., None, None]
            weights, remembers = latent_weights(cut(actors), made), given.matched.any(1)
            frames = torch.randint(1, clean.shape[1], (batch_size,), generator=generator).to(device)
            whole = window.paste(estimate, clean) if window else estimate
            apart = perception(image_encoder, vae, whole, clean, latent_weights(actors), frames)
        error = (squares * weights).mean((1, 2, 3))
        seen = (apart * alpha_bar.gather(1, frames[:, None])[:, 0]).mean()
        loss = error.mean() + choices.alignment * alignment
        loss = loss + choices.decoupling * given.decoupling + choices.perception * seen
        return {
            "loss": loss,
            "v": squares.mean(),
            "with_history": error[remembers].mean(),
            "without": error[~remembers].mean(),
            "alignment": alignment,
            "decoupling": given.decoupling,
            "perception": seen,
        }

    return losses


def _whole(x: Tensor) -> Tensor:
    return x


@dataclass(frozen=True)
class _Drawn:
    """The chance in a batch, all of it on the CPU."""

    rows: Tensor  # (B)
    use: Tensor  # bool (B, SCENES): which scenes of its story a row may remember
    variant: Tensor  # (B, SCENES), of keyframes
    cast: Tensor | None  # bool (B, CAST): which castings a row may remember
    silent: Tensor  # bool (B): rows without their text
    clean: Tensor  # (B, f, C, h, w), latents
    noise: Tensor
    t: Tensor  # (B, f)
    known: Tensor  # bool (B, f): latent frames that are given, not made
    soft: Tensor  # (B): the timestep from which known frames are estimated by a generator; 0 where they are as drawn
    actors: Tensor  # (B, f, h, w), how much of each latent an actor covers
    window: Window | None


@dataclass(frozen=True)
class _Conditions:
    """What a batch is generated from."""

    history: Tensor  # (B, H, d)
    matched: Tensor  # bool (B, H): which of its rows are there
    text: Tensor  # (B, L, t)
    mask: Tensor  # bool (B, L)
    decoupling: Tensor  # the loss of the decoupler


def _draw(
    pictures: PictureBookSet, batch_size: int, choices: Choices, alpha_bars: Tensor, generator: torch.Generator
) -> _Drawn:
    rows = torch.randint(len(pictures), (batch_size,), generator=generator)
    use = torch.rand(batch_size, SCENES, generator=generator) > SCENE_DROP
    use &= torch.rand(batch_size, 1, generator=generator) > HISTORY_DROP
    variant = torch.randint(2, (batch_size, SCENES), generator=generator) * choices.history_noise
    clean, actors = pictures.latents(rows), pictures.actor_coverage(rows)
    noise = torch.randn(clean.shape, generator=generator)
    t = torch.randint(len(alpha_bars), (batch_size,), generator=generator)
    silent = torch.rand(batch_size, generator=generator) < TEXT_DROP
    windowed = float(torch.rand((), generator=generator)) < choices.windows
    window = draw_window(actors, PATCH, generator) if windowed else None
    if choices.deciding:
        deciding = torch.rand(batch_size, generator=generator) < choices.deciding
        t = torch.where(deciding, draw_deciding(alpha_bars, batch_size, generator), t)
    cast = None
    if choices.castings:
        cast = torch.rand(batch_size, CAST, generator=generator) < choices.castings
        cast &= torch.rand(batch_size, 1, generator=generator) > HISTORY_DROP
    times, known = draw_times(t, choices, len(alpha_bars), generator)
    soft = draw_soft(choices, known.any(1), alpha_bars, generator)
    return _Drawn(rows, use, variant, cast, silent, clean, noise, times, known, soft, actors, window)


def _conditions(
    trainer: GeneratorTrainer, extractor: FeatureExtractor, data: ExtractorData, drawn: _Drawn, nothing: Tensor
) -> _Conditions:
    r = recollect(extractor, data, drawn.rows, drawn.use, drawn.variant, drawn.cast)
    past_mask = r.past_mask.clone()
    past_mask[:, 0] |= ~past_mask.any(1)  # rows without a past see one token; `matched` hides what comes of it
    predicted = extractor(r.past, r.prompt, past_mask, r.mask)
    visual = trainer.decoupler(r.prompt, predicted, r.matched)
    decoupling = cross_covariance(visual[r.matched], r.prompt[r.matched])
    count = max(1, int(r.matched.sum(1).max()))
    order = r.matched.long().argsort(dim=1, descending=True, stable=True)[:, :count]
    history = visual.gather(1, order[..., None].expand(-1, -1, visual.shape[-1]))
    text, mask, silent = r.prompt.clone(), r.mask.clone(), drawn.silent.to(r.mask.device)
    text[silent, : len(nothing)] = nothing
    mask[silent] = torch.arange(mask.shape[1], device=mask.device) < len(nothing)
    return _Conditions(history, r.matched.gather(1, order), text, mask, decoupling)


def latent_weights(actors: Tensor, made: Tensor | None = None) -> Tensor:
    """How much each latent counts, (B, f, h, w), 1 on average. actors (B, f, h, w): how much of it an actor covers; an
    actor's outline counts as the actor. made: bool (B, f, 1, 1), False for latent frames that do not count."""
    near = F.max_pool2d(actors, 3, stride=1, padding=1)
    weights = 1 + (ACTOR_WEIGHT - 1) * near
    if made is not None:
        weights = weights * made
    return weights / weights.mean((1, 2, 3), keepdim=True)


def _estimates(
    trainer: GeneratorTrainer,
    precondition: Preconditioning,
    noised: Noised,
    given: _Conditions,
    window: Window | None,
) -> tuple[Tensor, Tensor]:
    """Squared error of v = α ε - σ x, the mean over channels, (B, f, h, w); and the clean latents that v implies."""
    clean, noise, alpha_bar = noised.clean, noised.noise, noised.alpha_bar
    a, s = (x.sqrt()[..., None, None, None] for x in (alpha_bar, 1 - alpha_bar))
    trainer.hidden.clear()
    network = _network(trainer.transformer, given, noised.t, window)
    z = a * noised.seen + s * noise
    predicted = precondition(network, z, alpha_bar, noised.anchor)
    return (predicted - (a * noise - s * clean)).square().mean(2), a * z - s * predicted


def _network(
    transformer: StoryTransformer3DModel, given: _Conditions, t: Tensor, window: Window | None
) -> Callable[[Tensor], Tensor]:
    corners = window.corners.to(t.device) if window else None
    context = AttentionContext(text_mask=given.mask, history_mask=given.matched)

    def network(z: Tensor) -> Tensor:
        return transformer(z, given.text, t, history=given.history, context=context, corners=corners).sample

    return network


@torch.no_grad()
def _softened(
    noised: Noised,
    drawn: _Drawn,
    alpha_bars: Tensor,
    base: StoryTransformer3DModel,
    precondition: Preconditioning,
    given: _Conditions,
    window: Window | None,
) -> Noised:
    """With known frames of some clips as `base` estimates them from `drawn.soft`, blurred where it can't know."""
    rows = drawn.soft.nonzero()[:, 0]
    if not len(rows):
        return noised
    t = drawn.soft[rows]
    at = rows.to(noised.clean.device)
    own = _Conditions(given.history[at], given.matched[at], given.text[at], given.mask[at], given.decoupling)
    cropped = replace(window, corners=window.corners[rows]) if window else None
    alpha_bar = alpha_bars[t].float().to(at.device)
    a, s = (x.sqrt()[:, None, None, None, None] for x in (alpha_bar, 1 - alpha_bar))
    seen = noised.seen[at]
    z = a * seen + s * torch.randn_like(seen)
    v = precondition(_network(base, own, t.to(at.device), cropped), z, alpha_bar)
    known = noised.known[at][..., None, None, None]
    shown = noised.seen.clone()
    shown[at] = torch.where(known, (a * z - s * v).to(shown), seen)
    return replace(noised, shown=shown)


def perception(
    image_encoder: CLIPVisionModelWithProjection,
    vae: AutoencoderLinearVideo,
    estimate: Tensor,
    clean: Tensor,
    weights: Tensor,
    frames: Tensor,
) -> Tensor:
    """1 - cosine between φ of estimated and of clean latents (B, f, C, h, w), each decoded at the last frame of latent
    frame `frames` (B); the mean over patches, weighted as the latents there, weights (B, f, h, w). Gives (B)."""
    rows = torch.arange(len(frames), device=frames.device)

    def features(latents: Tensor) -> Tensor:
        pictures = last_frame(vae, latents[rows, frames].float() / vae.config.scaling_factor)
        return patch_features(image_encoder, to_pixels(pictures, image_encoder.config.image_size)).float()

    with torch.no_grad():
        target = features(clean)
    apart = 1 - F.cosine_similarity(features(estimate), target, dim=-1)
    near = F.interpolate(weights[rows, frames][:, None], (GRID, GRID), mode="nearest").flatten(1)
    return (apart * near).sum(1) / near.sum(1)


def empty_text() -> Tensor:
    """τ(""): what stands for a prompt that was dropped, (2, t)."""
    from ...encoders.text import TextEncoder

    hidden = TextEncoder.minilm().encode("").hidden
    assert len(hidden) <= MAX_TOKENS
    return hidden
