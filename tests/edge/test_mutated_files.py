"""Whatever a stranger changes in a file of a bundle or a run, and hashes again: a result that makes sense, or one line.

One leaf at a time: out of range, of another type, swapped with another name, twice, or gone. Each command runs as
`main()` does; whoever has more time than a test gives other seeds.
"""

from __future__ import annotations

import contextlib
import json
import math
import random
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.bundles import compiled
from support.commands import Ended
from support.mutations import at, leaves, mutations
from support.runs import fine_tune
from tbft_artifacts.manifest import MANIFEST, Manifest
from tbft_runtime import finalize
from tbft_runtime.graphs.onnx_file import embed

Command = Callable[..., Ended]
SEED = 1
EACH = 40
ERROR = re.compile(r"^error: [^\n]+\n\nhint: [^\n]+\n\Z", re.MULTILINE)


def drawn(document: Any, count: int) -> Iterator[Any]:
    """So many mutations, drawn over all leaves alike."""
    draw = random.Random(SEED)
    places = list(leaves(document))
    for _ in range(count):
        yield draw.choice(list(mutations(document, draw.choice(places))))


def assert_sensible(ended: Ended) -> None:
    """It ended in one of three ways, without a traceback, and no figure in what it says is no number."""
    assert ended.code in (0, 2, 3), ended.err
    assert "Traceback" not in ended.err
    if ended.code:
        assert ERROR.search(ended.err), ended.err
        return
    if ended.out.startswith("{"):
        assert all(math.isfinite(number) for number in numbers(json.loads(ended.out)))
    assert not re.search(r"\b(nan|inf)\b", ended.out + ended.err)


def numbers(value: Any) -> Iterator[float]:
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from numbers(inner)
    elif isinstance(value, int | float):
        yield value


def hashed(manifest: dict[str, Any]) -> bytes:
    """With an id that is right, where it is a manifest at all."""
    with contextlib.suppress(msgspec.DecodeError):
        content = msgspec.json.decode(json.dumps({**manifest, "bundle_id": ""}), type=Manifest)
        manifest = {**manifest, "bundle_id": content.content_hash()}
    return json.dumps(manifest).encode()


@pytest.mark.long
@pytest.mark.parametrize("name", ["feature-adapt", "exits", "tinytrain", "feature-batch"])
def test_manifests(name: str, command: Command, tmp_path: Path, squares: Path) -> None:
    bundle = Path(shutil.copytree(compiled(name), tmp_path / "bundle"))
    before = json.loads((bundle / MANIFEST).read_bytes())
    for changed in drawn({key: value for key, value in before.items() if key != "files"}, EACH):
        (bundle / MANIFEST).write_bytes(hashed({**changed, "files": before["files"]}))
        inspected = command("inspect", bundle)
        assert_sensible(inspected)
        if inspected.code == 0:
            run = ("--data", squares, "--out", tmp_path / "run", "--epochs", "1", "--meter", "none", "--threads", "1")
            assert_sensible(command("train", bundle, "--plan", changed["plans"][-1]["id"], *run))
            assert_sensible(command("eval", bundle, "--data", squares, "--json"))
            shutil.rmtree(tmp_path / "run", ignore_errors=True)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """One whose device chose channels: its files say the most."""
    folder = tmp_path_factory.mktemp("mutated") / "run"
    fine_tune("tinytrain", squares, folder, epochs=1)
    finalize(folder, folder.with_name("model.onnx"), allow_worse=True)
    return folder


def changed_run(run: Path, name: str, tmp_path: Path) -> Iterator[Path]:
    document = json.loads((run / name).read_bytes())
    for index, changed in enumerate(drawn(document, EACH // 2)):
        copy = Path(shutil.copytree(run, tmp_path / f"run-{index}"))
        (copy / name).write_text(json.dumps(changed))
        yield copy


@pytest.mark.long
def test_run_files(run: Path, command: Command, tmp_path: Path, squares: Path) -> None:
    for changed in changed_run(run, "run.json", tmp_path):
        assert_sensible(command("eval", changed, "--data", squares, "--json"))
        assert_sensible(command("finalize", changed, "--out", tmp_path / "model.onnx", "--allow-worse"))
        again = ("--data", squares, "--out", changed, "--epochs", "2", "--meter", "none", "--resume")
        assert_sensible(command("train", compiled("tinytrain"), *again))


@pytest.mark.long
def test_reports(run: Path, command: Command, tmp_path: Path) -> None:
    for changed in changed_run(run, "report.json", tmp_path):
        for kind in ("table", "html"):
            assert_sensible(command("report", changed, "--format", kind))


@pytest.mark.long
def test_model_cards(run: Path, command: Command, tmp_path: Path, squares: Path) -> None:
    model = run.with_name("model.onnx").read_bytes()
    manifest = json.loads((compiled("tinytrain") / MANIFEST).read_bytes())
    card = {key: manifest[key] for key in ("bundle_id", "classes", "image_size", "preprocessing")} | {"plan": None}
    for changed in drawn(card, EACH):
        (tmp_path / "model.onnx").write_bytes(embed(model, {}, {"tbft_edge": json.dumps(changed)}))
        assert_sensible(command("eval", tmp_path / "model.onnx", "--data", squares, "--json"))


@pytest.mark.long
def test_tunings(command: Command, tmp_path: Path, squares: Path) -> None:
    bundle, out = compiled("output-frozen"), tmp_path / "run"
    assert command("tune", bundle, "--out", out, "--threads", "1").code == 0
    tuning = json.loads((out / "tuning.json").read_bytes())
    parts = {key: tuning[key] for key in ("chosen", "batch_size", "plan", "machine")}
    for changed in drawn(parts, EACH // 2):
        copy = Path(shutil.copytree(out, tmp_path / "copy"))
        (copy / "tuning.json").write_text(json.dumps({**tuning, **changed}))
        ended = command("train", bundle, "--data", squares, "--out", copy, "--epochs", "1", "--meter", "none")
        assert_sensible(ended)
        assert ended.code == 0, "what was measured is a suggestion, and ignored where it makes no sense"
        shutil.rmtree(copy)


def test_mutations_reach_every_leaf() -> None:
    """In range and out of it, of other types, and gone."""
    document = {"a": [{"b": 1}, "word"], "c": 0.5}
    places = list(leaves(document))
    assert places == [("a",), ("a", 0), ("a", 0, "b"), ("a", 1), ("c",)]
    for place in places:
        found = list(mutations(document, place))
        assert json.dumps(document) not in map(json.dumps, found)
        assert len(found) > 5
    assert {"a": [{"b": 10**400}, "word"], "c": 0.5} in mutations(document, ("a", 0, "b"))
    assert at(document, ("a", 0, "b")) == 1
