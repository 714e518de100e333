"""How sharp and how steady clips are beside rendered ones (docs/benchmark.md).

Every figure is a tally of generated over rendered, so that 1 is right: below it detail or motion is missing, above it
there is too much. Letters: F frames, f latent frames, C components, H, W pixels, h, w latents a side.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ...autoencoder import AutoencoderLinearVideo, scaled_latents
from ...picturebook.localiser import PLACE, Localiser
from ...picturebook.reader import ClipReader
from ...picturebook.world import WorldStory
from ...training.frames import to_video
from ..common.statistics import Tally, total
from .measures import actor_appearances
from .systems import Film
from .witnesses import Line, agreements

COARSE, FINE = 1.5, 0.38  # spreads of components: coarse above the first, fine below the second, middle between
BANDS = ("coarse", "middle", "fine")
PARTS = ("moving", "still")
REACH = 3  # pixels at the localiser's size by which an actor may be larger than the localiser sees it
SHARPNESS = (
    *(f"{part}_{band}" for part in PARTS for band in BANDS),
    "within_latents",
    "across_latents",
    "flicker",
    "pixel_energy",
    "witnesses",
    "witnesses_rendered",
)


@dataclass(frozen=True, eq=False)
class Instruments:
    """What looks at the clips. Without a line there is one witness alone, and nothing to agree with."""

    vae: AutoencoderLinearVideo
    reader: ClipReader
    localiser: Localiser
    line: Line | None = None


def sharpness_tallies(
    instruments: Instruments, story: WorldStory, film: Film, rendered: Film, reference: Film | None = None
) -> dict[str, Tally]:
    """The tallies of SHARPNESS of one film, each clip beside the rendered one of its scene.

    reference: what the energies of latents are over; None for rendered clips that were encoded and decoded, so that
    they say what is there of what the decoder keeps.
    """
    found = band_tallies(instruments.vae, film, rebuilt(instruments.vae, rendered) if reference is None else reference)
    found |= difference_tallies(film, rendered, instruments.vae.config.temporal_compression_ratio)
    found["flicker"] = flicker_tally(instruments.localiser, film, rendered)
    found["pixel_energy"] = Tally(sum(map(pixel_energy, film)), sum(map(pixel_energy, rendered)))
    if instruments.line is not None:
        found["witnesses"] = first_look_tally(instruments.reader, instruments.line, story, film)
        found["witnesses_rendered"] = first_look_tally(instruments.reader, instruments.line, story, rendered)
    return found


# Energy by band


@torch.no_grad()
def rebuilt(vae: AutoencoderLinearVideo, film: Film) -> Film:
    """Clips, encoded and decoded by the autoencoder."""
    clips = []
    for frames in film:
        video = to_video(frames[None]).to(vae.device, vae.dtype)
        decoded = vae.decode(vae.encode(video, return_dict=False)[0].mode(), return_dict=False)[0]
        pixels = (decoded[0].float().clamp(-1, 1) + 1) * 127.5
        clips.append(pixels.round().byte().movedim(0, -1).cpu().numpy())
    return clips


@torch.no_grad()
def energies(vae: AutoencoderLinearVideo, film: Film) -> dict[str, Tensor]:
    """Of the clips' means over latent frames ("still") and of deviations from them ("moving"), by component: (C)."""
    found = dict.fromkeys(PARTS, torch.zeros(()))
    for frames in film:
        z = scaled_latents(vae, to_video(frames[None]).to(vae.device, vae.dtype))[0].float().cpu()  # (f, C, h, w)
        still = z.mean(0, keepdim=True)
        found["still"] = found["still"] + still.square().sum((0, 2, 3))
        found["moving"] = found["moving"] + (z - still).square().sum((0, 2, 3))
    return found


def band_tallies(vae: AutoencoderLinearVideo, film: Film, reference: Film) -> dict[str, Tally]:
    """Energy over that of the reference by part and band; empty if the autoencoder does not tell its spreads."""
    spreads = getattr(vae.config, "latents_std", None)
    if not spreads:
        return {}
    own, other = energies(vae, film), energies(vae, reference)
    return {
        f"{part}_{name}": Tally(float(own[part][band].sum()), float(other[part][band].sum()))
        for part in PARTS
        for name, band in zip(BANDS, bands(torch.tensor(spreads)), strict=True)
    }


def bands(spreads: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Which components are coarse, middle and fine, each bool (C)."""
    coarse, fine = spreads > COARSE, spreads < FINE
    return coarse, ~(coarse | fine), fine


# Differences of neighbouring frames


def differences(frames: np.ndarray) -> np.ndarray:
    """Absolute, mean over colours, of each frame from the one before: uint8 (F, H, W, 3) to float32 (F - 1, H, W)."""
    return np.abs(np.diff(frames.astype(np.float32), axis=0)).mean(-1)


def difference_tallies(film: Film, rendered: Film, period: int) -> dict[str, Tally]:
    """Mean difference inside latents (`period` frames each, the first frame has one of its own) and across borders."""
    own, other = (np.stack([differences(clip).mean((1, 2)) for clip in clips]) for clips in (film, rendered))
    border = np.arange(own.shape[1]) % period == 0
    return {
        "within_latents": Tally(float(own[:, ~border].sum()), float(other[:, ~border].sum())),
        "across_latents": Tally(float(own[:, border].sum()), float(other[:, border].sum())),
    }


def flicker_tally(localiser: Localiser, film: Film, rendered: Film) -> Tally:
    """1 plus what changes where nothing should move, less the same of rendered clips, over all that changes in those.

    Nothing moves in a place. So a film that is as steady as a rendered one has 1, whatever its actors do, and 1.2 if
    a fifth of what moves in a rendered clip is added by its places.
    """
    excess = sum(map(float, (resting_change(localiser, clip) for clip in film)))
    excess -= sum(map(float, (resting_change(localiser, clip) for clip in rendered)))
    moving = sum(float(differences(clip).mean()) for clip in rendered)
    return Tally(moving + excess, moving)


def resting_change(localiser: Localiser, frames: np.ndarray) -> float:
    """Difference of neighbouring frames where neither shows anybody, as the localiser sees it; mean over all pixels."""
    masks = torch.from_numpy(np.stack(localiser.masks(list(frames))) != PLACE)  # (F, h, w)
    there = F.max_pool2d(masks.float(), 2 * REACH + 1, 1, REACH)
    changes = differences(frames)
    there = F.interpolate(torch.maximum(there[1:], there[:-1])[None], changes.shape[1:], mode="nearest")[0]
    return float((changes * (1 - there.numpy())).mean())


# Pixels and witnesses


def pixel_energy(frames: np.ndarray) -> float:
    """Mean square of what a 3 x 3 blur takes away of frames uint8 (F, H, W, 3), in colours from 0 to 1."""
    x = torch.from_numpy(frames).movedim(-1, 1).float() / 255
    blurred = F.avg_pool2d(F.pad(x, [1] * 4, mode="replicate"), 3, 1)
    return float((x - blurred).square().mean())


def first_look_tally(reader: ClipReader, line: Line, story: WorldStory, film: Film) -> Tally:
    """Unsaid looks on which both witnesses agree, where an actor is seen for the first time."""
    first = sorted(scenes[0] for scenes in actor_appearances(story).values())
    scenes, clips = [story.scenes[i] for i in first], [film[i] for i in first]
    return total(Tally(same, 1) for _, same in agreements(scenes, clips, reader, line))
