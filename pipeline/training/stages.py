"""The stages of a training, each from the files of the earlier ones to a component folder."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import diffusers
import torch
from torch import nn
from tqdm import tqdm
from transformers import CLIPVisionModelWithProjection

from ..adapters.files import read_adapter
from ..adapters.wearing import put_on
from ..autoencoder import AutoencoderLinearVideo
from ..backbones.checkpoints import CONTINUATION, STUDENT
from ..continuity.facts import FILE as FACTS
from ..continuity.measurement import Gauge
from ..decoupler import Decoupler
from ..encoders.text import TextEncoder, load_minilm
from ..errors import ThroughlineError
from ..feature_extractor import FeatureExtractor
from ..grounding.looks import FILE
from ..grounding.tubes import TubeLocator
from ..language import vocabulary
from ..live.student import save, untrained
from ..loading import find_device
from ..moving.layers import TemporalLayers
from ..moving.pictures import FOLDER, IMAGE, LAYERS
from ..picturebook.captions import story_captions
from ..stages.interpolation import Interpolator
from ..stages.upscaling.network import Upscaler
from ..story_pipeline import StoryPipeline
from ..transformer import StoryTransformer3DModel
from .dataset import shards
from .frames import to_video
from .loop import Losses, Recipe, train
from .models import (
    extractor,
    generator,
    image_encoder,
    live,
    localiser,
    locator,
    looks,
    moving,
    reader,
    sharpener,
    vae,
)
from .models.finish import interpolator, upscaler
from .models.noising import Choices

HELD_OUT = range(1_000_000, 1_000_020)  # seeds of stories that no stage trains on
COMPONENTS = {  # of the model folder: library and class, as in model_index.json
    "tokenizer": (None, None),
    "text_encoder": (None, None),
    "image_encoder": ("transformers", "CLIPVisionModelWithProjection"),
    "extractor": ("pipeline.feature_extractor", "FeatureExtractor"),
    "decoupler": ("pipeline.decoupler", "Decoupler"),
    "transformer": ("pipeline.transformer", "StoryTransformer3DModel"),
    "vae": ("pipeline.autoencoder", "AutoencoderLinearVideo"),
    "scheduler": ("diffusers", "CogVideoXDDIMScheduler"),
}


SHIPPED_AS = {"vae_sharp": "vae"}  # components that have another name in the model folder


@dataclass(frozen=True)
class Workshop:
    """Where a training lives and what is different from the recipes."""

    out: Path
    assets: Path
    shards: int = 28
    overrides: dict = field(default_factory=dict)  # fields of Recipe
    device: torch.device = field(default_factory=find_device)  # where the networks train; rendering and chance do not

    def recipe(self, recipe: Recipe) -> Recipe:
        return dataclasses.replace(recipe, **self.overrides)

    @property
    def cache(self) -> Path:
        """The folder of the training set, rendered on first use."""
        folder = self.out / "cache"
        folder.mkdir(parents=True, exist_ok=True)
        missing = [i for i in range(self.shards) if not (folder / f"{i:04d}.json").exists()]
        if missing:
            _render_shards(folder, missing, str(self.need("vae")))
        return folder

    def need(self, component: str) -> Path:
        """The folder of a component: what was trained here, else what is shipped. Raises ThroughlineError for none."""
        folders = (self.out / component, self.assets / SHIPPED_AS.get(component, component))
        found = next((folder for folder in folders if (folder / "config.json").exists()), None)
        if found is None:
            raise ThroughlineError(f"no {component} in {str(self.out)!r}: train the earlier stages first")
        return found


def _render_shards(folder: Path, missing: list[int], vae_folder: str) -> None:
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(_render_shard, folder, i, vae_folder) for i in missing]
        for job in tqdm(jobs, desc="rendering", unit="shard"):
            job.result()


def _render_shard(folder: Path, index: int, vae_folder: str) -> None:
    torch.set_num_threads(1)
    shards.make_shard(folder, index, AutoencoderLinearVideo.from_pretrained(vae_folder))


def run(workshop: Workshop, recipe: Recipe, module: nn.Module, losses: Callable[[torch.Generator], Losses]) -> None:
    recipe = workshop.recipe(recipe)
    _follow(train(recipe, module, losses, workshop.out), recipe)


def _follow(steps: Iterator[tuple[int, dict[str, float]]], recipe: Recipe) -> None:
    """Trains to the end with a progress bar."""
    bar = tqdm(steps, desc=recipe.name, unit="step", total=recipe.steps)
    for step, numbers in bar:
        bar.n = step + 1
        bar.set_postfix({name: f"{value:.3f}" for name, value in numbers.items()})


def fit_vae(workshop: Workshop) -> None:
    torch.manual_seed(0)
    model = vae.fit_linear(vae.render_clips(range(200)))
    model.save_pretrained(workshop.out / "vae")
    clips = to_video(vae.render_clips(HELD_OUT))
    rebuilt = model.decode(model.encode(clips).latent_dist.mode()).sample
    print(f"vae: {vae.psnr(rebuilt.clamp(-1, 1), clips):.2f} dB on {len(clips)} held-out clips, linear decoder alone")


def train_image_encoder(workshop: Workshop) -> None:
    torch.manual_seed(0)
    trainer = image_encoder.ImageEncoderTrainer().to(workshop.device)
    size = workshop.recipe(image_encoder.RECIPE).batch_size
    run(workshop, image_encoder.RECIPE, trainer, image_encoder.make_losses(trainer, workshop.cache, size))
    trainer.model.cpu().save_pretrained(workshop.out / "image_encoder")


def train_extractor(workshop: Workshop) -> None:
    vision = load_vision(workshop)
    data = extractor.load_data(workshop.cache, vision)
    torch.manual_seed(0)
    model = FeatureExtractor(image_dim=vision.config.hidden_size).to(workshop.device)
    target = extractor.TargetTrainer(model).to(workshop.device)
    recipe = workshop.recipe(extractor.TARGET_RECIPE)
    run(workshop, extractor.TARGET_RECIPE, target, extractor.target_losses(target, data, recipe.batch_size))
    extractor.standardize(target, data)
    recipe = workshop.recipe(extractor.RECIPE)
    run(workshop, extractor.RECIPE, model, extractor.make_losses(model, target, data, recipe.batch_size))
    model.cpu().save_pretrained(workshop.out / "extractor")


def load_vision(workshop: Workshop) -> CLIPVisionModelWithProjection:
    folder = workshop.need("image_encoder")
    model = CLIPVisionModelWithProjection.from_pretrained(folder, attn_implementation="eager")
    return model.float().eval().to(workshop.device)


def train_generator(workshop: Workshop) -> None:
    trainer = _generator_trainer(workshop)
    _run_generator(workshop, generator.RECIPE, trainer, Choices())
    trainer.decoupler.cpu().save_pretrained(workshop.out / "decoupler")
    trainer.transformer.cpu().save_pretrained(workshop.out / "transformer")


def continue_generator(workshop: Workshop) -> None:
    """At a rate that falls to nothing, from the weights that learned longest: those of clips that begin with known
    frames if they were trained here, else the generator there is, in a fresh clone the shipped one. Here no frame is
    known. What is remembered is the same for both."""
    trainer, _ = _learned_longest(workshop)
    choices = Choices(alignment=0.0, windows=0.4, deciding=0.4, staggered=0.05, castings=0.9)
    _run_generator(workshop, generator.CONTINUED, trainer, choices)
    trainer.transformer.cpu().save_pretrained(workshop.out / "transformer")


def train_continuation(workshop: Workshop) -> None:
    """A transformer of its own for clips that begin or end with known frames, from the shipped one: clips that begin
    with nothing stay as they are. What is remembered is the same with either."""
    choices = Choices(alignment=0.0, windows=0.3, known=0.8, ending=0.2, soft=0.7)
    trainer, base = _learned_longest(workshop)
    _run_generator(workshop, generator.CONTINUATION, trainer, choices, base.eval().requires_grad_(False))
    trainer.transformer.cpu().save_pretrained(workshop.out / CONTINUATION)


def _learned_longest(workshop: Workshop) -> tuple[generator.GeneratorTrainer, StoryTransformer3DModel]:
    """With the transformer of clips that go on, if it was trained here, else the generator's, which comes beside; the
    decoupler is frozen."""
    base, decoupler = trained_parts(workshop)
    begun = workshop.out / CONTINUATION
    trainer = _generator_trainer(workshop)
    trainer.load(StoryTransformer3DModel.from_pretrained(begun) if begun.exists() else base, decoupler)
    trainer.decoupler.requires_grad_(False)
    return trainer, base


def _generator_trainer(workshop: Workshop) -> generator.GeneratorTrainer:
    width, parts = load_vision(workshop).config.hidden_size, (_extractor(workshop), _autoencoder(workshop))
    torch.manual_seed(0)  # after what is loaded, which draws as well
    return generator.GeneratorTrainer(*parts, width)


def _run_generator(
    workshop: Workshop,
    recipe: Recipe,
    trainer: generator.GeneratorTrainer,
    choices: Choices,
    base: StoryTransformer3DModel | None = None,
) -> None:
    vision, device = load_vision(workshop), workshop.device
    data = extractor.load_data(workshop.cache, vision, castings=choices.castings > 0)
    trainer.to(device)
    frozen, size = base.to(device) if base else None, workshop.recipe(recipe).batch_size
    parts = _extractor(workshop), _autoencoder(workshop), vision
    losses = generator.make_losses(trainer, *parts, workshop.cache, data, size, choices, base=frozen)
    run(workshop, recipe, trainer, losses)
    if choices.known:
        trainer.transformer.register_to_config(frame_timesteps=True)


def _extractor(workshop: Workshop) -> FeatureExtractor:
    return FeatureExtractor.from_pretrained(workshop.need("extractor")).float().to(workshop.device)


def _autoencoder(workshop: Workshop) -> AutoencoderLinearVideo:
    return AutoencoderLinearVideo.from_pretrained(workshop.need("vae")).float().to(workshop.device)


def trained_parts(workshop: Workshop) -> tuple[StoryTransformer3DModel, Decoupler]:
    """What the generator's training makes."""
    transformer = StoryTransformer3DModel.from_pretrained(workshop.need("transformer"))
    return transformer, Decoupler.from_pretrained(workshop.need("decoupler"))


