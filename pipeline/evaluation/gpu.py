"""python -m pipeline.evaluation.gpu: a clip of CogVideoX-2b's size, made in four ways in one run.

Random weights: what is shown does not matter here, only what is computed. 49 frames of 480 x 720, 50 steps, a scene
that remembers, by the adapter's history tokens. The ways: the method done plainly, its three branches one after the
other; the stock CogVideoXPipeline with its two branches; ours exact, blocks compiled, branches in one batch or not,
whichever is faster; ours fast, the same with the profile of `--speed fast`.

Three branches of 50 steps are 18.0 PFLOP: 22.8 s at 790 TFLOP/s are the floor on an H200. First-block caching on random
weights passes over other steps than on trained ones: the share of blocks that ran is printed beside its time.

With --small the same runs on tiny random weights, on a CPU: it shows that the program works.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from diffusers import (
    AutoencoderKLCogVideoX,
    CogVideoXDDIMScheduler,
    CogVideoXPipeline,
    CogVideoXTransformer3DModel,
)
from torch import Tensor

from ..blocks.attention import AttentionContext, Tokens, story_block
from ..blocks.block_cache import EXACT, SPEEDS, BlockCache, Caches, Speed
from ..guidance import Guidance, branches, guide
from ..sampling import StockSampler
from ..transformer import StoryTransformer3DModel
from .common.command import Parser, new_file, run, whole
from .reporting.report import to_json, write_all

PETAFLOP, PEAK = 18.0, 790.0  # of three branches of 50 steps; TFLOP/s of an H200
HISTORY_DIM, HISTORY_TOKENS = 192, 32
EXACT_BAR, FAST_BAR = 1.6, 0.8  # of the floor; of the stock pipeline's time


@dataclass(frozen=True)
class ClipSize:
    latents: tuple[int, int, int]  # frames, height, width
    text: int
    transformer: dict[str, Any]


FULL = ClipSize((13, 60, 90), 226, {})  # the defaults of CogVideoXTransformer3DModel are CogVideoX-2b's
SMALL = ClipSize(
    (3, 8, 12),
    24,
    {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "in_channels": 16,
        "num_layers": 3,
        "time_embed_dim": 16,
        "text_embed_dim": 32,
        "sample_height": 8,
        "sample_width": 12,
        "sample_frames": 9,
        "max_text_seq_length": 24,
    },
)


@dataclass(frozen=True)
class Timing:
    way: str
    branches: int
    seconds: float
    gibibytes: float  # most that the device, or on a CPU the process, held
    blocks: float  # share of the blocks of three branches that ran


class SceneInputs:
    """What all ways share: noise, texts and a memory, at random."""

    def __init__(self, size: ClipSize, device: torch.device, dtype: torch.dtype) -> None:
        draw = torch.Generator().manual_seed(0)
        width = size.transformer.get("text_embed_dim", 4096)

        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=draw).to(device, dtype)

        frames, height, wide = size.latents
        self.noise = normal(1, frames, 16, height, wide)
        self.positive, self.negative = normal(1, size.text, width), normal(1, size.text, width)
        self.history = normal(1, HISTORY_TOKENS, HISTORY_DIM)


def network(size: ClipSize, device: torch.device, dtype: torch.dtype, stock: bool) -> Any:
    ours = partial(StoryTransformer3DModel, history_dim=HISTORY_DIM, history_gate=0.1)
    kind = CogVideoXTransformer3DModel if stock else ours
    torch.manual_seed(0)
    with torch.device(device):
        return kind(**size.transformer).to(dtype).eval().requires_grad_(False)


def scheduler() -> CogVideoXDDIMScheduler:
    return CogVideoXDDIMScheduler(
        prediction_type="v_prediction",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
        clip_sample=False,
        set_alpha_to_one=True,
        snr_shift_scale=3.0,
    )


# --- the four ways ---------------------------------------------------------------------------------------------------


def story_clip(model: Any, scene: SceneInputs, steps: int, batched: bool, speed: Speed = EXACT) -> Tensor:
    """The method: three branches, in one batch or one after the other. Gives latents, as the denoiser makes them."""
    sampler, z, draw = StockSampler(scheduler(), steps), scene.noise, torch.Generator()
    guidance, caches = speed.guiding(Guidance(text=6.0, history=1.5)), Caches(speed)
    for index, t in enumerate(sampler.timesteps):
        w1, w2 = guidance.weights(index, steps)
        names = branches(w1, w2, has_history=True)
        rows = [(0, name) for name in names]
        caches.begin(rows, index / steps)
        groups = [names] if batched else [(name,) for name in names]
        found: dict[str, Tensor] = {}
        for group in groups:
            v = _predict(model, scene, z, t, group, caches.of([(0, name) for name in group]))
            found |= dict(zip(group, v.float().split(1), strict=True))
        z, _ = sampler.step(index, guide(found, w1, w2), z.float(), draw)
        z = z.to(scene.noise.dtype)
    return z


def _predict(
    model: Any, scene: SceneInputs, z: Tensor, t: float, names: tuple[str, ...], caches: list[BlockCache] | None
) -> Tensor:
    """Rows that have no memory share a batch with those that have by a mask; alone they need none."""
    text = torch.cat([scene.negative if name == "negative" else scene.positive for name in names])
    seen = torch.tensor([name != "forgetful" for name in names], device=z.device)
    history = scene.history.expand(len(names), -1, -1) if bool(seen.any()) else None
    mask = None if history is None or bool(seen.all()) else seen[:, None].expand(-1, HISTORY_TOKENS)
    times = torch.full((len(names),), t, device=z.device)
    rows = z.expand(len(names), -1, -1, -1, -1)
    context = AttentionContext(history_mask=mask)
    return model(rows, text, times, history=history, context=context, caches=caches).sample


def stock_clip(model: Any, scene: SceneInputs, steps: int) -> Tensor:
    """CogVideoXPipeline as diffusers has it, from encoded texts to latents."""
    vae = AutoencoderKLCogVideoX(
        block_out_channels=(8,) * 4, layers_per_block=1, norm_num_groups=2
    )  # has no part in it
    pipeline = CogVideoXPipeline(None, None, vae.to(model.device), model, scheduler())
    pipeline.set_progress_bar_config(disable=True)
    frames, _, height, wide = scene.noise.shape[1:]
    return pipeline(
        prompt_embeds=scene.positive,
        negative_prompt_embeds=scene.negative,
        latents=scene.noise.clone(),
        height=height * 8,
        width=wide * 8,
        num_frames=4 * frames - 3,
        num_inference_steps=steps,
        guidance_scale=6.0,
        output_type="latent",
        return_dict=False,
    )[0]


@contextmanager
def compiled(model: StoryTransformer3DModel, wanted: bool) -> Iterator[None]:
    """The model's blocks compiled inside of it."""
    before = model.run_block
    model.run_block = torch.compile(story_block, dynamic=False) if wanted else before
    try:
        yield
    finally:
        model.run_block = before


