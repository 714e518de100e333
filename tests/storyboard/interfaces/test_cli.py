"""`python -m storyboard render`, end to end on a tiny model: what it writes, and how it says no."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from storyboard.export import film_folder, prompt_film
from storyboard.interfaces import cli
from storyboard.media.video import read_clip
from tests.paths import ROOT
from tests.storyboard.media.test_video import broken, header

PROMPTS = ["A cat is running on the beach.", "A dog is skiing on the snow.", "The cat is jumping on the beach."]
SMALL = ["--height", "48", "--width", "72", "--num-frames", "5", "--steps", "2"]
FOUR = [
    "Actor 1 is running on the playground.",
    "Actor 2 is skiing on the snow.",
    "Actor 2 is running on the playground.",
    "Actor 1 is skiing on the snow.",
]

Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tiny_folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Run:
    """Renders into an empty folder `out`; gives the exit code and the last line on stderr."""
    (tmp_path / "out").mkdir()

    def render(*options: str, prompts: list[str] = PROMPTS[:2], out: str = "film.mp4") -> tuple[int, str]:
        defaults = ["--model", str(tiny_folder), *SMALL, "--out", str(tmp_path / "out" / out)]
        try:
            code = cli.main(["render", "--prompts", *prompts, *defaults, *map(str, options)])
        except SystemExit as error:
            code = int(str(error.code))
        return code, capfd.readouterr().err.rstrip("\n").rpartition("\r")[2]

    return render


def listing(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


def frames_of(path: Path) -> np.ndarray:
    found = header(path)
    width, height = found["size"]
    return read_clip(path, height, width, found["fps"])


# --- what it writes ------------------------------------------------------------------------------------------------


def test_writes_the_film_its_scenes_and_the_trace(run: Run, tmp_path: Path) -> None:
    assert run(prompts=PROMPTS)[0] == 0
    names = [f"film_scenes/scene-{k}.{kind}" for k in (1, 2, 3) for kind in ("mp4", "png")]
    assert listing(tmp_path / "out") == sorted(["film.mp4", "film_scenes", "film_scenes/trace.json", *names])
    found = header(tmp_path / "out/film.mp4")
    assert (found["codec"], found["fps"], found["size"]) == ("h264", 8, (576, 384))
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out/film.mp4"))[0] == 15
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out/film_scenes/scene-2.mp4"))[0] == 5
    with Image.open(tmp_path / "out/film_scenes/scene-1.png") as picture:
        assert picture.size == (72, 48)


def test_a_finished_film_is_four_times_as_large_and_remembered_as_before(run: Run, tmp_path: Path) -> None:
    assert run("--finish", "4")[0] == 0
    assert header(tmp_path / "out/film.mp4")["size"] == (288, 192)
    assert header(tmp_path / "out/film_scenes/scene-2.mp4")["size"] == (288, 192)
    with Image.open(tmp_path / "out/film_scenes/scene-1.png") as picture:
        assert picture.size == (72, 48), "what is remembered is the draft"
    trace = json.loads((tmp_path / "out/film_scenes/trace.json").read_text())
    assert (trace["width"], trace["height"]) == (288, 192)
    plain = frames_of(tmp_path / "out/film_scenes/scene-1.mp4")
    assert run("--scale", "4", out="plain.mp4")[0] == 0
    soft = frames_of(tmp_path / "out/plain_scenes/scene-1.mp4")
    assert plain.shape == soft.shape and not np.array_equal(plain, soft)


def test_a_finish_is_refused_before_anything_is_rendered(run: Run, tmp_path: Path) -> None:
    code, error = run("--finish", "4", "--width", "288")
    expected = (
        "error: the clip is 288 pixels wide: expected at most 240 for the upscaler that ships, or one of your own"
    )
    assert (code, error) == (2, f"{expected}, --upscaler FOLDER")
    code, error = run("--finish", "3")
    assert (code, error) == (2, "error: finish is 3: expected 4, as the upscaler enlarges")
    code, error = run("--finish", "4", "--upscaler", str(tmp_path))
    assert code == 2 and error.startswith(f"error: upscaler is {str(tmp_path)!r}, which has 0 such files: expected")
    code, error = run("--finish", "4", "--scale", "2")
    assert code == 2 and "not allowed with" in error and listing(tmp_path / "out") == []


def test_the_trace_says_what_happened(run: Run, tmp_path: Path, tiny_folder: Path) -> None:
    assert run("--seed", "7", "--guidance-scale", "2", "--history-scale", "1.5", prompts=PROMPTS)[0] == 0
    trace = json.loads((tmp_path / "out/film_scenes/trace.json").read_text(encoding="utf-8"))
    assert (trace["film"], trace["model"], trace["scale"]) == ("film.mp4", str(tiny_folder), 8)
    assert (trace["frames_per_second"], trace["guidance"]["text"], trace["guidance"]["history"]) == (8, 2, 1.5)
    assert [scene["prompt"] for scene in trace["scenes"]] == PROMPTS
    assert [scene["seed"] for scene in trace["scenes"]] == [7, 8, 9]
    last = trace["scenes"][2]
    assert {"history", "denoise", "decode", "encode"} <= set(last["seconds"])
    assert (last["settings"]["steps"], last["settings"]["height"], last["source"]) == (2, 48, "generated")
    assert [scene["kept"] for scene in map(_summary, last["filter"]["scenes"])] == [["cat", "beach"], []]
    assert [(item["scene"], item["text"]) for item in last["maps"]] == [(0, "cat"), (0, "beach")]
    for item in last["maps"]:
        assert PROMPTS[0][item["start"] : item["end"]] == item["text"]
        assert len(item["values"]) == item["rows"] * item["columns"] and max(item["values"]) == 255
    assert set(last["guidance"][0]) == {"text", "history", "text_pull", "history_pull"} and len(last["guidance"]) == 2
    assert set(trace["scenes"][0]["guidance"][0]) == {"text", "history", "text_pull"}, "nothing to remember yet"


def _summary(scene: dict) -> dict:
    return {"kept": [word["text"] for word in scene["words"] if word["kept"]]}


def test_the_same_seed_gives_the_same_clips_another_one_others(run: Run, tmp_path: Path) -> None:
    for name, seed in (("a.mp4", "3"), ("b.mp4", "3"), ("c.mp4", "4")):
        assert run("--seed", seed, out=name)[0] == 0
    a, b, c = (frames_of(tmp_path / "out" / name) for name in ("a.mp4", "b.mp4", "c.mp4"))
    assert np.array_equal(a, b)
    assert not np.array_equal(a, c)


def test_options_reach_the_model(run: Run, tmp_path: Path) -> None:
    options = [
        "--eta",
        "0.5",
        "--threshold",
        "0.9",
        "--negative-prompt",
        "rain",
        "--dtype",
        "bfloat16",
        "--fps",
        "12.5",
    ]
    assert run(*options, "--dynamic-guidance", "--device", "cpu", "--scale", "1")[0] == 0
    trace = json.loads((tmp_path / "out/film_scenes/trace.json").read_text(encoding="utf-8"))
    settings = trace["scenes"][1]["settings"]
    assert (settings["eta"], settings["threshold"], settings["negative_prompt"]) == (0.5, 0.9, "rain")
    assert (trace["guidance"]["schedule"], trace["dtype"], trace["device"]) == ("cosine", "bfloat16", "cpu")
    found = header(tmp_path / "out/film.mp4")
    assert (found["fps"], found["size"], found["duration"]) == (12.5, (72, 48), pytest.approx(1.28, abs=0.02))


def test_own_clips_are_part_of_the_film_and_remembered(run: Run, tmp_path: Path, clip_file: Path) -> None:
    assert run("--clips", clip_file, prompts=PROMPTS)[0] == 0
    trace = json.loads((tmp_path / "out/film_scenes/trace.json").read_text(encoding="utf-8"))
    assert [scene["source"] for scene in trace["scenes"]] == ["given", "generated", "generated"]
    assert trace["clips"] == [str(clip_file)] and trace["scenes"][0]["filter"] is None
    assert [item["scene"] for item in trace["scenes"][2]["maps"]] == [0, 0]
    assert [scene["num_frames"] for scene in trace["scenes"]] == [16, 5, 5]
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "out/film.mp4"))[0] == 26


def test_a_second_film_replaces_its_own_files_and_no_others(run: Run, tmp_path: Path) -> None:
    assert run(prompts=PROMPTS)[0] == 0
    (tmp_path / "out/film_scenes/notes.txt").write_text("mine")
    assert run(prompts=PROMPTS[:1])[0] == 0
    expected = [
        "film.mp4",
        "film_scenes",
        *(f"film_scenes/{n}" for n in ("notes.txt", "scene-1.mp4", "scene-1.png", "trace.json")),
    ]
    assert listing(tmp_path / "out") == expected


# --- bad input -----------------------------------------------------------------------------------------------------

LONG = "a cat " * 40
BAD_OPTIONS = {
    "empty prompt": ([], {"prompts": ["A cat.", ""]}, "scene 2: prompt is ''"),
    "blank prompt": ([], {"prompts": [" \t"]}, "scene 1: prompt is ' \\t'"),
    "long prompt": ([], {"prompts": ["A cat.", LONG]}, "scene 2: prompt has 82 tokens, at most 64 are possible"),
    "long negative prompt": (["--negative-prompt", LONG], {}, "at most 64 are possible"),
    "height": (["--height", "100"], {}, "height is 100: expected a multiple of 24"),
    "width": (["--width", "1000000"], {}, "width is 1000000: expected a multiple of 24"),
    "num-frames": (["--num-frames", "16"], {}, "num_frames is 16: expected 4 k + 1"),
    "no number": (["--height", "tall"], {}, "'tall' is not possible: expected a whole number"),
    "negative": (["--steps", "-1"], {}, "'-1' is not possible"),
    "zero steps": (["--steps", "0"], {}, "'0' is not possible"),
    "nan": (["--guidance-scale", "nan"], {}, "'nan' is not possible"),
    "infinite": (["--history-scale", "inf"], {}, "'inf' is not possible"),
    "eta": (["--eta", "2"], {}, "'2' is not possible"),
    "threshold": (["--threshold", "1.5"], {}, "'1.5' is not possible"),
    "fps": (["--fps", "0"], {}, "'0' is not possible"),
    "seed": (["--seed", "-5"], {}, "'-5' is not possible"),
    "device": (["--device", "abacus"], {}, "device is 'abacus'"),
    "dtype": (["--dtype", "int3"], {}, "'int3'"),
    "option": (["--colour", "red"], {}, "--colour"),
    "abbreviated option": (["--guid", "2"], {}, "--guid"),
    "model": (["--model", "giant"], {}, "model is 'giant': expected 'picturebook'"),
    "no model name": (["--model", ""], {}, "model is ''"),
    "model without index": (["--model", str(ROOT / "tests")], {}, "model_index.json"),
    "more clips": (["--clips", "a.mp4", "b.mp4", "c.mp4"], {}, "3 clips for 2 prompts"),
    "missing clip": (["--clips", "a.mp4"], {}, "clip 'a.mp4' does not exist"),
    "extension": ([], {"out": "film.gif"}, "film.gif"),
    "no folder": ([], {"out": "nowhere/film.mp4"}, "nowhere' does not exist"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_bad_input_is_one_line_and_writes_nothing(case: str, run: Run, tmp_path: Path) -> None:
    options, changes, message = BAD_OPTIONS[case]
    code, error = run(*options, **changes)
    assert code == 2 and message in error
    assert error.startswith("error: ") and "\n" not in error
    assert listing(tmp_path / "out") == []


@pytest.mark.parametrize("kind", ["missing", "folder", "empty", "text", "half", "most"])
def test_a_clip_that_is_none_is_named(kind: str, run: Run, tmp_path: Path, clip_file: Path) -> None:
    path = broken(kind, clip_file, tmp_path)
    code, error = run("--clips", path)
    assert code == 2 and str(path) in error and "\n" not in error
    assert listing(tmp_path / "out") == []


@pytest.mark.parametrize(
    "kind", ["missing", "truncated", "pickle", "pickle in disguise", "no index", "no configuration"]
)
def test_a_weight_file_that_is_none_is_named(kind: str, run: Run, tmp_path: Path, tiny_folder: Path) -> None:
    model = shutil.copytree(tiny_folder, tmp_path / "model")
    weights = next((model / "transformer").glob("*.safetensors"))
    content = weights.read_bytes()
    weights.unlink()
    if kind == "truncated":
        weights.write_bytes(content[: len(content) // 2])
    elif kind == "pickle":
        (weights.parent / "diffusion_pytorch_model.bin").write_bytes(b"\x80\x04.")
    elif kind == "pickle in disguise":
        weights.write_bytes(b"\x80\x04\x95" + bytes(500))
    elif kind == "no configuration":
        weights.write_bytes(content)
        (model / "transformer" / "config.json").unlink()
    elif kind == "no index":
        (model / "model_index.json").write_text("[]")
    code, error = run("--model", model)
    assert code == 2 and str(model) in error and "\n" not in error
    assert listing(tmp_path / "out") == []


def test_nowhere_to_write_is_one_line(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tempfile.mkdtemp

    def refuse(*given: Any, **options: Any) -> str:
        if str(options.get("dir", "")).startswith(str(tmp_path)):
            raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path))
        return elsewhere(*given, **options)

    monkeypatch.setattr(film_folder.tempfile, "mkdtemp", refuse)  # the tests may run as root, which may write anywhere
    code, error = run()
    assert code == 2 and "film.mp4" in error and "Permission denied" in error and "\n" not in error


def test_scenes_that_cannot_have_their_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out/film_scenes").write_text("mine")
    code, error = run()
    assert code == 2 and "film_scenes" in error
    assert listing(tmp_path / "out") == ["film_scenes"]


# --- failures on the way -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("when", ["keyframe", "clip"])
def test_a_full_disk_leaves_nothing(when: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "scene-1")

    if when == "keyframe":
        monkeypatch.setattr(Image.Image, "save", full)
    else:
        monkeypatch.setattr(film_folder, "write_video", lambda path, *rest: film_on_a_full_disk(*rest))
    code, error = run()
    assert code == 2 and "film.mp4': no space left on its disk" in error and "\n" not in error
    assert listing(tmp_path / "out") == []


def film_on_a_full_disk(*rest) -> None:
    from storyboard.media.video import write_video

    write_video(Path("/dev/full"), *rest)


def test_an_interrupt_leaves_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    (tmp_path / "out/film.mp4").write_text("an earlier film")
    monkeypatch.setattr(prompt_film, "write_film", interrupted)
    assert run()[0] == 130
    assert listing(tmp_path / "out") == ["film.mp4"]
    assert (tmp_path / "out/film.mp4").read_text() == "an earlier film"


@pytest.mark.slow
@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_in_the_middle_leaves_nothing(number: int, code: int, tiny_folder: Path, tmp_path: Path) -> None:
    options = ["--model", str(tiny_folder), "--steps", "1000", "--out", str(tmp_path / "film.mp4")]
    command = [sys.executable, "-m", "storyboard", "render", "--prompts", *PROMPTS, *options]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        seen = b""
        while b"/3000" not in seen or b" 0/3000" in seen[-60:]:
            part = process.stderr.read1(64)
            assert part, f"it ended early: {seen!r}"
            seen += part
        process.send_signal(number)
        process.stderr.read()
    assert process.returncode == code
    assert listing(tmp_path) == []


def test_help_names_the_files(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        cli.main(["render", "--help"])
    text = capsys.readouterr().out
    assert "film_scenes/" in text and "trace.json" in text and max(map(len, text.splitlines())) <= 120


def test_the_command_line_starts_without_the_model() -> None:
    program = "import sys, storyboard.interfaces.cli; storyboard.interfaces.cli.parser(); print('torch' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", program], cwd=ROOT, text=True).strip() == "False"


# --- the embedded model --------------------------------------------------------------------------------------------

EMBEDDED = (Path(os.environ.get("THROUGHLINE_ASSETS", ROOT / "assets")) / "picturebook" / "model_index.json").exists()


@pytest.mark.slow
@pytest.mark.skipif(not EMBEDDED, reason="assets/picturebook/ holds no weights yet")
def test_four_prompts_one_film_with_the_embedded_model(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "storyboard", "render", "--prompts", *FOUR, "--out", str(tmp_path / "film.mp4")]
    assert subprocess.run(command, cwd=ROOT, check=False).returncode == 0
    assert imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "film.mp4"))[0] == 4 * 17
    trace = json.loads((tmp_path / "film_scenes/trace.json").read_text(encoding="utf-8"))
    kept = [
        [scene["index"] for scene in entry["filter"]["scenes"] if any(w["kept"] for w in scene["words"])]
        for entry in trace["scenes"]
    ]
    assert kept == [[0], [1], [0, 1, 2], [0, 1, 3]], "of each the last one is a casting"
    assert [entry["castings"] for entry in trace["scenes"]] == [[f"Actor {n} is here."] for n in (1, 2, 2, 1)]
    for entry in trace["scenes"]:
        assert frames_of(tmp_path / "film_scenes" / entry["files"]["clip"]).std() > 10, "not a flat picture"
