"""The rules about what may import what, what may ship, and how the requirements are written."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.paths import ROOT

SOURCES = sorted([*ROOT.glob("*.py"), *ROOT.glob("pipeline/**/*.py"), *ROOT.glob("storyboard/**/*.py")])
LONGEST_FILE = 400
EMBEDDED_MODEL_BYTES = 32_000_000
DOCUMENT = ["storyboard.document.story", "storyboard.document.edits", "storyboard.document.plan"]
HEAVY = {"torch", "gradio", "diffusers", "transformers"}
PICKLE_MODULES = {"pickle", "cPickle", "dill", "joblib", "cloudpickle", "shelve"}
PICKLE_SUFFIXES = {".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pth"}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imported_modules(source: Path) -> Iterator[str]:
    """Every module that a file names in an import, at the top or inside a function, by its absolute name."""
    package = source.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from (f"{module}.{alias.name}" for alias in node.names)


def imported_packages(source: Path) -> set[str]:
    return {module.partition(".")[0] for module in imported_modules(source)}


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


@pytest.mark.parametrize("source", in_package("pipeline"), ids=name_of)
def test_pipeline_knows_neither_gradio_nor_the_storyboard(source: Path) -> None:
    assert not imported_packages(source) & {"gradio", "gradio_client", "storyboard", "app"}


@pytest.mark.parametrize("source", in_package("storyboard"), ids=name_of)
def test_storyboard_does_not_import_the_app(source: Path) -> None:
    assert "app" not in imported_packages(source)


@pytest.mark.parametrize("module", ["pipeline", "storyboard", *DOCUMENT])
def test_the_document_loads_no_model_and_no_page(module: str) -> None:
    assert not loaded_by(module) & HEAVY


@pytest.mark.parametrize("source", SOURCES, ids=name_of)
def test_file_is_short_enough_to_read(source: Path) -> None:
    lines = len(source.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE, f"{lines} lines: split it by meaning"


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


def test_every_requirement_is_pinned_within_its_range() -> None:
    pins = requirements("constraints.txt")
    asked = [requirements(f"requirements{kind}.txt") for kind in ("", "-train", "-dev")]
    for name, wanted in (pair for file in asked for pair in file.items()):
        (pin,) = pins[name].specifier
        assert pin.operator == "==", f"{name} is not pinned exactly"
        assert pin.version in wanted.specifier, f"{name}: {pin.version} is outside of {wanted.specifier}"


def test_requirements_name_packages_not_places() -> None:
    for file in ("requirements.txt", "requirements-train.txt", "requirements-dev.txt", "constraints.txt"):
        assert all(requirement.url is None for requirement in requirements(file).values())
        assert "://" not in (ROOT / file).read_text(encoding="utf-8")
