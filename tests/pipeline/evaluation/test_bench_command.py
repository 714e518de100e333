"""The benchmark's command: a run that was killed goes on, tables, plots, contact sheets, and the whole end to end."""

import io
import json
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline.evaluation import __main__ as command
from pipeline.evaluation.common.command import run
from pipeline.evaluation.common.statistics import Estimate, Tally
from pipeline.evaluation.reporting import contact_sheet, plots, report
from pipeline.evaluation.reporting.summary import comparisons, probe_summary, ranking, summary
from pipeline.evaluation.story import workers
from pipeline.evaluation.story.benchmark import FilmScore, HeldOut, StoryScore
from pipeline.evaluation.story.detail import SHARPNESS
from pipeline.evaluation.story.measures import MEASURES
from pipeline.evaluation.story.probe_stories import PROBE_MEASURES
from pipeline.evaluation.story.results import Results
from pipeline.evaluation.story.systems import CONTROLS, MAIN, SYSTEMS, TITLES, measured_on
from pipeline.picturebook.localiser import Localiser
from pipeline.picturebook.reader import ClipReader
from tests.tiny import save_tiny


def score(actor: float, seed: int = 0, names: tuple[str, ...] = (*SYSTEMS, *CONTROLS)) -> StoryScore:
    """Made up: `ours` agrees in `actor` of ten, the others in less; gaps of 1 and 8."""
    rng = random.Random(seed)
    out = {}
    for name in names:
        hits = actor if name == "ours" else actor / 2
        measures = (*MEASURES, *PROBE_MEASURES, *SHARPNESS)
        tallies = {m: Tally(rng.randint(0, 4), 4) for m in measures} | {"actor": Tally(hits, 10)}
        gaps = {1: Tally(10, 10), 2: Tally(hits, 10), 8: Tally(hits, 10)}
        out[name] = FilmScore(tallies, gaps if name != "chance" else {})
    return out


def results(folder: Path, **settings: int) -> Results:
    kept = Results(folder, settings)
    kept.open()
    return kept


# Results on disk


def test_scores_come_back_as_they_were(tmp_path: Path) -> None:
    kept = results(tmp_path)
    assert kept.score("abba", 3) == {} and kept.cost("abba", 3) == (0, 0)
    kept.add("abba", 3, score(7), 12.5, 2.0)
    again = Results(tmp_path, {}).score("abba", 3)
    assert set(again) == {*SYSTEMS, *CONTROLS}
    assert again["ours"].tallies["actor"] == Tally(7, 10) and again["ours"].gaps[8] == Tally(7, 10)
    assert kept.score("long", 3) == {} == kept.score("abba", 4)


def test_systems_are_added_to_a_story_and_what_is_there_stays(tmp_path: Path) -> None:
    kept = results(tmp_path)
    kept.add("abba", 0, score(7, names=("ours", "ceiling")), 4, 1.0)
    assert kept.lacking("abba", 0, SYSTEMS) == tuple(name for name in SYSTEMS if name != "ours")
    kept.add("abba", 0, score(3, names=("last_frame", "ceiling")), 2, 0.5)
    assert set(kept.score("abba", 0)) == {"ours", "ceiling", "last_frame"}
    assert kept.score("abba", 0)["ceiling"].tallies["actor"] == Tally(3.5, 10), "of the first run"
    assert kept.cost("abba", 0) == (6, 1.5)


def test_other_settings_lie_elsewhere(tmp_path: Path) -> None:
    results(tmp_path, steps=24).add("abba", 0, score(7), 1, 1)
    assert results(tmp_path, steps=25).score("abba", 0) == {}
    assert results(tmp_path, steps=24).score("abba", 0)


def test_only_what_is_lacking_is_planned(tmp_path: Path) -> None:
    kept, names = results(tmp_path), ("ours", "no_history")
    stories = [HeldOut("abba", index, 0) for index in range(6)]
    kept.add("abba", 1, score(1), 1, 1)
    kept.add("abba", 4, score(1, names=("ours",)), 1, 1)
    jobs = workers.plan(kept, [(story, names) for story in stories], at_once=3)
    planned = [(tuple(story.index for story in job.stories), job.systems) for job in jobs]
    assert planned == [((0, 2), names), ((3, 5), names), ((4,), ("no_history",))]


def test_a_strip_of_keyframes_comes_back_to_the_bit(tmp_path: Path) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (2, 3, 8, 12, 3), np.uint8)
    results(tmp_path).add_strip("abba", 0, pictures)
    strip = results(tmp_path).strip("abba", 0)
    assert strip.shape == (16, 36, 3)
    assert np.array_equal(strip[8:, 12:24], pictures[1, 1])


# What the scores say


