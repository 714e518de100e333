"""Live sketches: what the untrained student is, what changes a clip and what does not, and what is refused."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
import torch

from pipeline import loading
from pipeline.defaults import HISTORY, TEXT
from pipeline.errors import ThroughlineError
from pipeline.generation import SceneRequest, Settings
from pipeline.guidance import Guidance
from pipeline.history import HistoryScene, Memory
from pipeline.live.sketching import STEPS, Sketcher, student_folder
from pipeline.live.student import LARGEST, OWN, Student, save, untrained
from pipeline.sampling import ddim_step
from pipeline.story_pipeline import StoryPipeline
from pipeline.training.models.live import aimed
from tests.tiny import LATENT_CHANNELS, save_tiny, tiny_pipeline, tiny_transformer

PAST, PROMPT = "A cat is running on the beach.", "The cat is jumping on the beach."
SMALL = {"height": 48, "width": 48, "num_frames": 5}
SHOWN = (
    "A girl in a red coat is running on the beach.",
    "Mia is walking on the playground.",
    "The robot is dancing in the desert.",
    "Tom is skiing on the snow.",
    "A cat is jumping in the kitchen.",
    "Actor 1 is waving on the street.",
)


@lru_cache(maxsize=1)
def tiny() -> StoryPipeline:
    return tiny_pipeline()


def student(heard: bool = True, merged: bool = True) -> Student:
    """heard: whether the weights of the guidance make a difference. merged: as it is used, not as it is trained."""
    made, generator = untrained(tiny().transformer), torch.Generator().manual_seed(1)
    for name, parameter in made.named_parameters():
        if heard and OWN.search(name):
            torch.nn.init.normal_(parameter, std=0.3, generator=generator)
    return made.merged() if merged else made.eval()


def scene(prompt: str, look: int = 0) -> HistoryScene:
    return tiny().encode_scene(prompt, np.random.default_rng(look).integers(0, 256, (1, 48, 48, 3), np.uint8))


@torch.no_grad()
def test_an_untrained_student_is_the_full_branch_of_its_teacher_whatever_the_weights() -> None:
    teacher = tiny_transformer().eval()
    own = untrained(teacher).eval()
    generator = torch.Generator().manual_seed(0)
    z = torch.randn(2, 3, LATENT_CHANNELS, 8, 12, generator=generator)
    text, history = torch.randn(2, 9, 384, generator=generator), torch.randn(2, 4, 24, generator=generator)
    expected = teacher(z, text, torch.tensor([999, 249]), history=history).sample
    for w1, w2 in ((0.0, 0.0), (2.0, 3.0), (8.0, 8.0)):
        told = torch.tensor([[w1, w2]] * 2)
        assert torch.equal(own(z, text, torch.tensor([999, 249]), told, history=history).sample, expected)


@torch.no_grad()
def test_what_the_weights_multiply_is_linear_in_them_beside_what_the_time_embedding_says() -> None:
    own = student()
    torch.nn.init.zeros_(own.time_embedding.cond_proj.weight)
    generator = torch.Generator().manual_seed(0)
    z, text = (
        torch.randn(1, 3, LATENT_CHANNELS, 8, 12, generator=generator),
        torch.randn(1, 9, 384, generator=generator),
    )

    def at(w1: float, w2: float) -> torch.Tensor:
        return own(z, text, torch.tensor([499]), torch.tensor([[w1, w2]])).sample

    text_pull, history_pull = at(2, 0) - at(1, 0), at(1, 1) - at(1, 0)
    assert text_pull.abs().max() > 0.01 and history_pull.abs().max() > 0.01
    assert torch.allclose(at(5, 3), at(1, 0) + 4 * text_pull + 3 * history_pull, atol=1e-3)


@torch.no_grad()
def test_a_merged_student_says_what_it_said_before() -> None:
    trained, merged = student(merged=False), student()
    generator = torch.Generator().manual_seed(0)
    z, text = (
        torch.randn(1, 3, LATENT_CHANNELS, 8, 12, generator=generator),
        torch.randn(1, 9, 384, generator=generator),
    )
    told = z, text, torch.tensor([499]), torch.tensor([[2.0, 3.0]])
    assert torch.allclose(trained(*told).sample, merged(*told).sample, atol=1e-4)
    assert {name for name, _ in merged.named_parameters()} < {
        name.replace("parametrizations.", "").replace(".original", "") for name, _ in trained.named_parameters()
    }


def test_a_sketch_of_an_untrained_student_is_the_take_without_guidance_in_as_few_steps() -> None:
    history = [scene(PAST)]
    sketch = Sketcher(tiny(), student(heard=False)).begin(PROMPT, history, seed=5, **SMALL)
    take = tiny().remember(history, tiny().filter([PAST], PROMPT))
    request = SceneRequest(PROMPT, take, Guidance(1, 0), Settings(**SMALL, steps=STEPS, seed=5))
    for step in tiny().denoiser([request], (1, 2, LATENT_CHANNELS, 4, 4)):
        latents = step[0][0]
    assert torch.allclose(sketch.latents(4.0, 2.0), latents, atol=1e-5)


def test_weights_and_seed_decide_the_clip() -> None:
    sketcher, history = Sketcher(tiny(), student()), [scene(PAST)]
    sketch = sketcher.begin(PROMPT, history, seed=5, **SMALL)
    first = sketch.latents(2.0, 3.0)
    assert torch.equal(sketcher.begin(PROMPT, history, seed=5, **SMALL).latents(2.0, 3.0), first)
    assert sketch(2.0, 3.0).shape == (5, 48, 48, 3) and sketch(2.0, 3.0).dtype == np.uint8
    assert not torch.equal(sketch.latents(6.0, 3.0), first)
    assert not torch.equal(sketch.latents(2.0, 0.5), first)
    assert not torch.equal(sketcher.begin(PROMPT, history, seed=6, **SMALL).latents(2.0, 3.0), first)
    assert torch.equal(sketch.latents(LARGEST + 1, 3.0), sketch.latents(LARGEST, 3.0))


def test_a_past_of_which_nothing_is_kept_changes_nothing() -> None:
    sketcher = Sketcher(tiny(), student())
    alone = sketcher.begin(PROMPT, seed=5, **SMALL).latents(2.0, 3.0)
    for look in range(3):
        other = [scene("Rockets explode.", look)]
        assert not tiny().filter([other[0].prompt], PROMPT).contributing
        assert torch.equal(sketcher.begin(PROMPT, other, seed=5, **SMALL).latents(2.0, 3.0), alone)
    without_past = sketcher.begin(PROMPT, seed=5, **SMALL)
    assert torch.equal(without_past.latents(2.0, 6.0), alone), "w2 has no part where nothing is remembered"
    kept = sketcher.begin(PROMPT, [scene(PAST)], seed=5, **SMALL).latents(2.0, 3.0)
    assert not torch.equal(kept, alone)


def test_what_is_refused() -> None:
    with pytest.raises(ThroughlineError, match="has no student for live sketches"):
        Sketcher.of(tiny())
    sketcher = Sketcher(tiny(), student())
    with pytest.raises(ThroughlineError, match="negative prompt is 'rain': expected none"):
        sketcher.begin(PROMPT, negative_prompt="rain", **SMALL)
    known = SceneRequest(PROMPT, Memory(None, ()), settings=Settings(**SMALL), beginning=torch.zeros(1))
    with pytest.raises(ThroughlineError, match="known frames are given"):
        sketcher.resume(known)
    with pytest.raises(ThroughlineError, match="guidance weight text is -1"):
        sketcher.begin(PROMPT, **SMALL)(-1.0, 0.0)
    with pytest.raises(ThroughlineError, match="prompt is"):
        sketcher.begin(" ", **SMALL)


def test_a_student_beside_its_model_is_found(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "tiny")
    assert student_folder(StoryPipeline.from_pretrained(folder)) is None
    own = student(merged=False)
    own.load_state_dict({n: v.half().float() if OWN.search(n) else v for n, v in own.state_dict().items()})
    save(own, folder / "live")
    loaded = Sketcher.of(StoryPipeline.from_pretrained(folder))
    apart = Sketcher(tiny(), own.merged()).begin(PROMPT, seed=1, **SMALL).latents(2.0, 3.0)
    assert torch.allclose(loaded.begin(PROMPT, seed=1, **SMALL).latents(2.0, 3.0), apart, atol=1e-5)
    (folder / "live" / "diffusion_pytorch_model.safetensors").write_bytes(b"short")
    with pytest.raises(ThroughlineError, match="no whole safetensors file"):
        Sketcher.of(StoryPipeline.from_pretrained(folder))


def test_the_aim_of_a_segment_leads_to_its_end() -> None:
    generator = torch.Generator().manual_seed(0)
    z, following = (torch.randn(2, 3, 4, 2, 2, generator=generator) for _ in range(2))
    for bar, after in ((0.0, 0.01), (0.1, 0.4), (0.4, 1.0)):
        levels = torch.tensor(bar), torch.tensor(after)
        reached, _ = ddim_step(aimed(z, following, *levels), z, *levels)
        assert torch.allclose(reached, following, atol=1e-4)


def test_the_shipped_sketches_are_nearer_to_the_takes_than_the_model_in_as_few_passes() -> None:
    pipeline, apart = loading.load(), []
    for seed, prompt in enumerate(SHOWN, 3):
        steps = (24, STEPS // 2)  # with two branches each
        take, few = (pipeline(prompt, seed=seed, steps=each).frames.astype(float) for each in steps)
        sketch = Sketcher.of(pipeline).begin(prompt, seed=seed)
        usual = sketch(TEXT, HISTORY).astype(float)
        apart.append([((usual - take) ** 2).mean(), ((few - take) ** 2).mean()])
        assert not np.array_equal(sketch(6.0, HISTORY), usual)
    of_sketches, of_few_passes = np.median(apart, 0)  # where one is by day and the other by night says little
    assert of_sketches < of_few_passes
