"""The models that Throughline knows, and what each needs.

Sizes on disk are sums of the weights' sizes. Memory and times of the large models are estimates that nobody measured
here. They start from the table of the CogVideo repository (50 steps, two branches, the model's own clip size):
"balanced" is its figure for model offload with tiling, "fast" three times that, as it says of a run without them, "low"
its least figure and room for a third branch; the times are multiplied by 1.5, because a scene that remembers takes
three branches. For CogVideoX 1.5, "balanced" is the transformer's weights and what `placement.activations` reckons.
Models that start from a picture differ from the others by a layer, so they are reckoned to need as much.

Wan's are reckoned in the same way from the number of its weights: in bfloat16 (the autoencoder in float32) for memory,
at four bytes each on disk, which is the most that they take. "low" is what is reckoned beside the weights and 2 GiB.
Times are what its authors say of one card (1.3B, 5B), or 400 TFLOPS for what its transformers multiply (14B). VACE's
second stream has half as many blocks as the first. An image model with temporal layers and
LTX-Video are reckoned like Wan's, with 100 TFLOPS of an RTX 4090. Of LTX-2 "balanced" has the connectors beside the
transformer, and the time is of what picture and sound go through, with 400 TFLOPS.
"""

from __future__ import annotations

from dataclasses import dataclass

BRANCHES = 1.5  # three in place of two


@dataclass(frozen=True)
class Needs:
    """Of a scene at the model's own size. gpu_gib: the least memory for each setting of `--memory`."""

    disk_gb: float
    gpu_gib: dict[str, float]
    seconds: dict[str, float]  # by card
    estimated: bool = True


@dataclass(frozen=True)
class Entry:
    """A model of the picker."""

    name: str  # what `--model` takes
    title: str
    clip: str  # its own size
    needs: Needs


def _times(**seconds: float) -> dict[str, float]:
    return {card.replace("_", " "): BRANCHES * value for card, value in seconds.items()}


