"""The pipeline: past scenes and a prompt in, one clip out."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from diffusers import CogVideoXDDIMScheduler, DiffusionPipeline
from torch import Tensor
from transformers import CLIPVisionModelWithProjection, PreTrainedModel, PreTrainedTokenizerBase

from .autoencoder import AutoencoderLinearVideo
from .decoupler import Decoupler
from .errors import ThroughlineError
from .feature_extractor import FeatureExtractor
from .guidance import Guidance, branches, guide, make_preconditioning
from .history import AttentionMap, HistoryScene, Memory, remember
from .image_encoder import patch_features, to_pixels
from .sampling import ddim_step, trailing_timesteps
from .text_encoder import TextEncoder, load_minilm
from .text_filter import FilterResult, TextFilter, WordKey
from .transformer import StoryTransformer3DModel
from .weights import check_folder

DEFAULT_STEPS = 24


@dataclass(frozen=True)
class Settings:
    """Everything about one generation but its words, its past and its guidance."""

    height: int = 96  # pixels, a multiple of 24
    width: int = 144
    num_frames: int = 17  # 4 k + 1
    steps: int = DEFAULT_STEPS
    seed: int = 0
    eta: float = 0.0  # noise added at each step, 0 (none, DDIM) to 1 (DDPM)
    negative_prompt: str = ""
    threshold: float | None = None  # of the text filter; None for its default
    pins: tuple[WordKey, ...] = ()
    mutes: tuple[WordKey, ...] = ()
    muted_scenes: tuple[int, ...] = ()


@dataclass(frozen=True, eq=False)
class Shot:
    """A scene whose past is worked out, ready to be denoised. The filter's settings have no part in it any more."""

    prompt: str
    memory: Memory
    guidance: Guidance = field(default_factory=Guidance)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True, eq=False)
class Step:
    """Progress: step `index` of `total` (from 1) is done; `preview` is the present estimate of the clip."""

    index: int
    total: int
    preview: np.ndarray  # uint8 (F, H, W, 3)


@dataclass(frozen=True, eq=False)
class Trace:
    """What happened in one generation."""

    filter: FilterResult
    maps: tuple[AttentionMap, ...]
    guidance: tuple[dict[str, float], ...]  # a step: the two weights and the norms of the two corrections
    seconds: dict[str, float]  # of each stage: "history", "denoise", "decode"


@dataclass(frozen=True, eq=False)
class Clip:
    """The end of a generation."""

    frames: np.ndarray  # uint8 (F, H, W, 3)
    frames_per_second: int
    trace: Trace


@dataclass
class _Stopwatch:
    seconds: dict[str, float] = field(default_factory=dict)
    _since: float = field(default_factory=time.perf_counter)

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._since = now - self._since, now