def test_comparisons_are_paired_over_the_stories_that_both_filmed() -> None:
    scores = [score(8, seed) for seed in range(4)] + [score(2, 9, names=("ours",))]
    found = comparisons("long", scores)
    far = found["ours minus last frame only, actor at gaps of 2 and more"]
    assert (far.mean, far.low, far.high, far.n) == pytest.approx((0.4, 0.4, 0.4, 4))
    assert found["ours minus whole past prompts, actor"].mean == pytest.approx(0.4)
    assert "ours minus whole past prompts, cross-talk" in found
    late = found["ours, actor after a gap of 8 over that after 1"]
    assert late.mean == pytest.approx((4 * 8 + 2) / 50) and late.n == 5
    assert not any("gap" in name for name in comparisons("abba", scores))
    assert comparisons("abba", [score(2, names=("ours",))]) == {}


def test_stories_are_ranked_by_our_films() -> None:
    even = {m: Tally(1, 2) for m in MEASURES}
    scores = {index: {"ours": FilmScore(even | {"actor": Tally(hits, 10)})} for index, hits in enumerate((3, 9, 0, 6))}
    scores[4] = {"ours": FilmScore(even | {"actor": Tally()})}  # nobody was there to be compared
    assert ranking(scores) == [1, 3, 0, 2, 4]


# Tables, plots, sheets


def outcome() -> dict:
    scores = [score(5 + seed % 3, seed) for seed in range(8)]
    cost = {"clips": 10, "process_seconds": 120.0, "seconds": 60.0, "processes": 2}
    protocols = {protocol: summary(protocol, scores) for protocol in ("abba", "long")}
    return {"protocols": protocols, "probes": probe_summary(scores), "cost": cost}


def test_markdown_has_a_row_a_system_and_says_how_long_it_took() -> None:
    text = report.markdown(outcome())
    assert text.count("| ours |") == 2 + 1 + 2  # two protocols, one gap curve, probes
    assert all(f"| {title} |" in text for title in TITLES.values())
    assert "| 1 | 2 | 8 |" in text
    assert text.count("| moving fine | ") == 2 and "### Probes, 8 stories" in text
    assert "ours minus last frame only, actor | +0." in text
    assert "10 clips in 2.0 minutes of one process (1.0 with two); this run took 1.0 minutes with 2." in text


def test_a_measure_that_was_not_taken_is_a_dash() -> None:
    row = dict.fromkeys(MEASURES, Estimate(0.5, 0.25, 0.75, 4)) | {"motion": Estimate(None, None, None, 0)}
    last = report.systems_table({"ours": row}).splitlines()[-1]
    assert last.count("0.50 (0.25–0.75)") == len(MEASURES) - 1 and "| – |" in last


def test_three_plots_and_none_of_what_was_not_measured() -> None:
    drawn = plots.all_plots(outcome())
    assert set(drawn) == {"gap_curve.png", "history_weight.png", "systems.png"}
    for data in drawn.values():
        picture = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
        assert min(picture.shape[:2]) > 300 and picture.std() > 5
    few = {"protocols": {"abba": summary("abba", [score(5, names=(*MAIN, *CONTROLS))])}}
    assert set(plots.all_plots(few)) == {"systems.png"}


def test_ten_stories_are_chosen_from_both_ends_and_the_middle() -> None:
    found = contact_sheet.chosen(range(100))
    assert found == {"best": [0, 1, 2], "median": [48, 49, 50, 51], "worst": [97, 98, 99]}
    assert contact_sheet.chosen(range(5)) == {"ranked": [0, 1, 2, 3, 4]}


