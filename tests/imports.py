"""Which module imports which, read from the sources: imports inside functions and under TYPE_CHECKING count too."""

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from tests.paths import ROOT

SOURCES = sorted([*ROOT.glob("*.py"), *ROOT.glob("pipeline/**/*.py"), *ROOT.glob("storyboard/**/*.py")])
Imports = dict[str, set[str]]  # of each module, the modules of this project that it imports


def module_name(source: Path) -> str:
    parts = source.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported_names(source: Path) -> Iterator[tuple[str, str]]:
    """Every import of a file: the module by its absolute name, and the name that is taken from it, or ""."""
    package = source.relative_to(ROOT).parent.parts
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((module, alias.name) for alias in node.names)


def imported_packages(source: Path) -> set[str]:
    """The top-level packages that a file imports from."""
    return {module.partition(".")[0] for module, _ in imported_names(source)}


@cache
def project_imports() -> Imports:
    sources = {module_name(source): source for source in SOURCES}
    found: Imports = {}
    for name, source in sources.items():
        names = [(f"{module}.{taken}", module) for module, taken in imported_names(source)]
        asked = {longer if longer in sources else module for longer, module in names}
        found[name] = {module for module in asked if module in sources and module != name}
    return found


def reached(imports: Imports, start: Iterable[str]) -> dict[str, str]:
    """All modules that `start` imports, directly or not, each with one that imports it ("" for those of `start`)."""
    found = dict.fromkeys(start, "")
    todo = list(found)
    while todo:
        name = todo.pop()
        new = [other for other in sorted(imports.get(name, ())) if other not in found]
        found |= dict.fromkeys(new, name)
        todo += new
    return found


def circles(imports: Imports) -> list[str]:
    """Every import that is part of a circle, as "a -> b"."""
    behind = {name: set(reached(imports, [name])) for name in imports}
    edges = ((name, other) for name, found in imports.items() for other in found)
    return sorted(f"{name} -> {other}" for name, other in edges if name in behind[other])
