"""From films to captioned clips: cuts, what is dropped, captions, the format, going on after an interruption."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import ThroughlineError
from pipeline.picturebook import renderer, world
from pipeline.training import prepare
from pipeline.training.footage import captions, clips, films, shots

H, W, FPS = 96, 144, 8
SHOT = 17  # frames


def write_film(path: Path, parts: list[np.ndarray], fps: float = FPS) -> None:
    writer = imageio_ffmpeg.write_frames(str(path), (W, H), fps=fps, macro_block_size=1, output_params=["-crf", "16"])
    writer.send(None)
    for frame in np.concatenate(parts):
        writer.send(np.ascontiguousarray(frame))
    writer.close()


def rendered(seed: int) -> list[np.ndarray]:
    return [renderer.render(scene, masks=False).frames for scene in world.training_story(seed).scenes]


def title_card() -> np.ndarray:
    picture = Image.new("RGB", (2 * W, 2 * H))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(24)
    for y, line in ((60, "Directed by"), (100, "Anna Smith"), (140, "and Tom Brown")):
        draw.text((W, y), line, (255, 255, 255), font, anchor="mm")
    return np.repeat(np.asarray(picture.resize((W, H), Image.Resampling.BOX))[None], SHOT, 0)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four rendered scenes with a short one, a black one, a title and a still one between them."""
    path = tmp_path_factory.mktemp("films") / "kite.mp4"
    scenes, other = rendered(3_000_000), rendered(3_000_008)
    black, still = np.zeros_like(scenes[0]), np.repeat(other[1][:1], SHOT, 0)
    write_film(path, [scenes[0], other[0][:6], scenes[1], black, scenes[2], title_card(), still, scenes[3]])
    path.with_suffix(".txt").write_text("\n".join(f"caption {i}" for i in range(1, 9)))
    return path


def cuts_in(path: Path) -> list[int]:
    return [shot.start for shot in shots.find_shots(path, prepare.THRESHOLD).shots][1:]


@pytest.mark.parametrize("seed", [3_200_000, 3_200_010, 3_200_014, 3_100_008])
def test_all_cuts_of_rendered_films_are_found_within_one_frame(seed: int, tmp_path: Path) -> None:
    """In the last three another actor takes the place of one, and nothing else changes."""
    write_film(tmp_path / "film.mp4", rendered(seed) + rendered(seed + 1))
    found = cuts_in(tmp_path / "film.mp4")
    assert len(found) == 7
    assert all(abs(start - cut) <= 1 for start, cut in zip(found, range(SHOT, 8 * SHOT, SHOT), strict=True))


def through_a_camera(frames: np.ndarray, left: np.ndarray, zoom: np.ndarray) -> np.ndarray:
    """What a camera sees that moves by `left` pixels and zooms, a value a frame."""
    pictures = [Image.fromarray(frame) for frame in frames]
    views = [(x, 0, x + W / z, H / z) for x, z in zip(left, zoom, strict=True)]
    return np.stack(
        [np.asarray(p.resize((W, H), Image.Resampling.BILINEAR, v)) for p, v in zip(pictures, views, strict=True)]
    )


def uncut(kind: str) -> np.ndarray:
    scene, count = world.training_story(4_000_001).scenes[0], 64
    frames = renderer.render(scene, masks=False, num_frames=count).frames
    at, one = np.arange(count), np.ones(count)
    if kind == "pan":
        return through_a_camera(frames, np.clip(at - 20, 0, 24) * 1.5, 1.4 * one)
    if kind == "zoom":
        return through_a_camera(frames, 0 * at, 1 + at / count)
    if kind == "flashes":
        frames = frames.astype(int)
        frames[[15, 16, 40]] = frames[[15, 16, 40]] * 6 // 5 + 90
    if kind == "noise":
        frames = frames + np.random.default_rng(0).normal(0, 12, frames.shape)
    if kind == "covered":
        frames = frames.copy()
        frames[30:32] = 0
    return np.clip(frames, 0, 255).astype(np.uint8)


