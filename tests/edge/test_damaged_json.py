"""Whatever became of a JSON file, its reader says so in one line, or does without it.

Bytes that are no UTF-8, brackets nested deeper than Python goes, and numbers that no figure is made of ended in
tracebacks, each in other readers.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file

from support.bundles import compiled, compiled_copy
from support.commands import ERROR, Ended
from support.runs import fine_tune
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.manifest import MANIFEST
from tbft_artifacts.model_card import METADATA
from tbft_artifacts.plan import PREDICT
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.onnx_file import embed
from tbft_runtime.run.folder import RunFolder

Command = Callable[..., Ended]
DAMAGE: Mapping[str, bytes] = {
    "empty": b"",
    "no UTF-8": b'{"bundle": "caf\xe9", "format": 1}',
    "nested": b"[" * 200_000,
    "nested where nobody looks": b'{"other": ' + b"[" * 200_000,
    "another type": b"[]",
    "zeros": b"\x00" * 4096,
}
SMALL = ("--epochs", "1", "--meter", "none", "--threads", "1")


def refused(ended: Ended) -> str:
    assert ended.code == 2, ended
    assert ERROR.search(ended.err), ended.err
    assert "Traceback" not in ended.err
    return ended.err


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    folder = tmp_path_factory.mktemp("damaged") / "run"
    fine_tune("output-frozen", squares, folder, epochs=1)
    return folder


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copy"))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_manifest(damage: bytes, command: Command, tmp_path: Path) -> None:
    bundle = compiled_copy("output-frozen", tmp_path / "bundle")
    (bundle / MANIFEST).write_bytes(damage)
    assert MANIFEST in refused(command("inspect", bundle))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_the_file_of_a_run(damage: bytes, copy: Path, command: Command, squares: Path) -> None:
    """The state knows what it said: others do without it, and training writes it again."""
    before = (copy / "run.json").read_bytes()
    (copy / "run.json").write_bytes(damage)
    ended = command("eval", copy, "--data", squares)
    assert (ended.code, ended.err) == (0, ""), ended
    again = ("--data", squares, "--out", copy, "--epochs", "1", "--meter", "none", "--resume")
    ended = command("train", compiled("output-frozen"), *again)
    assert ended.code == 0, ended
    assert "run.json" in ended.err
    assert (copy / "run.json").read_bytes() == before


@pytest.mark.parametrize("place", ["\\u0000", "x" * 20_000, ""])
def test_a_place_that_no_bundle_can_have(place: str, copy: Path, command: Command, squares: Path) -> None:
    """`run.json` names the folder of the bundle, which the system is asked for: the state has another one."""
    told = json.loads((copy / "run.json").read_bytes())
    del told["sha256"]
    (copy / "run.json").write_text(json.dumps(told | {"bundle": json.loads(f'"{place}"')}))
    ended = command("eval", copy, "--data", squares)
    assert (ended.code, ended.err) == (0, ""), ended


@pytest.mark.parametrize("damage", [damage for damage in DAMAGE.values() if damage], ids=filter(DAMAGE.get, DAMAGE))
def test_the_history_in_a_state(damage: bytes, copy: Path, command: Command, squares: Path) -> None:
    """Text in a file of tensors, which keeps UTF-8 only."""
    with safe_open(copy / "state.safetensors", "numpy") as file:
        told = dict.fromkeys(file.metadata(), damage.decode(errors="replace"))
    save_file(load_file(copy / "state.safetensors"), copy / "state.safetensors", told)
    assert "damaged" in refused(command("eval", copy, "--data", squares))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_report(damage: bytes, copy: Path, command: Command) -> None:
    (copy / "report.json").write_bytes(damage)
    assert "report.json" in refused(command("report", copy))


@pytest.mark.parametrize("damage", [damage for damage in DAMAGE.values() if damage], ids=filter(DAMAGE.get, DAMAGE))
def test_the_card_of_a_model(damage: bytes, command: Command, tmp_path: Path, squares: Path) -> None:
    """Without a checksum, as anybody may write one."""
    bundle = open_bundle(compiled("output-frozen"))
    graph, weights = bundle_graph(bundle, PREDICT), bundle.load_weights()
    known = {name: weights[name] for name in graph.checked.external}
    model = embed(graph.content, known, {METADATA: damage.decode(errors="replace")})
    (tmp_path / "model.onnx").write_bytes(model)
    assert "how it is fed" in refused(command("predict", tmp_path / "model.onnx", squares))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_was_tuned_is_a_suggestion(damage: bytes, command: Command, tmp_path: Path, squares: Path) -> None:
    """The run begins without it, and says why."""
    RunFolder(tmp_path).lock_file.touch()
    (tmp_path / "tuning.json").write_bytes(damage)
    ended = command("train", compiled("output-frozen"), "--data", squares, "--out", tmp_path, *SMALL)
    assert ended.code == 0, ended
    assert "is ignored" in ended.err


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_an_index_of_what_can_be_made_again(damage: bytes, command: Command, tmp_path: Path, squares: Path) -> None:
    """Of prepared images and of activations, left behind by a run that was cut off: it goes on without them."""
    bundle, run = compiled("feature-frozen"), tmp_path / "run"
    fine_tune("feature-frozen", squares, run, epochs=1)
    (run / "cache").mkdir(exist_ok=True)
    for name in ("train.json", "activations-0.json"):
        (run / "cache" / name).write_bytes(damage)
    ended = command("train", bundle, "--data", squares, "--out", run, "--epochs", "2", "--meter", "none", "--resume")
    assert ended.code == 0, ended


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_the_settings_of_a_comparison(damage: bytes, command: Command, tmp_path: Path, squares: Path) -> None:
    out = tmp_path / "compared"
    out.mkdir()
    RunFolder(out).lock_file.touch()
    (out / "settings.json").write_bytes(damage)
    assert "settings.json" in refused(command("compare", compiled("output-frozen"), "--data", squares, "--out", out))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_power_model(damage: bytes, command: Command, tmp_path: Path, squares: Path) -> None:
    (tmp_path / "power.json").write_bytes(damage)
    meter = ("--meter", f"estimate:{tmp_path / 'power.json'}")
    assert "power model" in refused(command("eval", compiled("output-frozen"), "--data", squares, *meter))


@pytest.mark.parametrize("use", ["predict", "eval", "finalize"])
def test_a_bundle_that_no_path_leads_to(use: str, copy: Path, command: Command, squares: Path, tmp_path: Path) -> None:
    """A NUL in the file of a run, whose checksum is right: one line, with what helps."""
    folder = RunFolder(copy)
    said = folder.read_run()
    assert said is not None
    folder.write_run(msgspec.structs.replace(said, bundle="file:///x%00y"))
    words = {"predict": [squares], "eval": ["--data", squares], "finalize": ["--out", tmp_path / "model.onnx"]}
    error = refused(command(use, copy, *words[use]))
    assert "NUL" in error
    assert "put the bundle back" in error


def test_a_tuning_with_a_number_that_nobody_reads(copy: Path, command: Command, squares: Path, tmp_path: Path) -> None:
    """In a field that nobody knows: it is ignored as any damaged one, and the run begins."""
    bundle, out = compiled("output-frozen"), tmp_path / "tuned"
    assert command("tune", bundle, "--out", out, "--threads", "1").code == 0
    content = (out / "tuning.json").read_bytes()
    (out / "tuning.json").write_bytes(content.replace(b"{", b'{"zz": %d,' % 10**40, 1))
    ended = command("train", bundle, "--data", squares, "--out", out, *SMALL)
    assert ended.code == 0, ended
    assert "tuning.json' is ignored" in ended.err