def train_sharpener(workshop: Workshop) -> None:
    """With the generator's own drafts of clips, which are made on the CPU."""
    linear = AutoencoderLinearVideo.from_pretrained(workshop.need("vae")).float()
    transformer = StoryTransformer3DModel.from_pretrained(workshop.need("transformer")).float()
    text_encoder, tokenizer = load_minilm()
    pipeline = StoryPipeline(tokenizer, text_encoder, transformer, linear, generator.new_scheduler())
    examples = sharpener.make_examples(pipeline, sharpener.STORIES)
    torch.manual_seed(0)
    trainer = sharpener.SharpenerTrainer(sharpener.with_sharpener(linear)).to(workshop.device)
    for recipe, judged in ((sharpener.REGRESSION, False), (sharpener.RECIPE, True)):
        size = workshop.recipe(recipe).batch_size
        run(workshop, recipe, trainer, sharpener.make_losses(trainer, examples, size, judged=judged))
    print(f"vae: {sharpener.held_out_psnr(trainer.model, HELD_OUT):.2f} dB on held-out clips")
    trainer.model.cpu().save_pretrained(workshop.out / "vae_sharp")


def train_reader(workshop: Workshop) -> None:
    """The benchmark's reader, straight into the model folder: it takes no part in generation."""
    recipe = workshop.recipe(reader.RECIPE)
    steps = reader.train_reader(workshop.out / "reader", workshop.assets / "reader", recipe, device=workshop.device)
    _follow(steps, recipe)


