"""The documents: how long the README is, and that what they link to, name and command is there."""

import functools
import importlib.util
import re
import shlex
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from storyboard.interfaces.cli import parser
from tests.paths import ROOT

DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
README_LINES = 160  # fewer than that
PACKAGES = ("pipeline", "storyboard")
FOLDERS = (*PACKAGES, "assets", "docs", "tests", ".ci")  # what begins with one of them is a path of the repository
COMMAND = re.compile(r"python -m ((?:pipeline|storyboard|tests)[\w.]*\w)")
LINE = re.compile(r"^ {4}python -m storyboard (.+)$", re.MULTILINE)
SUBCOMMAND = re.compile(r"python -m storyboard ([a-z]+(?:-[a-z]+)*)\b")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
TREE_ENTRY = re.compile(r"^ {4}( *)((?:[\w.]+/?  )*[\w.]+/?)(?: {2,}|$)")


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def text_of(document: Path) -> str:
    return document.read_text(encoding="utf-8")


def without_code(text: str) -> str:
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", without_code(text_of(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def found(pattern: re.Pattern[str]) -> list[str]:
    """What `pattern` finds in any document, each once."""
    return sorted({match for document in DOCUMENTS for match in pattern.findall(text_of(document))})


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) < README_LINES


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_links_lead_somewhere(document: Path) -> None:
    for link in LINK.findall(without_code(text_of(document))):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), f"{name_of(document)} links to {link}: expected a file"
        if anchor:
            assert anchor in anchors(target), f"{name_of(document)} links to {link}: expected a heading"


def test_the_index_lists_every_document() -> None:
    index = ROOT / "docs" / "README.md"
    listed = {(index.parent / link).resolve() for link in LINK.findall(text_of(index))}
    assert listed == {document for document in DOCUMENTS if document.parent == index.parent} - {index}


def paths_named(document: Path) -> Iterator[str]:
    """What stands in backquotes and looks like a path of the repository."""
    for span in re.findall(r"`([^`\n]+)`", text_of(document)):
        for word in span.split():
            if word.rstrip("/") in FOLDERS or word.startswith(tuple(f"{folder}/" for folder in FOLDERS)):
                yield word


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_paths_in_backquotes_exist(document: Path) -> None:
    for path in paths_named(document):
        there = list(ROOT.glob(path.rstrip("/"))) or list(ROOT.glob(f"{path}.py"))  # modules are also named without .py
        assert there, f"{name_of(document)} names {path}: expected a path of the repository"


def tree() -> set[str]:
    """The paths in the README's tree: folders end in a slash."""
    block = text_of(ROOT / "README.md").partition("## What is where\n")[2].partition("\n## ")[0]
    paths, parent = set[str](), ""
    for entry in filter(None, map(TREE_ENTRY.match, block.splitlines())):
        names = entry[2].split()
        paths |= {(parent if entry[1] else "") + name for name in names}
        parent = parent if entry[1] else names[0]
    return paths


def test_the_readmes_tree_is_the_real_one() -> None:
    missing = {path for path in tree() if not (ROOT / path).exists()}
    assert not missing, f"README.md's tree has {sorted(missing)}: expected paths that exist"
    top = [path for package in PACKAGES for path in (ROOT / package).iterdir() if not path.name.startswith("__")]
    real = {name_of(path) + "/" * path.is_dir() for path in top}
    assert not real - tree(), f"README.md's tree lacks {sorted(real - tree())}"


def test_commands_are_modules() -> None:
    assert len(found(COMMAND)) > 20
    for module in found(COMMAND):
        package = importlib.util.find_spec(module)
        assert package, f"documents name python -m {module}: expected a module"
        if package.submodule_search_locations:
            assert importlib.util.find_spec(f"{module}.__main__"), f"python -m {module} is a package without __main__"


HELP = """
import contextlib, io, runpy, sys
for module in sys.argv[1:]:
    sys.argv, told = [module, "--help"], io.StringIO()
    try:
        with contextlib.redirect_stdout(told):
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = "none"
    except SystemExit as error:
        code = error.code
    print(module, code, told.getvalue().partition(" ")[0])
"""  # one process for all: most of the time goes into importing torch


@pytest.mark.slow
def test_commands_answer_help() -> None:
    modules = found(COMMAND)
    done = subprocess.run([sys.executable, "-c", HELP, *modules], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"{module} 0 usage:" for module in modules], done.stderr


@pytest.mark.parametrize("command", found(SUBCOMMAND))
def test_commands_of_the_shell_answer_help(command: str) -> None:
    program = [sys.executable, "-m", "storyboard", command, "--help"]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: python -m storyboard {command}")


@pytest.mark.parametrize("line", [line for line in found(LINE) if "..." not in shlex.split(line, comments=True)])
def test_lines_for_the_shell_are_understood(line: str) -> None:
    arguments = shlex.split(line, comments=True)
    assert arguments[-1] == "--help" or parser().parse_args(arguments).run


# --- names in docstrings and comments

SOURCES = sorted(path for folder in (*PACKAGES, "tests") for path in ROOT.glob(f"{folder}/**/*.py"))
DOTTED = re.compile(r"`([a-z]\w*(?:\.\w+)+)`")
FILE_SUFFIXES = {"py", "js", "json", "mp4", "gif", "png", "pdf", "zip", "txt", "model"}


def said(source: Path) -> Iterator[str]:
    """The docstrings and comments of a file, and its other strings."""
    with source.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in (tokenize.COMMENT, tokenize.STRING):
                yield token.string


@functools.cache
def words_in_code(source: Path) -> frozenset[str]:
    with source.open("rb") as file:
        return frozenset(token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME)


def is_known(name: str) -> bool:
    """Whether `package.module.name` or any end of it is in the code; of other dotted names, whether their words are."""
    parts = name.split(".")
    modules = {source: source.relative_to(ROOT).with_suffix("").parts for source in SOURCES}
    for length in range(len(parts), 0, -1):
        head, rest = tuple(parts[:length]), parts[length:]
        named = [source for source, path in modules.items() if path[-length:] == head or path[-length - 1 : -1] == head]
        if named:
            return not rest or any(rest[0] in words_in_code(source) for source in named)
    return set(parts) <= frozenset().union(*map(words_in_code, SOURCES))


def test_names_in_docstrings_and_comments_exist() -> None:
    names = {(name_of(source), name) for source in SOURCES for text in said(source) for name in DOTTED.findall(text)}
    unknown = {key for key in names if key[1].rpartition(".")[2] not in FILE_SUFFIXES and not is_known(key[1])}
    assert not unknown