class StoryPipeline(DiffusionPipeline):
    """Generates a scene from its prompt and from what earlier scenes established (design, section 1).

    Does not cover: models whose text is not encoded by `text_encoder` alone.
    """

    model_cpu_offload_seq = "text_encoder->image_encoder->extractor->decoupler->transformer->vae"
    _optional_components = ["text_encoder", "tokenizer"]  # in a folder, not in a pipeline: see save_pretrained

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, text_encoder: PreTrainedModel,
        image_encoder: CLIPVisionModelWithProjection, extractor: FeatureExtractor, decoupler: Decoupler,
        transformer: StoryTransformer3DModel, vae: AutoencoderLinearVideo, scheduler: CogVideoXDDIMScheduler,
    ) -> None:  # fmt: skip
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer, text_encoder=text_encoder, image_encoder=image_encoder, extractor=extractor,
            decoupler=decoupler, transformer=transformer, vae=vae, scheduler=scheduler,
        )  # fmt: skip
        self.text = TextEncoder(text_encoder, tokenizer, max_tokens=transformer.config.max_text_seq_length)
        self.filter = TextFilter.from_backbone()
        spreads = (getattr(vae.config, name, None) for name in ("latents_std", "latents_motion_std"))
        self.precondition = make_preconditioning(*spreads)
        self.frames_per_second = 8
        self.autocast = True  # denoise in bfloat16 on processors that have it

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options) -> StoryPipeline:  # type: ignore[override]
        """A pipeline from a folder in the diffusers layout; a text encoder it leaves out is MiniLM.

        Raises ThroughlineError for what is no model folder, WeightsError for weights that are missing, truncated or
        pickles.
        """
        index = check_folder(Path(folder))
        if not (index.get("text_encoder") or [None])[0]:
            text_encoder, tokenizer = load_minilm()
            options = {"text_encoder": text_encoder, "tokenizer": tokenizer} | options
        return super().from_pretrained(str(folder), **{"use_safetensors": True, "local_files_only": True} | options)

    def save_pretrained(self, folder: str | Path, *, text_encoder: bool = True, **options) -> None:  # type: ignore[override]
        """Saves in the diffusers layout; without text encoder and tokenizer if `text_encoder` is False (they are
        MiniLM then)."""
        if text_encoder:
            return super().save_pretrained(str(folder), **options)
        slim = type(self)(**self.components | {"text_encoder": None, "tokenizer": None})
        return DiffusionPipeline.save_pretrained(slim, str(folder), **options)

    # --- history ---------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def encode_scene(self, prompt: str, frames: np.ndarray, keyframe: int | None = None) -> HistoryScene:
        """Makes a past scene of a clip, uint8 (F, H, W, 3), or of a single picture (1, H, W, 3).

        keyframe: index of the frame that stands for the clip; None for the middle one.
        """
        if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
            raise ThroughlineError(
                f"clip has shape {frames.shape}, {frames.dtype}: expected frames (F, H, W, 3) of uint8"
            )
        picture = frames[len(frames) // 2 if keyframe is None else keyframe]
        pixels = to_pixels(picture[None], self.image_encoder.config.image_size)
        pixels = pixels.to(self.image_encoder.device, self.image_encoder.dtype)
        patches = patch_features(self.image_encoder, pixels)[0].float().cpu()
        return HistoryScene(prompt, picture.copy(), self.text.encode(prompt), patches)

    # --- generation ------------------------------------------------------------------------------------------------

    def __call__(
        self, prompt: str, history: Sequence[HistoryScene] = (), guidance: Guidance | None = None, **settings
    ) -> Clip:
        """`generate` to its end."""
        for item in self.generate(prompt, history, guidance, **settings):
            result = item
        assert isinstance(result, Clip)
        return result

    def generate(
        self, prompt: str, history: Sequence[HistoryScene] = (), guidance: Guidance | None = None, **settings
    ) -> Iterator[Step | Clip]:
        """Yields a Step after every denoising step and at last the Clip. Closing the generator cancels.

        settings: the fields of `Settings`. The same seed, machine and settings give the same clip, bit for bit.
        Raises ThroughlineError for prompts, sizes and settings that the model can't take, before the first step.
        """
        options, guidance = Settings(**settings), guidance or Guidance()
        self.check(prompt, options)
        return self._generate(prompt, tuple(history), guidance, options)

    def check(self, prompt: str, options: Settings) -> None:
        """Raises ThroughlineError for what `generate` can't do."""
        if not prompt.strip():
            raise ThroughlineError(f"prompt is {prompt!r}: expected at least a word")
        self.text.encode(prompt)
        self.text.encode(options.negative_prompt)
        self._check_size(options)
        if not 1 <= options.steps <= 1000:
            raise ThroughlineError(f"steps is {options.steps}: expected 1 to 1000")
        if not 0 <= options.eta <= 1:
            raise ThroughlineError(f"eta is {options.eta}: expected a number from 0 to 1")

    def _check_size(self, options: Settings) -> None:
        unit, period = self.spatial_unit, self.vae.config.temporal_compression_ratio
        for name, value in (("height", options.height), ("width", options.width)):
            if value % unit or not 2 * unit <= value <= 20 * unit:
                raise ThroughlineError(
                    f"{name} is {value}: expected a multiple of {unit} from {2 * unit} to {20 * unit}"
                )
        if (options.num_frames - 1) % period or not 1 <= options.num_frames <= 81:
            raise ThroughlineError(f"num_frames is {options.num_frames}: expected {period} k + 1, from 1 to 81")

    @property
    def spatial_unit(self) -> int:
        """Pixels a side of what one video token covers."""
        return self.vae.config.patch_size * self.transformer.config.patch_size

    @torch.no_grad()
    def _generate(
        self, prompt: str, history: tuple[HistoryScene, ...], guidance: Guidance, options: Settings
    ) -> Iterator[Step | Clip]:
        watch = _Stopwatch()
        result = self.filter([scene.prompt for scene in history], prompt, threshold=options.threshold,
        pins=options.pins,
                             mutes=options.mutes, muted_scenes=options.muted_scenes)  # fmt: skip
        memory = remember(history, result, self.text.encode(prompt), self.extractor, self.decoupler)
        watch.lap("history")
        norms = list[dict[str, float]]()
        for index, [(latents, norm)] in enumerate(self._denoise([Shot(prompt, memory, guidance, options)]), 1):
            norms.append(norm)
            yield Step(index, options.steps, self._decode(latents, sharpen=False))
        watch.lap("denoise")
        frames = self._decode(latents, sharpen=True)
        watch.lap("decode")
        yield Clip(frames, self.frames_per_second, Trace(result, memory.maps, tuple(norms), watch.seconds))

    @torch.no_grad()
    def render(self, shots: Sequence[Shot]) -> list[np.ndarray]:
        """The frames of several shots, denoised as one batch without previews; each uint8 (F, H, W, 3).

        A shot's result is that of the shot alone up to rounding, whatever it is batched with. Raises ThroughlineError
        for what `generate` can't do, and for shots that differ in size, length or steps.
        """
        for shot in shots:
            self.check(shot.prompt, shot.settings)
        alike = {(s.height, s.width, s.num_frames, s.steps) for s in (shot.settings for shot in shots)}
        if len(alike) != 1:
            raise ThroughlineError(f"shots have {len(alike)} shapes (height, width, frames, steps): expected one")
        for step in self._denoise(shots):
            outcome = step
        return [self._decode(latents, sharpen=True) for latents, _ in outcome]

    def _denoise(self, shots: Sequence[Shot]) -> Iterator[list[tuple[Tensor, dict[str, float]]]]:
        """Yields after every step, of each shot, the estimate of the clean latents, (1, f, C, h, w), and the norms."""
        generators = [torch.Generator().manual_seed(shot.settings.seed) for shot in shots]
        shape, steps = self._latent_shape(shots[0].settings), shots[0].settings.steps
        noisy = [torch.randn(shape, generator=generator).to(self.transformer.device) for generator in generators]
        predict = self._predictor(shots)
        timesteps = trailing_timesteps(steps, self.scheduler.config.num_train_timesteps)
        alpha_bars = [self.scheduler.alphas_cumprod[t].float() for t in timesteps] + [torch.tensor(1.0)]
        for index, t in enumerate(timesteps):
            weights = [shot.guidance.weights(index, steps) for shot in shots]
            names = [branches(*w, shot.memory.tokens is not None) for w, shot in zip(weights, shots, strict=True)]
            predictions, outcome = predict(noisy, t, alpha_bars[index], names), []
            for i, (shot, (w1, w2)) in enumerate(zip(shots, weights, strict=True)):
                v = guide(predictions[i], w1, w2)
                noisy[i], clean = ddim_step(
                    v, noisy[i], alpha_bars[index], alpha_bars[index + 1], shot.settings.eta, generators[i]
                )
                outcome.append((clean, {"text": w1, "history": w2} | _norms(predictions[i])))
            yield outcome

    def _latent_shape(self, options: Settings) -> tuple[int, ...]:
        config = self.vae.config
        frames = (options.num_frames - 1) // config.temporal_compression_ratio + 1
        return (
            1,
            frames,
            config.latent_channels,
            options.height // config.patch_size,
            options.width // config.patch_size,
        )

    def _predictor(
        self, shots: Sequence[Shot]
    ) -> Callable[[list[Tensor], int, Tensor, list[tuple[str, ...]]], list[dict[str, Tensor]]]:
        """The function (z, t, ᾱ, branches) -> v of each branch, of each shot; all branches run as one batch."""
        device, dtype = self.transformer.device, self.transformer.dtype

        def encoded(text: str) -> Tensor:
            return self.text.encode(text).hidden.to(device, dtype)

        words = [(encoded(shot.prompt), encoded(shot.settings.negative_prompt)) for shot in shots]
        pasts = [None if (x := shot.memory.tokens) is None else x[0].to(device, dtype) for shot in shots]

        def predict(
            noisy: list[Tensor], t: int, alpha_bar: Tensor, names: list[tuple[str, ...]]
        ) -> list[dict[str, Tensor]]:
            rows = [(i, name) for i, own in enumerate(names) for name in own]
            text, mask = _padded([words[i][name == "negative"] for i, name in rows])
            remembered = [None if name == "forgetful" else pasts[i] for i, name in rows]
            history, history_mask = _padded_history(remembered)
            times = torch.full((len(rows),), t, device=device)

            def network(x: Tensor) -> Tensor:
                with _fast_on_cpu(device, self.autocast):
                    return self.transformer(
                        x.to(dtype), text, times, text_mask=mask, history=history, history_mask=history_mask
                    ).sample

            z = torch.cat([noisy[i] for i, _ in rows])
            v = iter(self.precondition(network, z, alpha_bar[None].to(device)).float().split(1))
            return [{name: next(v) for name in own} for own in names]

        return predict

    def _decode(self, latents: Tensor, sharpen: bool) -> np.ndarray:
        """(1, f, C, h, w) to uint8 (F, H, W, 3)."""
        z = (latents / self.vae.config.scaling_factor).transpose(1, 2).to(self.vae.device, self.vae.dtype)
        video = self.vae.decode(z, sharpen=sharpen).sample[0].float().clamp(-1, 1)
        return ((video + 1) * 127.5).round().byte().movedim(0, -1).cpu().numpy()


def _fast_on_cpu(device: torch.device, wanted: bool) -> torch.autocast:
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


def _norms(predictions: dict[str, Tensor]) -> dict[str, float]:
    """How much the text and the history pull, root mean square."""
    norms = {}
    for name, other in (("text_pull", "negative"), ("history_pull", "forgetful")):
        if other in predictions and "full" in predictions:
            norms[name] = float((predictions["full"] - predictions[other]).square().mean().sqrt())
    return norms
