"""How loud a film is: EBU R128, by ffmpeg's "loudnorm" in two passes. The first one measures; the second one changes
the level of all of it by one factor where that keeps its peaks in bounds, and else as little as it must.

Imports neither torch nor gradio.
"""

from __future__ import annotations

import json
import math
import re
import subprocess
from pathlib import Path

import imageio_ffmpeg

from ..media.video import RAW_SOUND

PEAK = -1.5  # dBTP: a coded sound has higher peaks than the samples it was made of
RANGE = 11.0  # LU
SPAN = (-70.0, 0.0)  # LUFS: what is softer than that is silence, which no factor makes louder
LIMITED = "alimiter=limit=0.9:level=false"  # for what is left as it is: nothing is cut off
REPORT = re.compile(r"\{[^{}]*\"input_i\"[^{}]*\}")


def measure(sound: Path) -> dict[str, float]:
    """What "loudnorm" says of samples in RAW_SOUND: input_i (LUFS), input_tp (dBTP), input_lra (LU), input_thresh."""
    wanted = f"loudnorm=I=-16:TP={PEAK}:LRA={RANGE}:print_format=json"
    program = (imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *RAW_SOUND, "-i", f"file:{sound}")
    done = subprocess.run((*program, "-af", wanted, "-f", "null", "-"), capture_output=True, check=False)
    found = REPORT.findall(done.stderr.decode(errors="replace"))
    if done.returncode or not found:
        raise OSError(f"the loudness of {sound.name} can't be measured")
    told = json.loads(found[-1])
    return {name: float(told[name]) for name in ("input_i", "input_tp", "input_lra", "input_thresh")}


def levelled(sound: Path, loudness: float | None) -> str:
    """ffmpeg's filters that bring samples in RAW_SOUND to a loudness in LUFS; None: as they are, but for peaks."""
    found = measure(sound) if loudness is not None else {}
    if loudness is None or not (math.isfinite(found["input_i"]) and SPAN[0] < found["input_i"] <= SPAN[1]):
        return LIMITED
    names = {"I": "input_i", "TP": "input_tp", "LRA": "input_lra", "thresh": "input_thresh"}
    measured = ":".join(f"measured_{name}={found[told]:.2f}" for name, told in names.items())
    spread = min(50.0, max(RANGE, found["input_lra"]))  # a wider one than this would not be kept by one factor
    return f"loudnorm=I={loudness:g}:TP={PEAK}:LRA={spread:g}:{measured}:linear=true"