def test_the_sheet_shows_every_scene_with_its_words() -> None:
    colours = np.arange(8, dtype=np.uint8).reshape(2, 4) * 25 + 20  # rows, scenes
    strip = np.repeat(np.repeat(colours, 96, 0), 144, 1)[..., None].repeat(3, -1)
    blocks = [contact_sheet.Block("best", strip, ("Mia is running on the beach.",) * 4)] * 3
    picture = np.asarray(contact_sheet.contact_sheet(blocks, columns=2))
    for shade in colours.flat:
        assert ((picture == shade).all(-1)).sum() >= 3 * 96 * 144
    words = picture[picture.shape[0] // 2 - 50 :, :]
    assert (words != 255).any()


def test_all_files_are_written_or_none(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        report.write_all({tmp_path / "table.md": b"table", tmp_path / "nosuch" / "figures.json": b"figures"})
    assert not list(tmp_path.iterdir())


# The command


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[str]:
    """A tiny model, a reader and a localiser that never learnt anything, as arguments."""
    reader, localiser = (tmp_path_factory.mktemp(name) for name in ("reader", "localiser"))
    torch.manual_seed(0)
    ClipReader().save_pretrained(reader)
    Localiser().save_pretrained(localiser)
    model = save_tiny(tmp_path_factory.mktemp("tiny"))
    return ["--model", str(model), "--reader", str(reader), "--localiser", str(localiser)]


def bench(*arguments: object) -> int:
    return run(command.parser(), command.main, [str(argument) for argument in arguments])


@pytest.fixture
def quick(monkeypatch) -> None:
    """The accuracy of networks that were never trained is of no interest."""
    monkeypatch.setattr(command, "reader_accuracy", lambda *_: {"number": 0.5})
    monkeypatch.setattr(command, "localiser_accuracy", lambda *_: {"actor pixels": 0.25})


@pytest.fixture
def killed_after_one_job(monkeypatch) -> None:
    """The first time; the run after that is left alone."""
    do, done = workers.Hand.do, list[workers.Assignment]()

    def until_killed(self: workers.Hand, job: workers.Assignment) -> None:
        if len(done) == 1:
            done.append(job)
            raise KeyboardInterrupt
        done.append(job)
        do(self, job)

    monkeypatch.setattr(workers, "AT_ONCE", 1)
    monkeypatch.setattr(workers.Hand, "do", until_killed)


def assert_alike(a: object, b: object) -> None:
    """Equal but for what other numbers of threads change in the last bits."""
    if isinstance(a, dict) and isinstance(b, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_alike(a[key], b[key])
    else:
        assert a == b or a == pytest.approx(b, rel=1e-3)


@pytest.mark.slow
@pytest.mark.usefixtures("quick", "killed_after_one_job")
@pytest.mark.filterwarnings("ignore::UserWarning:diffusers")
def test_a_killed_run_goes_on_and_gives_the_same_as_one_in_two_processes(
    tmp_path: Path, models: list[str], capsys
) -> None:
    given = (*models, "--protocol", "abba", "--steps", 1, "--seed", 2, "--no-plots", "--processes")
    other = ("--stories", 2, "--ablation-stories", 1, "--batch", 4, "--out")
    with pytest.raises(KeyboardInterrupt):
        bench(*given, 1, *other, tmp_path / "parts")
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["stories"]
    assert len(list(tmp_path.glob("parts/stories/*/abba-*.json"))) == 1
    assert bench(*given, 1, *other, tmp_path / "parts") == 0
    printed = capsys.readouterr().out
    assert bench(*given, 2, *other, tmp_path / "whole", "--json", tmp_path / "one.json") == 0
    first, second = (json.loads((tmp_path / name / "benchmark.json").read_text()) for name in ("whole", "parts"))
    assert_alike(first["protocols"], second["protocols"])
    assert first["settings"] == second["settings"] and first["accuracy"]["reader"] == {"number": 0.5}
    systems = first["protocols"]["abba"]["systems"]
    assert set(systems) == {*measured_on("abba", SYSTEMS), *CONTROLS}
    assert {name: row["actor"]["n"] for name, row in systems.items() if name in MAIN}.keys() == MAIN.keys()
    assert systems["ceiling"]["motion"]["mean"] == 1 and systems["frozen_frame"]["motion"]["mean"] == 0
    for row in (systems["ours"], systems["no_history"], systems["w2_4"], systems["chance"]):
        assert row["stays"]["n"] > 0 and {*MEASURES, *PROBE_MEASURES} == set(row)
    assert first["protocols"]["abba"]["sharpness"]["across_latents"]["n"] == 2
    assert first["probes"]["stories"] == 2
    alone = json.loads((tmp_path / "one.json").read_text())
    assert {name: alone[name] for name in systems} == systems and alone["settings"] == first["settings"]
    assert systems["w2_4"]["prompt"] == {**systems["w2_4"]["prompt"], "n": 1}
    assert printed.startswith("The reader on held-out rendered clips:\n  number  0.500\n")
    assert printed.endswith((tmp_path / "parts" / "benchmark.md").read_text())
    names = {path.name for path in (tmp_path / "whole").iterdir()}
    assert names == {"benchmark.json", "benchmark.md", "stories-abba.png", "stories"}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--stories", "0"], "'0'"),
        (["--seed", "x"], "'x'"),
        (["--protocol", "baab"], "'baab'"),
        (["--guidance-scale", "nan"], "nan"),
        (["--history-scale", "-1"], "-1"),
        (["--model", "nosuch"], "'nosuch'"),
        (["--reader", "nosuch"], "'nosuch'"),
        (["--localiser", "nosuch"], "'nosuch'"),
        (["--json", "figures.json"], "--json"),
    ],
)
def test_bad_arguments_take_one_line(arguments, named, tmp_path: Path, models: list[str], capsys) -> None:
    try:
        code = bench(*models, "--out", tmp_path / "out", *arguments)
    except SystemExit as exit_:
        code = exit_.code
    error = capsys.readouterr().err.strip()
    assert code == 2
    assert named in error and len(error.splitlines()) == 1
    assert not list(tmp_path.iterdir())