CATALOGUE = (
    Entry(
        "picturebook",
        "Picture book",
        "96 × 144, 17 frames, 8 a second",
        Needs(0.03, {}, {"two CPU cores": 1.1}, estimated=False),
    ),
    Entry(
        "THUDM/CogVideoX-2b",
        "CogVideoX 2B",
        "480 × 720, 49 frames, 8 a second",
        Needs(13.8, {"fast": 36, "balanced": 12.5, "low": 6}, _times(A100=90, H100=45)),
    ),
    Entry(
        "THUDM/CogVideoX-5b",
        "CogVideoX 5B",
        "480 × 720, 49 frames, 8 a second",
        Needs(21.5, {"fast": 60, "balanced": 20.7, "low": 8}, _times(A100=180, H100=90)),
    ),
    Entry(
        "THUDM/CogVideoX1.5-5B",
        "CogVideoX 1.5 5B",
        "768 × 1360, 81 frames, 16 a second",
        Needs(21.5, {"fast": 80, "balanced": 28, "low": 10}, _times(A100=1000, H100=550)),
    ),
    Entry(
        "THUDM/CogVideoX-5b-I2V",
        "CogVideoX 5B, from a picture",
        "480 × 720, 49 frames, 8 a second, each clip from a picture",
        Needs(21.5, {"fast": 60, "balanced": 20.7, "low": 8}, _times(A100=180, H100=90)),
    ),
    Entry(
        "THUDM/CogVideoX1.5-5B-I2V",
        "CogVideoX 1.5 5B, from a picture",
        "768 × 1360, 81 frames, 16 a second, each clip from a picture",
        Needs(21.5, {"fast": 80, "balanced": 28, "low": 10}, _times(A100=1000, H100=550)),
    ),
    Entry(
        "stable-diffusion-v1-5/stable-diffusion-v1-5+guoyww/animatediff-motion-adapter-v1-5-2",
        "Stable Diffusion 1.5, moved",
        "512 × 512, 16 frames, 8 a second",
        Needs(6.1, {"fast": 8, "balanced": 5, "low": 4.5}, _times(RTX_4090=15)),
    ),
    Entry(
        "stable-diffusion-v1-5/stable-diffusion-v1-5+guoyww/animatediff-motion-adapter-v1-5-2+h94/IP-Adapter",
        "Stable Diffusion 1.5, moved, IP-Adapter",
        "512 × 512, 16 frames, 8 a second",
        Needs(8.7, {"fast": 10, "balanced": 6.5, "low": 6}, _times(RTX_4090=16)),
    ),
    Entry(
        "Wan-AI/Wan2.1-T2V-1.3B-Diffusers",
        "Wan 2.1 1.3B",
        "480 × 832, 81 frames, 16 a second",
        Needs(28.9, {"fast": 26, "balanced": 17, "low": 8}, _times(RTX_4090=240)),
    ),
    Entry(
        "Wan-AI/Wan2.1-VACE-1.3B-diffusers",
        "Wan 2.1 VACE 1.3B",
        "480 × 832, 81 frames, 16 a second",
        Needs(31.8, {"fast": 28, "balanced": 17, "low": 8}, _times(RTX_4090=360)),
    ),
    Entry(
        "Lightricks/LTX-Video",
        "LTX-Video 0.9",
        "512 × 704, 161 frames, 25 a second",
        Needs(28.4, {"fast": 17, "balanced": 11, "low": 4}, _times(RTX_4090=41)),
    ),
    Entry(
        "Wan-AI/Wan2.2-TI2V-5B-Diffusers",
        "Wan 2.2 5B",
        "704 × 1280, 121 frames, 24 a second",
        Needs(45.5, {"fast": 42, "balanced": 21, "low": 12}, _times(RTX_4090=540)),
    ),
    Entry(
        "Lightricks/LTX-2",
        "LTX-2",
        "512 × 768, 121 frames, 24 a second, made with their sound, which is not heard",
        Needs(135.4, {"fast": 69, "balanced": 41, "low": 5}, _times(H100=31)),
    ),
    Entry(
        "Wan-AI/Wan2.2-T2V-A14B-Diffusers",
        "Wan 2.2 A14B",
        "720 × 1280, 81 frames, 16 a second",
        Needs(137.5, {"fast": 157, "balanced": 73, "low": 48}, _times(H100=1400)),
    ),
    Entry(
        "Wan-AI/Wan2.1-I2V-14B-480P-Diffusers",
        "Wan 2.1 14B, from a picture",
        "480 × 832, 81 frames, 16 a second, each clip from a picture",
        Needs(91.4, {"fast": 83, "balanced": 52, "low": 23}, _times(H100=450)),
    ),
    Entry(
        "Wan-AI/Wan2.2-I2V-A14B-Diffusers",
        "Wan 2.2 A14B, from a picture",
        "720 × 1280, 81 frames, 16 a second, each clip from a picture",
        Needs(137.5, {"fast": 157, "balanced": 73, "low": 48}, _times(H100=1400)),
    ),
)


def entry(name: str) -> Entry | None:
    """The entry of a model; None for one of the user's own."""
    return next((one for one in CATALOGUE if one.name.lower() == name.lower()), None)


def in_words(one: Entry) -> str:
    """What a model needs, in one line."""
    needs = one.needs
    sizes = f"{needs.disk_gb:g} GB on disk"
    memory = ", ".join(f"{gib:g} GiB {name}" for name, gib in needs.gpu_gib.items())
    times = ", ".join(f"{_duration(s)} on {card}" for card, s in needs.seconds.items())
    parts = [one.clip, sizes, *([f"GPU memory {memory}"] if memory else []), f"a scene takes {times}"]
    return "; ".join(parts) + (" (estimates)" if needs.estimated else "")


def _duration(seconds: float) -> str:
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 300 else f"{seconds / 60:.0f} min"