@pytest.mark.parametrize("kind", ["long", "pan", "zoom", "flashes", "noise", "covered"])
def test_no_cut_is_found_where_there_is_none(kind: str, tmp_path: Path) -> None:
    write_film(tmp_path / "film.mp4", [uncut(kind)])
    assert cuts_in(tmp_path / "film.mp4") == []


def test_films_of_a_few_frames_have_one_shot(tmp_path: Path) -> None:
    for count in (1, 2, 6):
        write_film(tmp_path / "film.mp4", [rendered(3_200_000)[0][:count]])
        assert shots.find_shots(tmp_path / "film.mp4", prepare.THRESHOLD).shots == (shots.Shot(0, count),)


def test_what_is_not_worth_learning_from_is_dropped_and_reported(film: Path, tmp_path: Path) -> None:
    (film.parent / "broken.mp4").write_bytes(b"\0\0\0\x20ftypisom" + bytes(200))
    videos = prepare.find_videos([film.parent])
    report = prepare.prepare(videos, tmp_path, captions.Sidecar())
    assert [entry["reason"] for entry in report.dropped] == ["too short", "black", "mostly text", "static"]
    assert [entry["shot"] for entry in report.dropped] == [2, 4, 6, 7]
    assert report.kept == 4 and len(report.unreadable) == 1 and "broken.mp4" in report.unreadable[0]
    written = json.loads((tmp_path / "prompts" / "kite.json").read_text())
    assert written == {f"videos/kite/{i:04d}.mp4": f"caption {i}" for i in (1, 3, 5, 8)}
    assert json.loads((tmp_path / "report.json").read_text())["dropped"] == report.dropped
    (video,) = clips.read_clips(tmp_path)
    frames = films.read_clip(video.clips[1].path, SHOT, FPS, H, W)
    difference = np.abs(frames.astype(float) - rendered(3_000_000)[1])
    assert difference.mean() < 4  # every frame is its own: a clip shifted by one differs more
    with pytest.raises(films.UnreadableError, match=f"has {SHOT} frames at 8 a second: expected at least 49"):
        films.read_clip(video.clips[1].path, 49, FPS, H, W)


class Interrupted(captions.Sidecar):
    """Fails at some shots."""

    def __init__(self, fails: set[int]) -> None:
        self.fails, self.asked = fails, list[int]()

    def __call__(self, film: shots.Film, index: int, *rest) -> str:
        self.asked.append(index)
        if index in self.fails:
            raise ThroughlineError("out of order")
        return super().__call__(film, index, *rest)


def test_preparing_goes_on_where_it_was(film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare.prepare([film], tmp_path, Interrupted({2, 4}))
    assert first.kept == 2 and [line.partition(":")[2] for line in first.uncaptioned] == [" out of order"] * 2
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")}
    monkeypatch.setattr(prepare, "find_shots", None)  # not analysed again
    captioner = Interrupted(set())
    assert prepare.prepare([film], tmp_path, captioner).kept == 4
    assert captioner.asked == [2, 4]
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.mp4")} == before


def test_sidecar_captions_with_times_and_their_errors(tmp_path: Path) -> None:
    film = shots.Film(tmp_path / "a.mp4", 8.0, (shots.Shot(0, 16), shots.Shot(16, 32)))
    read, cast = captions.Sidecar(), captions.Cast()
    with pytest.raises(ThroughlineError, match=r"a\.json is missing"):
        read(film, 0, (), cast)
    entries = [{"start": 0, "end": 1.8, "caption": "one"}, {"start": 1.8, "end": 4, "caption": "two"}]
    (tmp_path / "a.json").write_text(json.dumps(entries))
    assert [read(film, i, (), cast) for i in (0, 1)] == ["one", "two"]
    (tmp_path / "a.json").write_text('["only one"]')
    with pytest.raises(ThroughlineError, match="1 captions: expected 2, one a shot"):
        read(film, 0, (), cast)


def test_a_film_without_writing_is_not_text() -> None:
    size = (shots.WIDTH, shots.HEIGHT)
    for frames in rendered(3_000_004):
        picture = Image.fromarray(frames[8]).resize(size, Image.Resampling.BILINEAR)
        assert not shots.mostly_text(np.asarray(picture).mean(-1))
    assert shots.mostly_text(np.asarray(Image.fromarray(title_card()[0]).resize(size)).mean(-1))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict]]:
    """An OpenAI-compatible service that fails once and then names the same person; what it was asked."""
    asked = list[dict]()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            asked.append({"path": self.path, "key": self.headers["Authorization"], **body})
            self.send_response(503 if len(asked) == 1 else 200)
            self.end_headers()
            answer = {"caption": f"Mia is here, {len(asked)}", "people": {"Mia": "red coat"}}
            content = f"```json\n{json.dumps(answer)}\n```"
            self.wfile.write(json.dumps({"choices": [{"message": {"content": content}}]}).encode())

        def log_message(self, *args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{server.server_port}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "secret")
        monkeypatch.setattr(captions, "WAIT", 0.0)
        yield asked
        server.shutdown()
        thread.join()


