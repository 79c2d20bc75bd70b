"""Files are UTF-8 whatever the locale is: no code leaves it to the locale."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from support.commands import ROOT

FOLDERS = ("artifacts", "runtime", "export", "tbft_edge", "demo", "benchmarks")


def of_the_locale(tree: ast.AST) -> Iterator[int]:
    """Lines that read or write text without saying in which encoding."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        said = {keyword.arg: keyword.value for keyword in node.keywords}
        if said.keys() & {"encoding", "force_zip64", "fileobj"}:  # Archives have no text.
            continue
        is_text_file = name in ("read_text", "write_text") and not (name == "read_text" and node.args)
        if is_text_file or (
            name in ("run", "Popen", "check_output") and ("text" in said or "universal_newlines" in said)
        ):
            yield node.lineno
        elif name in ("open", "fdopen", "NamedTemporaryFile", "TemporaryFile"):
            modes = [each.value for each in (*node.args, *said.values()) if isinstance(each, ast.Constant)]
            texts = [
                mode for mode in modes if isinstance(mode, str) and 0 < len(mode) <= 3 and set(mode) <= set("rwaxt+")
            ]
            is_path = isinstance(node.func, ast.Attribute) and not node.args and not node.keywords and name == "open"
            if texts or is_path:
                yield node.lineno


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_encoding_is_said(folder: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / folder).rglob("*.py"))
        for line in of_the_locale(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []


@pytest.mark.parametrize(
    ("code", "finds"),
    [
        ("path.read_text()", True),
        ("path.read_text(errors='replace')", True),
        ("path.write_text(text)", True),
        ("path.open()", True),
        ("path.open('w')", True),
        ("open(path, 'r+')", True),
        ("subprocess.run(words, text=True)", True),
        ("path.read_text(encoding='utf-8')", False),
        ("path.open('rb')", False),
        ("path.open('w', encoding='utf-8')", False),
        ("tarfile.open(archive, 'r:gz')", False),
        ("subprocess.run(words, text=True, encoding='utf-8')", False),
    ],
)
def test_the_test_above_can_fail(code: str, finds: bool) -> None:
    assert bool(list(of_the_locale(ast.parse(code)))) is finds