def train_localiser(workshop: Workshop) -> None:
    """The benchmark's localiser, beside the reader."""
    recipe, target = workshop.recipe(localiser.RECIPE), workshop.assets / "reader" / "localiser"
    _follow(localiser.train_localiser(workshop.out / "localiser", target, recipe, device=workshop.device), recipe)


def train_upscaler(workshop: Workshop) -> None:
    """Of drafts by the shipped model, straight beside its folder: it takes no part in generation."""
    pipeline = StoryPipeline.from_pretrained(workshop.assets)
    drafts = upscaler.make_drafts(pipeline, upscaler.STORIES)
    torch.manual_seed(0)
    trainer = upscaler.UpscalerTrainer(Upscaler()).to(workshop.device)
    for recipe, judged in ((upscaler.REGRESSION, False), (upscaler.RECIPE, True)):
        size = workshop.recipe(recipe).batch_size
        run(workshop, recipe, trainer, upscaler.make_losses(trainer, drafts, size, judged=judged))
    trainer.model.cpu().half().save_pretrained(workshop.assets.parent / "upscaler")


def train_interpolator(workshop: Workshop) -> None:
    """Frames between frames; straight beside the model folder."""
    torch.manual_seed(0)
    model, recipe = Interpolator().to(workshop.device), workshop.recipe(interpolator.RECIPE)
    run(workshop, interpolator.RECIPE, model, interpolator.make_losses(model, recipe.batch_size))
    model.cpu().half().save_pretrained(workshop.assets.parent / "interpolator")


def train_locator(workshop: Workshop) -> None:
    """Finds words in clips, with the shipped encoders; straight beside the model folder."""
    torch.manual_seed(0)
    model, recipe = TubeLocator().to(workshop.device), workshop.recipe(locator.RECIPE)
    vision = load_vision(workshop)
    run(workshop, locator.RECIPE, model, locator.make_losses(model, vision, TextEncoder.minilm(), recipe.batch_size))
    model.cpu().half().save_pretrained(workshop.assets.parent / "locator")