def test_a_service_is_told_who_was_named_so_far(film: Path, tmp_path: Path, service: list[dict]) -> None:
    report = prepare.prepare([film], tmp_path, captions.Service("some-model"))
    assert report.kept == 4 and not report.uncaptioned
    assert len(service) == 5  # one failure, four clips
    assert all(a["path"] == "/v1/chat/completions" and a["key"] == "Bearer secret" for a in service)
    texts = [a["messages"][0]["content"][0]["text"] for a in service]
    assert "Nobody is named so far" in texts[1] and "Mia: red coat" in texts[2]
    pictures = [part["image_url"]["url"] for part in service[1]["messages"][0]["content"][1:]]
    assert len(pictures) == prepare.PICTURES and all(p.startswith("data:image/jpeg;base64,") for p in pictures)
    written = clips.read_clips(tmp_path)[0].clips
    assert [clip.caption for clip in written] == [f"Mia is here, {i}" for i in (2, 3, 4, 5)]


def test_answers_without_a_caption_are_errors() -> None:
    for answer in ("", "a man walks", '{"people": {}}', '{"caption": ""}', "{broken}"):
        with pytest.raises(ThroughlineError, match="expected JSON"):
            captions.Cast().take(answer)


def test_the_format_is_read_with_any_kind_of_path(tmp_path: Path) -> None:
    for video, name in (("b", "2.mp4"), ("b", "10.mp4"), ("a", "x.mp4")):
        (tmp_path / "videos" / video).mkdir(parents=True, exist_ok=True)
        (tmp_path / "videos" / video / name).touch()
    (tmp_path / "prompts").mkdir()
    paths = {"10.mp4": "ten", str(tmp_path / "videos" / "b" / "2.mp4"): "two"}
    (tmp_path / "prompts" / "b.json").write_text(json.dumps(paths))
    (tmp_path / "prompts" / "a.json").write_text('{"a/x.mp4": "x"}')
    found = clips.read_clips(tmp_path)
    assert [(v.name, [c.caption for c in v.clips]) for v in found] == [("a", ["x"]), ("b", ["two", "ten"])]
    (tmp_path / "prompts" / "a.json").write_text('{"gone.mp4": "x"}')
    with pytest.raises(ThroughlineError, match=r"'gone\.mp4' of 'a' is missing"):
        clips.read_clips(tmp_path)


def test_the_command_reports_and_fails_on_what_it_cannot_do(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    assert prepare.main([str(film), "--out", str(tmp_path / "data")]) == 0
    assert "4 clips, 4 shots dropped" in capsys.readouterr().out
    assert prepare.main([str(tmp_path / "data" / "prompts"), "--out", str(tmp_path)]) == 2
    assert "no video in" in capsys.readouterr().err