# --- the clock -------------------------------------------------------------------------------------------------------


def timed(clip: Callable[[int], Tensor], steps: int, device: torch.device, repeats: int) -> tuple[float, float]:
    """Median seconds of `clip(steps)`, and GiB at most. A shorter one comes first, which compiles the blocks."""
    clip(max(2, steps // 25))
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    times = []
    for _ in range(repeats):
        _wait(device)
        since = time.perf_counter()
        assert clip(steps).isfinite().all()
        _wait(device)
        times.append(time.perf_counter() - since)
    most = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else _process_bytes()
    return median(times), most / 2**30


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _process_bytes() -> int:
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


@contextmanager
def counting(model: StoryTransformer3DModel) -> Iterator[list[int]]:
    """How many rows went through the model's blocks inside of it."""
    before, count = model.run_block, [0]

    def counted(block: Any, stream: Any, tokens: Tokens, *rest: Any) -> Tokens:
        count[0] += len(tokens.video)
        return before(block, stream, tokens, *rest)

    model.run_block = counted
    try:
        yield count
    finally:
        model.run_block = before


@dataclass(frozen=True)
class GpuBenchmark:
    device: torch.device
    steps: int
    repeats: int
    compile: bool

    @torch.no_grad()
    def run(self, size: ClipSize) -> list[Timing]:
        """All four ways, one after the other."""
        dtype = torch.bfloat16 if self.device.type == "cuda" else torch.float32
        scene = SceneInputs(size, self.device, dtype)
        plain, *ours = self._ours(network(size, self.device, dtype, stock=False), scene)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        clip = partial(stock_clip, network(size, self.device, dtype, stock=True), scene)
        stock = timed(clip, self.steps, self.device, self.repeats)
        return [plain, Timing("stock diffusers: two branches", 2, *stock, 2 / 3), *ours]

    def _ours(self, model: Any, scene: SceneInputs) -> list[Timing]:
        plain = self._row("plain: three branches, one after the other", model, scene, False, False)
        said = "compiled" if self.compile else "not compiled"
        batch = self._row(f"ours, exact: {said}, one batch", model, scene, True, self.compile)
        single = self._row(f"ours, exact: {said}, one after the other", model, scene, False, self.compile)
        best = batch.seconds < single.seconds
        fast = self._row("ours, fast: window and first-block caching", model, scene, best, self.compile, SPEEDS["fast"])
        return [plain, batch, single, fast]

    def _row(
        self, way: str, model: Any, scene: SceneInputs, batched: bool, compile: bool, speed: Speed = EXACT
    ) -> Timing:
        def clip(steps: int) -> Tensor:
            return story_clip(model, scene, steps, batched, speed)

        with compiled(model, compile):
            took = timed(clip, self.steps, self.device, self.repeats)
        with counting(model) as count:
            clip(self.steps) if speed != EXACT else None
        ran = count[0] / (3 * self.steps * len(model.transformer_blocks)) if speed != EXACT else 1.0
        return Timing(way, 3, *took, ran)


# --- what comes out --------------------------------------------------------------------------------------------------


def outcome(rows: list[Timing], device: torch.device, small: bool, steps: int) -> dict[str, Any]:
    seconds = {row.way.partition(":")[0]: row.seconds for row in sorted(rows, key=lambda row: -row.seconds)}
    plain, stock, exact, fast = (seconds[name] for name in ("plain", "stock diffusers", "ours, exact", "ours, fast"))
    floor = None if small else PETAFLOP * 1e3 / PEAK * steps / 50
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "CPU"
    ratios = {
        "exact over plain": exact / plain,
        "exact over stock": exact / stock,
        "fast over stock": fast / stock,
        "fast over exact": fast / exact,
    }
    met = {"fast": fast <= FAST_BAR * stock}
    if floor:
        ratios["exact over the floor"] = exact / floor
        met["exact"] = exact <= EXACT_BAR * floor
    return {
        "device": name,
        "small": small,
        "steps": steps,
        "floor_seconds": floor,
        "ratios": ratios,
        "met": None if small else met,
        "rows": [asdict(row) for row in rows],
    }


def markdown(found: dict[str, Any]) -> str:
    size = "tiny weights: the times mean nothing" if found["small"] else "CogVideoX-2b's size, 49 × 480 × 720"
    lines = [
        f"{found['device']}, {size}, {found['steps']} steps, random weights.\n",
        "| | branches | seconds | GiB | blocks run |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| {r['way']} | {r['branches']} | {r['seconds']:.3g} | {r['gibibytes']:.2f} | {r['blocks']:.2f} |"
        for r in found["rows"]
    ]
    lines += ["", *(f"- {name}: {value:.2f}" for name, value in found["ratios"].items())]
    return "\n".join(lines) + "\n"


def parser() -> argparse.ArgumentParser:
    p = Parser("python -m pipeline.evaluation.gpu", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--small", action="store_true", help="tiny random weights, on a CPU if there is no GPU")
    p.add_argument("--steps", type=whole(2, 1000), help="of denoising (50; small: 4)")
    p.add_argument("--repeats", type=whole(1, 100), default=1, help="of which the median is taken (%(default)s)")
    p.add_argument("--no-compile", action="store_true", help="leaves the blocks as they are")
    p.add_argument("--json", type=new_file, metavar="FILE", help="where the figures go")
    p.add_argument("--markdown", type=new_file, metavar="FILE", help="where the table goes")
    return p


def main(a: argparse.Namespace) -> None:
    """Without a GPU only --small runs."""
    if not a.small and not torch.cuda.is_available():
        from ..errors import ThroughlineError

        raise ThroughlineError("no GPU is here: expected one, or --small")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    steps = a.steps or (4 if a.small else 50)
    rows = GpuBenchmark(device, steps, a.repeats, not (a.no_compile or a.small)).run(SMALL if a.small else FULL)
    found = outcome(rows, device, a.small, steps)
    files = {a.json: to_json(found), a.markdown: markdown(found).encode()}
    write_all({path: data for path, data in files.items() if isinstance(path, Path)})
    print(markdown(found))


if __name__ == "__main__":
    sys.exit(run(parser(), main, None))
