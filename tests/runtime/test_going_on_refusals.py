"""What a run cannot go on from: one clear line that says why, before anything is trained."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from support.bundles import ALL_DRIFTS, EXIT_PLANS, EXITS, HEAD, LAST, compiled
from support.commands import Ended
from support.files import listing
from support.runs import Recorder, fine_tune
from tbft_artifacts.errors import TbftError
from tbft_runtime import evaluate, finalize

Tensors = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """A run to go on from; tests only read it."""
    run = tmp_path_factory.mktemp("earlier") / "run"
    fine_tune(ALL_DRIFTS, squares, run, plan=LAST, epochs=1)
    return run


@pytest.fixture
def begun(earlier: Path, squares: Path, tmp_path: Path) -> Path:
    """A run that went on from it."""
    fine_tune(ALL_DRIFTS, squares, tmp_path / "begun", base=earlier, plan=HEAD, epochs=1)
    return tmp_path / "begun"


def refused(bundle: str, data: Path, out: Path, **options: Any) -> TbftError:
    """What a run in `out` is refused with; nothing is left of it."""
    with pytest.raises(TbftError) as caught:
        fine_tune(bundle, data, out, **{"epochs": 1, **options})
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert not out.exists()
    return caught.value


STRANGE: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "another name": (lambda own: own | {"head.weight": own["fc.weight"]}, "'head.weight', which the bundle lacks"),
    "many names": (lambda own: {f"x{name}": value for name, value in own.items()}, "and [0-9]+ more, which"),
    "another shape": (lambda own: {"fc.bias": np.append(own["fc.bias"], own["fc.bias"])}, r"'fc.bias' in shape \(8,\)"),
    "another type": (lambda own: {"fc.bias": own["fc.bias"].astype(np.float16)}, "'fc.bias' as float16"),
    "no numbers": (lambda own: {"fc.bias": own["fc.bias"] * np.float32(np.nan)}, "infinite or no number"),
}


@pytest.mark.parametrize("how", STRANGE)
def test_tensors_that_do_not_fit(how: str, squares: Path, tmp_path: Path) -> None:
    """Whoever trained them elsewhere is told which one, and what the bundle has there."""
    change, words = STRANGE[how]
    own = load_file(compiled(ALL_DRIFTS) / "weights.safetensors")
    save_file(change(own), tmp_path / "given.safetensors")
    error = refused(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, base=tmp_path / "given.safetensors")
    assert "given.safetensors'" in error.message
    with pytest.raises(TbftError, match=words):
        raise error


@pytest.mark.parametrize("content", [b"", b"weights", b"\xff" * 64, None], ids=["empty", "text", "ones", "missing"])
def test_what_is_no_such_file(content: bytes | None, squares: Path, tmp_path: Path) -> None:
    """Nor a run: any other file, or none."""
    given = tmp_path / "given.safetensors"
    if content is not None:
        given.write_bytes(content)
    assert str(given) in refused(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, base=given).message


def test_more_than_weights_are(squares: Path, tmp_path: Path) -> None:
    """A file that is far larger than the bundle's weights is not even read."""
    given = tmp_path / "given.safetensors"
    with given.open("wb") as file:
        file.truncate(1 << 30)
    assert "has more than" in refused(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, base=given).message


def test_a_run_of_another_bundle(squares: Path, tmp_path: Path) -> None:
    """Its weights have the same names, and mean nothing here."""
    fine_tune("feature-frozen", squares, tmp_path / "other", epochs=1)
    error = refused(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, base=tmp_path / "other")
    assert "is of bundle" in error.message
    assert "the bundle that it was trained from" in error.hint


def test_a_folder_that_is_no_run(squares: Path, tmp_path: Path) -> None:
    """Such as the bundle itself."""
    error = refused(ALL_DRIFTS, squares, tmp_path / "run", plan=HEAD, base=compiled(ALL_DRIFTS))
    assert "is no run folder" in error.message


def test_integers_do_not_learn(squares: Path, tmp_path: Path) -> None:
    """The int8 prefix has the bundle's own weights inside: others would be lost without a word."""
    own = load_file(compiled("feature-int8") / "weights.safetensors")
    save_file({"conv1.weight": own["conv1.weight"] + 1}, tmp_path / "front.safetensors")
    error = refused("feature-int8", squares, tmp_path / "run", base=tmp_path / "front.safetensors")
    assert "'conv1.weight'" in error.message
    assert "int8 prefix keeps the bundle's own" in error.message
    # What stands behind it is read by every graph.
    save_file({"fc.bias": own["fc.bias"] + 1}, tmp_path / "head.safetensors")
    fine_tune("feature-int8", squares, tmp_path / "run", base=tmp_path / "head.safetensors", epochs=1)


def test_exits_of_another_plan(mixed: Path, tmp_path: Path) -> None:
    """They were trained for something else."""
    fine_tune(EXITS, mixed, tmp_path / "first", plan=EXIT_PLANS[0], val_fraction=0.5, epochs=1)
    options: dict[str, Any] = {"plan": EXIT_PLANS[1], "val_fraction": 0.5}
    error = refused(EXITS, mixed, tmp_path / "run", base=tmp_path / "first", **options)
    assert EXIT_PLANS[0] in error.message
    assert "exits" in error.message


@pytest.mark.parametrize("damage", ["flipped", "cut", "missing", "folder"])
def test_a_damaged_base(damage: str, begun: Path, squares: Path, tmp_path: Path) -> None:
    """Nothing is computed from it: one line for whoever resumes, evaluates or finalizes the run."""
    file = begun / "base.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.unlink()
    if damage == "folder":
        file.mkdir()
    elif damage != "missing":
        file.write_bytes(content if damage == "flipped" else content[:-4])
    before = listing(begun)
    for use in (
        lambda: fine_tune(ALL_DRIFTS, squares, begun, epochs=2, resume=True),
        lambda: evaluate(begun, squares, threads=1),
        lambda: finalize(begun, tmp_path / "model.onnx", allow_worse=True),
    ):
        with pytest.raises(TbftError, match=r"base\.safetensors") as caught:
            use()
        assert "put the file back" in caught.value.hint
    assert listing(begun) == before


def test_a_run_goes_on_from_what_it_began_with(begun: Path, earlier: Path, squares: Path, tmp_path: Path) -> None:
    """Another base is refused, and none where there was none; the same one may be said again."""
    for run, base in ((begun, compiled(ALL_DRIFTS)), (earlier, begun)):
        before = listing(run)
        with pytest.raises(TbftError, match="`base`") as caught:
            fine_tune(ALL_DRIFTS, squares, run, base=base, epochs=2, resume=True)
        assert "leave `base` out" in caught.value.hint
        assert listing(run) == before
    recorder = Recorder()
    assert fine_tune(ALL_DRIFTS, squares, begun, recorder, base=earlier, epochs=2, resume=True).epochs == 2
    assert not any("goes on from" in note for note in recorder.notes)


def test_the_command_names_its_flag(command: Callable[..., Ended], begun: Path, squares: Path, tmp_path: Path) -> None:
    """In Python the option cannot be called `from`; on the command line it is."""
    ended = command(
        *("train", compiled(ALL_DRIFTS), "--data", squares, "--out", begun, "--resume", "--from", tmp_path / "other")
    )
    assert ended.code == 2
    assert "--from" in ended.err
