"""The GPU benchmark on tiny random weights: all four ways run, and what they give is right."""

import json
from pathlib import Path

import pytest
import torch

from pipeline.blocks.block_cache import EXACT, Speed
from pipeline.evaluation import gpu

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def made() -> tuple[object, gpu.SceneInputs]:
    return gpu.network(gpu.SMALL, CPU, torch.float32, stock=False), gpu.SceneInputs(gpu.SMALL, CPU, torch.float32)


@torch.no_grad()
def test_a_batch_gives_what_branches_one_after_the_other_give(made: tuple[object, gpu.SceneInputs]) -> None:
    plain, batch = (gpu.story_clip(*made, 3, batched) for batched in (False, True))
    torch.testing.assert_close(batch, plain, rtol=1e-3, atol=1e-4)
    fast = gpu.story_clip(*made, 3, True, Speed(threshold=1e9))
    assert not torch.allclose(fast, plain, rtol=1e-3, atol=1e-4)
    assert torch.equal(gpu.story_clip(*made, 3, True, EXACT), batch)


@torch.no_grad()
def test_the_stock_way_is_ours_without_a_memory(
    made: tuple[object, gpu.SceneInputs], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, scene = made
    stock = gpu.network(gpu.SMALL, CPU, torch.float32, stock=True)
    stock.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("history_")})  # type: ignore
    monkeypatch.setattr(gpu, "branches", lambda *_, **__: ("negative", "full"))
    monkeypatch.setattr(gpu, "HISTORY_TOKENS", 0)
    predict = gpu._predict

    def without_memory(m, s, z, t, names, caches):
        negative = m(z, s.negative, torch.tensor([t])).sample
        return torch.cat([predict(m, s, z, t, ("forgetful",), None) if name == "full" else negative for name in names])

    monkeypatch.setattr(gpu, "_predict", without_memory)
    expected, found = gpu.stock_clip(stock, scene, 3), gpu.story_clip(model, scene, 3, False)
    torch.testing.assert_close(expected, found, rtol=1e-3, atol=1e-3)


def test_small_runs_all_four_and_writes_both_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--json", str(tmp_path / "gpu.json"), "--markdown", str(tmp_path / "gpu.md")]
    options = gpu.parser().parse_args(["--small", "--steps", "3", *files])
    gpu.main(options)
    found = json.loads((tmp_path / "gpu.json").read_text())
    ways = [row["way"].partition(":")[0] for row in found["rows"]]
    assert ways == ["plain", "stock diffusers", "ours, exact", "ours, exact", "ours, fast"]
    assert all(row["seconds"] > 0 and row["gibibytes"] > 0 for row in found["rows"])
    assert 0 < found["rows"][-1]["blocks"] <= 1 and found["met"] is None and found["floor_seconds"] is None
    assert (tmp_path / "gpu.md").read_text() in capsys.readouterr().out


def test_what_is_met_and_what_is_not() -> None:
    rows = [
        gpu.Timing("plain: x", 3, 60.0, 1, 1),
        gpu.Timing("stock diffusers: x", 2, 30.0, 1, 1),
        gpu.Timing("ours, exact: slow", 3, 50.0, 1, 1),
        gpu.Timing("ours, exact: quick", 3, 36.0, 1, 1),
        gpu.Timing("ours, fast: x", 3, 25.0, 1, 1),
    ]
    found = gpu.outcome(rows, CPU, False, 50)
    assert found["floor_seconds"] == pytest.approx(22.8, abs=0.05)
    assert found["ratios"]["exact over the floor"] == pytest.approx(36 / 22.785, abs=0.01)
    assert found["met"] == {"fast": False, "exact": True}


def test_without_a_gpu_the_real_size_is_refused_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    if torch.cuda.is_available():
        pytest.skip("a GPU is here")
    assert gpu.run(gpu.parser(), gpu.main, []) == 2
    assert capsys.readouterr().err.count("\n") == 1
