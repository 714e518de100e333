"""The pipeline: past scenes and a prompt in, one clip out."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from diffusers import DiffusionPipeline, ModelMixin, SchedulerMixin
from torch import Tensor
from transformers import CLIPVisionModelWithProjection, PreTrainedModel, PreTrainedTokenizerBase

from .backbones import registry
from .backbones.checkpoints import check_folder
from .backbones.placement import Placement, check_savable
from .blocks.block_cache import SPEEDS, find_speed
from .decoupler import Decoupler
from .denoising import Denoiser
from .encoders.image import patch_features, resized, to_pixels
from .encoders.limit import text_length
from .encoders.text import load_minilm
from .errors import ThroughlineError
from .feature_extractor import FeatureExtractor
from .generation import Clip, SceneRequest, Settings, Step, Stopwatch, Trace, noticed
from .guidance import Guidance
from .history import HistoryScene, Memory, remember
from .reference.masks import refer
from .stages.continuation import check_known
from .stages.making import Making, check_way, latent_shape
from .text_filter import FilterResult, TextFilter

MOST_STRENGTH = 10.0  # of a word

__all__ = ["Clip", "SceneRequest", "Settings", "Step", "StoryPipeline", "Trace"]


class StoryPipeline(DiffusionPipeline):
    """Generates a scene from its prompt and from what earlier scenes established (docs/method.md).

    Does not cover: models whose text is not encoded by `text_encoder` alone.
    """

    model_cpu_offload_seq = "text_encoder->transformer->transformer_2->vae"
    _adapter = ["image_encoder", "extractor", "decoupler", "ip_adapter"]  # what a stock checkpoint lacks
    _sound = ["connectors", "audio_vae", "vocoder"]  # of models that make it: the text for both, and what decodes it
    _exclude_from_cpu_offload = [*_adapter, "continuation", "connectors"]  # small, or parts are called one by one
    _optional_components = ["text_encoder", "tokenizer", "transformer_2", "continuation", *_adapter, *_sound]

    def __init__(
        self,
        tokenizer: PreTrainedTokenizerBase,
        text_encoder: PreTrainedModel,
        transformer: ModelMixin,
        vae: ModelMixin,
        scheduler: SchedulerMixin,
        image_encoder: CLIPVisionModelWithProjection | None = None,
        extractor: FeatureExtractor | None = None,
        decoupler: Decoupler | None = None,
        *,
        transformer_2: ModelMixin | None = None,
        continuation: ModelMixin | None = None,
        ip_adapter: ModelMixin | None = None,
        connectors: ModelMixin | None = None,
        audio_vae: ModelMixin | None = None,
        vocoder: ModelMixin | None = None,
        boundary_ratio: float | None = None,
        expand_timesteps: bool = False,
        few_steps: dict[str, float] | None = None,
    ) -> None:
        """continuation: a transformer of its own for clips that begin with known frames, or None for the same one.
        boundary_ratio, expand_timesteps, few_steps: settings of a model_index.json, for families that have them."""
        super().__init__()
        self.register_modules(
            tokenizer=tokenizer,
            text_encoder=text_encoder,
            image_encoder=image_encoder,
            extractor=extractor,
            decoupler=decoupler,
            transformer=transformer,
            vae=vae,
            scheduler=scheduler,
            transformer_2=transformer_2,
            continuation=continuation,
            ip_adapter=ip_adapter,
            connectors=connectors,
            audio_vae=audio_vae,
            vocoder=vocoder,
        )
        settings = {"boundary_ratio": boundary_ratio, "expand_timesteps": expand_timesteps, "few_steps": few_steps}
        self.register_to_config(**settings)
        self.backbone = registry.family(type(vae).__name__).bind(self.components | settings, self._where)
        self.text, self.latents = self.backbone.text, self.backbone.latents
        self.filter = TextFilter.from_backbone().within(self.text)
        self.denoiser = Denoiser(self.backbone)
        self.history = self.backbone.histories[0]
        self.placement = Placement()
        native = self.backbone.native
        self.native = Settings(native.height, native.width, native.num_frames, native.steps)
        self.guidance, self.frames_per_second = Guidance(native.text, native.history), native.frames_per_second

    @property
    def has_adapter(self) -> bool:
        """Whether the parts that history tokens come from are there."""
        return None not in (self.image_encoder, self.extractor, self.decoupler)

    @property
    def autocast(self) -> bool:
        """Whether to denoise in bfloat16 on processors that have it."""
        return self.backbone.autocast

    @autocast.setter
    def autocast(self, wanted: bool) -> None:
        self.backbone.autocast = wanted

    @property
    def speed(self) -> str:
        """One of `defaults.SPEEDS`."""
        return next(name for name, speed in SPEEDS.items() if speed == self.denoiser.speed)

    @speed.setter
    def speed(self, name: str) -> None:
        self.denoiser.speed = find_speed(name)

    def _where(self) -> torch.device:
        return self._execution_device

    @classmethod
    def from_pretrained(cls, folder: str | Path, **options) -> StoryPipeline:  # type: ignore[override]
        """A pipeline from a folder in the diffusers layout; a text encoder it leaves out is MiniLM.

        Raises ThroughlineError for what is no model folder, WeightsError for weights that are missing, truncated or
        pickles.
        """
        index = check_folder(Path(folder))
        registry.family_of(Path(folder))  # imports the classes that the folder names, which diffusers does not
        if not (index.get("text_encoder") or [None])[0]:
            text_encoder, tokenizer = load_minilm()
            options = {"text_encoder": text_encoder, "tokenizer": tokenizer} | options
        return super().from_pretrained(str(folder), **{"use_safetensors": True, "local_files_only": True} | options)

    def save_pretrained(self, folder: str | Path, *, text_encoder: bool = True, **options) -> None:  # type: ignore[override]
        """Saves in the diffusers layout; without text encoder and tokenizer if `text_encoder` is False (they are
        MiniLM then)."""
        check_savable(self.components)
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
        picture = frames[len(frames) // 2 if keyframe is None else keyframe].copy()
        latents = self.latents.encode(picture) if self.history == "reference" else None
        return HistoryScene(prompt, picture, self.text.encode(prompt), self._patches(picture), latents)

    def _patches(self, picture: np.ndarray) -> Tensor:
        """φ of a keyframe, float32 (P, v) on the CPU; no patches without an image encoder."""
        reads = self.ip_adapter is not None or self.backbone.limits.looks  # whose encoder is for nothing else
        if self.image_encoder is None or reads:
            return torch.zeros(0, 0)
        pixels = to_pixels(picture[None], self.image_encoder.config.image_size)
        pixels = pixels.to(self.image_encoder.device, self.image_encoder.dtype)
        return patch_features(self.image_encoder, pixels)[0].float().cpu()

    @torch.no_grad()
    def remember(
        self,
        history: Sequence[HistoryScene],
        result: FilterResult,
        settings: Settings | None = None,
        by: str | None = None,
    ) -> Memory:
        """What the past says to the scene that `result` is about. by: one of HISTORIES, None for the usual."""
        by, settings = by or self.history, settings or self.native
        if by == "trained":
            return remember(history, result, self.text.encode(result.prompt), self.extractor, self.decoupler)
        if by == "off":
            return Memory(None, ())
        latents = {i: self._latents_of(history[i], settings) for i in result.contributing}
        memory = refer(history, result, latents, self.backbone)
        if self.transformer_2 is not None:  # the expert for little noise was asked, the other one comes next
            self.maybe_free_model_hooks()
        return memory

    def _latents_of(self, scene: HistoryScene, settings: Settings) -> Tensor:
        """Those of the keyframe at the size of the clip, which are made again if it had another size."""
        size = (settings.height, settings.width)
        if scene.latents is not None and scene.keyframe.shape[:2] == size:
            return scene.latents
        return self.latents.encode(resized(scene.keyframe[None], *size)[0])

    # --- generation ------------------------------------------------------------------------------------------------

    def __call__(
        self,
        prompt: str,
        history: Sequence[HistoryScene] = (),
        guidance: Guidance | None = None,
        decision: FilterResult | None = None,
        beginning: np.ndarray | None = None,
        ending: np.ndarray | None = None,
        **settings,
    ) -> Clip:
        """`generate` to its end."""
        for item in self.generate(prompt, history, guidance, decision, beginning, ending, **settings):
            result = item
        assert isinstance(result, Clip)
        return result

    def generate(
        self,
        prompt: str,
        history: Sequence[HistoryScene] = (),
        guidance: Guidance | None = None,
        decision: FilterResult | None = None,
        beginning: np.ndarray | None = None,
        ending: np.ndarray | None = None,
        **settings,
    ) -> Iterator[Step | Clip]:
        """Yields a Step after every denoising step and at last the Clip. Closing the generator cancels. Of a scene
        that is streamed (`Settings.way`), steps with which frames are finished bring them (`Step.done`).

        decision: what the filter has decided about `history` already; without it the filter is asked, by the settings'
        threshold, pins and mutes. beginning: frames to go on from, uint8 (1 or 5, H, W, 3), of which the last is the
        clip's first; a model whose `Limits.pictures` says so needs one. ending: the last frame, (1, H, W, 3), for
        models whose `Limits.ends` says so. settings: the fields of `Settings`. The same seed, machine and settings give
        the same clip, bit for bit. Raises ThroughlineError for prompts, sizes and settings that the model can't take,
        and for a decision about something else, before the first step.
        """
        options, guidance = replace(self.native, **settings), guidance or self.guidance
        self.check(prompt, options)
        if decision is not None:
            _check_decision(decision, prompt, history)
        size, limits = (options.height, options.width), self.backbone.limits
        check_way(options, limits, ending)
        check_known(beginning, ending, limits, options.num_frames, size, self.latents.period)
        if beginning is not None and limits.pictures:
            beginning = beginning[-1:]
        return self._generate_in_memory(prompt, tuple(history), guidance, decision, beginning, ending, options)

    def check(self, prompt: str, options: Settings) -> None:
        """Raises ThroughlineError for what `generate` can't do."""
        if not prompt.strip():
            raise ThroughlineError(f"prompt is {prompt[:40]!r}: expected at least a word")
        self.text.encode(prompt)
        text_length(self.text, options.negative_prompt).check("negative prompt")
        self._check_size(options)
        if not 1 <= options.steps <= 1000:
            raise ThroughlineError(f"steps is {options.steps}: expected 1 to 1000")
        if not 0 <= options.eta <= 1:
            raise ThroughlineError(f"eta is {options.eta}: expected a number from 0 to 1")
        if options.eta and not self.backbone.limits.has_eta:
            raise ThroughlineError(f"eta is {options.eta}: expected 0, this model's own sampler has none")
        if options.strengths and not self.backbone.limits.strengths:
            raise ThroughlineError("strengths of words are given: expected none, this model has none")
        for one in options.strengths:
            if not (0 <= one.start < one.end <= len(prompt) and 0 <= one.factor <= MOST_STRENGTH):
                expected = f"a span of the {len(prompt)} characters and a factor from 0 to {MOST_STRENGTH:g}"
                raise ThroughlineError(f"strength is {one.start} to {one.end}, {one.factor}: expected {expected}")

    def _check_size(self, options: Settings) -> None:
        limits, period = self.backbone.limits, self.latents.period
        unit = limits.unit
        for name, value, most in (("height", options.height, limits.height), ("width", options.width, limits.width)):
            if value % unit or not 2 * unit <= value <= most:
                raise ThroughlineError(f"{name} is {value}: expected a multiple of {unit} from {2 * unit} to {most}")
        native = self.backbone.native
        if limits.one_size and (options.height, options.width) != (native.height, native.width):
            name, own = ("width", native.width) if options.height == native.height else ("height", native.height)
            value = getattr(options, name)
            raise ThroughlineError(f"{name} is {value}: expected {own}, this model makes clips of one size")
        longest = limits.streamed if options.way == "streamed" else limits.num_frames
        if (options.num_frames - 1) % period or not 1 <= options.num_frames <= longest:
            raise ThroughlineError(f"num_frames is {options.num_frames}: expected {period} k + 1, from 1 to {longest}")

    def _generate_in_memory(self, *args) -> Iterator[Step | Clip]:
        """`_generate`, started again one step further down `--memory` whenever the device runs out of memory."""
        notices = list[str]()
        while True:
            try:
                for item in self._generate(*args):
                    yield noticed(item, notices)
                return
            except torch.OutOfMemoryError as error:
                lower = self.placement.lower
                if lower is None:
                    raise ThroughlineError(self.placement.no_way_out(error)) from None
            gc.collect()  # what the error's frames held is free only now
            notices.append(self.placement.step_down(self))

    @torch.no_grad()
    def _generate(
        self,
        prompt: str,
        history: tuple[HistoryScene, ...],
        guidance: Guidance,
        decision: FilterResult | None,
        beginning: np.ndarray | None,
        ending: np.ndarray | None,
        options: Settings,
    ) -> Iterator[Step | Clip]:
        watch = Stopwatch()
        result = decision or self._decide(prompt, history, options)
        memory = self.remember(history, result, options)
        watch.lap("history")
        request = SceneRequest(prompt, memory, guidance, options)
        making = Making(self.denoiser, request, beginning, ending, watch=watch)
        frames = yield from making.frames()
        yield Clip(frames, self.frames_per_second, Trace(result, memory.maps, tuple(making.norms), watch.seconds))

    def _decide(self, prompt: str, history: Sequence[HistoryScene], options: Settings) -> FilterResult:
        return self.filter(
            [scene.prompt for scene in history],
            prompt,
            threshold=options.threshold,
            pins=options.pins,
            mutes=options.mutes,
            muted_scenes=options.muted_scenes,
        )

    @torch.no_grad()
    def render(self, requests: Sequence[SceneRequest]) -> list[np.ndarray]:
        """The frames of several scenes, denoised as one batch without previews; each uint8 (F, H, W, 3).

        A scene's clip is that of the scene alone up to rounding, whatever it is batched with. Raises ThroughlineError
        for what `generate` can't do, and for scenes that differ in size, length or steps.
        """
        for request in requests:
            self.check(request.prompt, request.settings)
            limits = self.backbone.limits
            if (limits.pictures and request.pictures is None) or (limits.looks and request.looks is None):
                raise ThroughlineError("pictures are missing: this model makes clips that start from one")
        alike = {(s.height, s.width, s.num_frames, s.steps) for s in (request.settings for request in requests)}
        if len(alike) != 1:
            raise ThroughlineError(f"scenes have {len(alike)} shapes (height, width, frames, steps): expected one")
        for step in self.denoiser(requests, self._latent_shape(requests[0].settings)):
            outcome = step
        return [self.latents.decode(latents) for latents, _ in outcome]

    def _latent_shape(self, options: Settings) -> tuple[int, ...]:
        return latent_shape(self.backbone, options)


def _check_decision(decision: FilterResult, prompt: str, history: Sequence[HistoryScene]) -> None:
    about = (decision.prompt, [scene.prompt for scene in decision.scenes])
    if about != (prompt, [scene.prompt for scene in history]):
        raise ThroughlineError(
            f"decision is about {decision.prompt[:40]!r} and {len(decision.scenes)} scenes: "
            f"expected one about {prompt[:40]!r} and these {len(history)}"
        )
