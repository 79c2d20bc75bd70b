"""The house stays one that a newcomer sees through: arrows between its rooms go one way, and no file is long."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from support.commands import ROOT
from tbft_edge.emulation.guest import OUR_PACKAGES

PACKAGES = {
    "tbft_artifacts": ROOT / "artifacts" / "tbft_artifacts",
    "tbft_runtime": ROOT / "runtime" / "tbft_runtime",
    "tbft_fleet": ROOT / "fleet" / "tbft_fleet",
    "tbft_agent": ROOT / "agent" / "tbft_agent",
    "tbft_export": ROOT / "export" / "tbft_export",
    "tbft_edge": ROOT / "tbft_edge",
}
DATA = {"numpy", "safetensors", "msgspec"}
# What each package may import beside itself and Python's own library. Neither contract nor halves know the command,
# and the halves do not know each other.
ALLOWED = {
    "tbft_artifacts": DATA | {"cryptography", "securesystemslib"},
    "tbft_runtime": DATA | {"tbft_artifacts", "onnxruntime", "PIL", "prometheus_client"},
    "tbft_fleet": DATA | {"tbft_artifacts", "tbft_runtime", "cryptography", "flwr", "httpx", "securesystemslib", "tuf"},
    "tbft_agent": DATA | {"tbft_artifacts", "tbft_fleet", "tbft_runtime", "prometheus_client", "starlette", "uvicorn"},
    "tbft_export": DATA | {"tbft_artifacts", "onnx", "onnx_ir", "onnxruntime", "securesystemslib", "torch"},
}


# A file is one idea; with more lines it is two.
LINES = 300
CODE = ("agent", "artifacts", "benchmarks", "demo", "export", "fleet", "runtime", "tbft_edge", "tests")


def modules(package: str) -> dict[str, Path]:
    """Every module of a package by its dotted name."""
    folder = PACKAGES[package]
    found = {}
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join((package, *(part for part in parts if part != "__init__")))] = path
    return found


def imports(path: Path) -> Iterator[str]:
    """The dotted name of everything that a file imports, wherever the import stands."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def arrows(package: str) -> dict[str, dict[str, set[str]]]:
    """For each folder: which of its files and folders import which others of it."""
    known = modules(package)
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for name, path in known.items():
        if path.name == "__init__.py":
            continue  # Of the packages, they only say where a public name lives.
        for imported in imports(path):
            target = imported if imported in known else imported.rpartition(".")[0]
            if target not in known:
                continue
            source, other = name.split("."), target.split(".")
            shared = next((i for i, pair in enumerate(zip(source, other, strict=False)) if pair[0] != pair[1]), None)
            if shared is not None:
                found[".".join(source[:shared])][source[shared]].add(other[shared])
    return found


def circle(graph: Mapping[str, set[str]]) -> list[str]:
    """One circle of a graph, or nothing."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        found: list[str] = error.args[1]
        return found
    return []


@pytest.mark.parametrize("package", ALLOWED)
def test_packages_import_only_what_lies_below(package: str) -> None:
    """The contract needs nothing of either half, the halves nothing of each other, and none of them the command."""
    allowed = ALLOWED[package] | {package} | sys.stdlib_module_names
    found = [(str(path), name) for path in modules(package).values() for name in imports(path)]
    assert len(found) > 20
    assert [(path, name) for path, name in found if name.split(".")[0] not in allowed] == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_two_rooms_need_each_other(package: str) -> None:
    """A folder can be read without those that build on it: folders import each other in one direction only."""
    found = arrows(package)
    assert found
    assert {folder: circle(graph) for folder, graph in found.items() if circle(graph)} == {}


def test_a_circle_of_folders_would_be_found() -> None:
    """The test above can fail."""
    assert circle({"training": {"data"}, "data": {"run"}, "run": {"training"}}) != []
    assert circle({"training": {"data", "run"}, "data": {"run"}}) == []


@pytest.mark.parametrize("folder", CODE)
def test_no_file_is_long(folder: str) -> None:
    """Also of tests: they are read by whoever changes what they protect."""
    lines = {path: len(path.read_text().splitlines()) for path in (ROOT / folder).rglob("*.py")}
    assert lines
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > LINES} == {}


def test_an_emulated_board_gets_every_package_of_the_device() -> None:
    """A command that imports a package left behind would fail on the emulated CPU alone."""
    assert set(OUR_PACKAGES) == set(PACKAGES) - {"tbft_export"}