def fit_looks(workshop: Workshop) -> None:
    """Tells what figures look like, for the locator and beside it: a fit of a minute, on one core."""
    found = looks.fit(*looks.figures(load_vision(workshop), looks.SCENES, 0))
    found.save(workshop.assets.parent / "locator" / FILE)


def fit_meter_facts(workshop: Workshop) -> None:
    """Tells the continuity meter what changed, by the shipped encoders; straight beside the model folder."""
    looks.fit_facts(Gauge(StoryPipeline.from_pretrained(workshop.assets))).save(workshop.assets.parent / FACTS)


def train_live(workshop: Workshop) -> None:
    """The student of live sketches, straight into the model folder: from the generator's weights, by clips of it."""
    teacher, decoupler = (part.float().eval().to(workshop.device) for part in trained_parts(workshop))
    data = extractor.load_data(workshop.cache, load_vision(workshop))
    memory = live.Memory(_extractor(workshop).eval().requires_grad_(False), decoupler, data)
    vae, folder = _autoencoder(workshop).requires_grad_(False), workshop.out / "passages"
    live.make_passages(folder, teacher, vae, memory)
    torch.manual_seed(0)
    student, size = untrained(teacher).to(workshop.device), workshop.recipe(live.RECIPE).batch_size
    losses = live.make_losses(student, vae, memory, live.load_passages(folder), size)
    run(workshop, live.RECIPE, student, losses)
    save(student, workshop.assets / STUDENT)


def train_image_model(workshop: Workshop) -> None:
    """An adapter that makes the generator an image model; straight beside the model folder."""
    network, _ = trained_parts(workshop)
    torch.manual_seed(0)
    network = moving.with_adapter(network.float().to(workshop.device))
    size = workshop.recipe(moving.IMAGE_RECIPE).batch_size
    run(workshop, moving.IMAGE_RECIPE, network, moving.make_losses(network, _autoencoder(workshop), None, size))
    moving.write_adapter(network, workshop.assets.parent / FOLDER / IMAGE)


def train_temporal_layers(workshop: Workshop) -> None:
    """Between those of the image model, which stays what it is."""
    folder, (network, _) = workshop.assets.parent / FOLDER, trained_parts(workshop)
    if not (folder / IMAGE).is_file():
        raise ThroughlineError(f"no image model in {str(folder)!r}: train image-model first")
    network = network.float().to(workshop.device)
    put_on(network, read_adapter(folder / IMAGE), moving.NAME)
    network.eval().requires_grad_(False)
    torch.manual_seed(0)
    layers = TemporalLayers.between(network, frames=moving.FRAMES).to(workshop.device)
    size = workshop.recipe(moving.LAYERS_RECIPE).batch_size
    run(workshop, moving.LAYERS_RECIPE, layers, moving.make_losses(network, _autoencoder(workshop), layers, size))
    layers.cpu().half().save_pretrained(folder / LAYERS)


def export(workshop: Workshop) -> None:
    """Gathers the components in half precision, in the layout that StoryPipeline.from_pretrained reads."""
    components: dict[str, nn.Module] = {
        "image_encoder": load_vision(workshop),
        "extractor": FeatureExtractor.from_pretrained(workshop.need("extractor")),
        "decoupler": Decoupler.from_pretrained(workshop.need("decoupler")),
        "transformer": StoryTransformer3DModel.from_pretrained(workshop.need("transformer")),
        "vae": AutoencoderLinearVideo.from_pretrained(workshop.need("vae_sharp")),
    }
    if any((folder / CONTINUATION / "config.json").exists() for folder in (workshop.out, workshop.assets)):
        components[CONTINUATION] = StoryTransformer3DModel.from_pretrained(workshop.need(CONTINUATION))
    for name, component in components.items():
        component.half().cpu().save_pretrained(workshop.assets / name)  # type: ignore[operator]
    generator.new_scheduler().save_pretrained(workshop.assets / "scheduler")
    index = {"_class_name": "StoryPipeline", "_diffusers_version": diffusers.__version__, **COMPONENTS}
    (workshop.assets / "model_index.json").write_text(json.dumps(index, indent=2) + "\n")
    captions = [caption.text for seed in range(3000) for caption in story_captions(shards.story_of(seed))]
    (workshop.assets / vocabulary.FILE).write_text("\n".join(vocabulary.collect(captions)) + "\n")
    size = sum(path.stat().st_size for path in workshop.assets.rglob("*.safetensors")) / 2**20
    print(f"{workshop.assets}: {size:.1f} MiB of weights")
