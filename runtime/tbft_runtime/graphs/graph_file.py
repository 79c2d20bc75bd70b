"""A graph as it may become a session: its bytes, verified where a bundle lists them, and checked."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from safetensors import safe_open

from tbft_artifacts.bundle import Bundle, device_graphs
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import help_with, open_regular
from tbft_runtime.graphs.check_graph import BUNDLE_RULES, MODEL_RULES, CheckedGraph, check_graph
from tbft_runtime.graphs.more_classes import with_more_classes
from tbft_runtime.graphs.onnx_file import with_sizes_above_0

# Of graphs of bundles, by the sha256 of their bytes: the same one is loaded again in every epoch.
_CHECKED: dict[str, CheckedGraph] = {}
# No parser of ONNX files takes twice as much.
_LARGEST = 1 << 30


@dataclass(frozen=True)
class GraphFile:
    """What is in it, what is known of that, and what errors call it."""

    content: bytes
    checked: CheckedGraph
    shown: str


def bundle_graph(bundle: Bundle, name: str) -> GraphFile:
    """A graph of a bundle. Raises TbftError if it changed since the bundle was verified, or may not be loaded."""
    content = bundle.read(name)
    digest = bundle.manifest.files[name].sha256
    shown = os.fspath((bundle.shown or bundle.folder) / name)
    head = bundle.manifest.head or None
    if head is not None and bundle.compiled_classes is not None:
        # What comes from the bundle is checked before anything is changed in it, and then as it became.
        check_graph(content, BUNDLE_RULES, shown)
        content = with_more_classes(content, head, len(bundle.manifest.classes))
        digest = f"{digest}+{len(bundle.manifest.classes)}"
    if digest not in _CHECKED:
        _CHECKED[digest] = check_graph(content, BUNDLE_RULES, shown)
    return _as_it_may_be_loaded(content, _CHECKED[digest], shown)


def check_graphs(bundle: Bundle) -> None:
    """Raises TbftError if a graph that a device may load would be refused."""
    with safe_open(bundle.weights, "numpy") as file:
        weights = set(file.keys())
    for name in device_graphs(bundle.manifest):
        graph = bundle_graph(bundle, name)
        for needed in graph.checked.external:
            if needed not in weights:
                raise lacks_weight(graph.shown, needed)


def lacks_weight(shown: str, needed: str) -> TbftError:
    """That the graph `shown` refers to values which nobody can hand over."""
    return TbftError(f"graph '{shown}' needs weight '{needed}', which the bundle lacks", "export it again")


def model_file(path: Path, check: Callable[[bytes], None] = lambda _: None) -> GraphFile:
    """A model by itself, the very bytes of which passed `check`.

    Raises TbftError if it cannot be read, or may not be loaded, and what `check` raises.
    """
    try:
        with open_regular(path) as file:
            # Nothing is read of what is too long to be kept in memory.
            too_long = os.fstat(file.fileno()).st_size > _LARGEST
            content = b"" if too_long else file.read(_LARGEST + 1)
    except OSError as error:
        raise TbftError(f"model '{path}' cannot be read ({error.strerror})", help_with(error)) from error
    if too_long or len(content) > _LARGEST:
        raise TbftError(f"model '{path}' has more than 1 GiB", "give an .onnx file")
    check(content)
    return checked_model(content, os.fspath(path))


def checked_model(content: bytes, shown: str) -> GraphFile:
    """The content of such a file, which errors call `shown`. Raises TbftError if it may not be loaded."""
    return _as_it_may_be_loaded(content, check_graph(content, MODEL_RULES, shown), shown)


def _as_it_may_be_loaded(content: bytes, checked: CheckedGraph, shown: str) -> GraphFile:
    return GraphFile(with_sizes_above_0(content, checked.divisors), checked, shown)
