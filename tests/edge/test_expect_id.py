"""`--expect-id`: every command that opens a bundle can be told which one it has to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import pytest
import typer

from support.bundles import ALL_DRIFTS, EXITS, FRONT, compiled, read_manifest
from support.commands import Ended, refused
from support.files import listing
from support.runs import fine_tune
from support.tars import END, members, pack
from tbft_edge.main import app
from tbft_runtime import finalize

COMMANDS = typer.main.get_command(app)
assert isinstance(COMMANDS, click.Group)
# Those that make bundles, or read none; an agent names its own, and the commands of a fleet have tests of their own.
WITHOUT = {"export", "corrupt", "report", "reproduce", "ops", "agent", "fleet"}
BUNDLE = "output-frozen"
OTHER = "0" * 64


@dataclass(frozen=True)
class Place:
    """What the commands are given, and where they may write."""

    data: Path
    run: Path
    adapted: Path
    out: Path


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    fine_tune(BUNDLE, squares, run, epochs=1)
    return run


@pytest.fixture(scope="module")
def adapted(tmp_path_factory: pytest.TempPathFactory, squares: Path) -> Path:
    """A run for a bank: of a bundle with moments of its source."""
    run = tmp_path_factory.mktemp("adapted") / "run"
    fine_tune(ALL_DRIFTS, squares, run, plan=FRONT, batch_norm="adapt", epochs=0)
    return run


@pytest.fixture
def place(tmp_path: Path, squares: Path, trained: Path, adapted: Path) -> Place:
    (tmp_path / "out").mkdir()
    return Place(squares, trained, adapted, tmp_path / "out")


Arguments = Callable[[Place], tuple[str | Path, ...]]
# Of each command, the arguments, and the bundle whose id counts.
CALLS: dict[str, tuple[str, Arguments]] = {
    "inspect": (BUNDLE, lambda _: (compiled(BUNDLE),)),
    "train": (
        BUNDLE,
        lambda place: (compiled(BUNDLE), "--data", place.data, "--out", place.out / "run", "--epochs", "1"),
    ),
    "learn": (ALL_DRIFTS, lambda place: (compiled(ALL_DRIFTS), "--data", place.data, "--out", place.out / "run")),
    "tune": (BUNDLE, lambda place: (compiled(BUNDLE), "--out", place.out / "run", "--threads", "1")),
    "diagnose": (ALL_DRIFTS, lambda place: (compiled(ALL_DRIFTS), "--data", place.data)),
    "eval": (BUNDLE, lambda place: (compiled(BUNDLE), "--data", place.data)),
    "predict": (BUNDLE, lambda place: (compiled(BUNDLE), place.data)),
    "finalize": (BUNDLE, lambda place: (place.run, "--out", place.out / "model.onnx", "--allow-worse")),
    "bank": (ALL_DRIFTS, lambda place: (place.out / "light.bank", "--add", f"night={place.adapted}")),
    "bench": (BUNDLE, lambda _: (compiled(BUNDLE), "--steps", "1")),
    "compare": (
        BUNDLE,
        lambda place: (compiled(BUNDLE), "--data", place.data, "--out", place.out / "all", "--epochs", "1"),
    ),
    "doctor": (BUNDLE, lambda _: (compiled(BUNDLE),)),
}


def test_every_command_that_opens_a_bundle_has_the_option() -> None:
    """A new one either reads no bundle, or joins the table above."""
    assert COMMANDS.commands.keys() == CALLS.keys() | WITHOUT
    for name in CALLS:
        flags = [flag for parameter in COMMANDS.commands[name].params for flag in parameter.opts]
        assert "--expect-id" in flags, name


@pytest.mark.parametrize("name", CALLS)
def test_another_bundle_is_refused_before_it_is_used(
    command: Callable[..., Ended], place: Place, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """None of its graphs is loaded, and nothing is written."""
    _, arguments = CALLS[name]
    monkeypatch.setattr("onnxruntime.InferenceSession", lambda *_, **__: pytest.fail("a session was made"))
    refusal = refused(command(name, *arguments(place), "--expect-id", OTHER))
    assert "--expect-id" in refusal.message
    assert read_manifest(compiled(CALLS[name][0])).bundle_id in refusal.message
    assert "do not trust it" in refusal.hint
    assert listing(place.out) == {}


@pytest.mark.parametrize("name", CALLS)
def test_the_expected_bundle_is_used(command: Callable[..., Ended], place: Place, name: str) -> None:
    """By the very digits that `inspect` shows; capital letters are the same digits."""
    bundle, arguments = CALLS[name]
    ended = command(name, *arguments(place), "--expect-id", read_manifest(compiled(bundle)).bundle_id.upper())
    # A machine that is not fit is no fault of the bundle.
    assert ended.code == 0 or (name, ended.code) == ("doctor", 1), ended
    assert ended.out + ended.err


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("cut", [0, 12, 63])
def test_a_part_of_the_id_is_refused(command: Callable[..., Ended], place: Place, name: str, cut: int) -> None:
    """The first digits are soon found for another bundle."""
    bundle, arguments = CALLS[name]
    digits = read_manifest(compiled(bundle)).bundle_id[:cut]
    refusal = refused(command(name, *arguments(place), "--expect-id", digits))
    assert "64 hexadecimal digits" in refusal.message
    assert "tbft-edge export" in refusal.hint


@pytest.mark.parametrize("text", ["g" * 64, "0" * 65, "0x" + "0" * 62, "０" * 64])
def test_what_is_no_id_is_refused(command: Callable[..., Ended], text: str) -> None:
    """A wrong one is told from one that was mistyped."""
    assert "64 hexadecimal digits" in refused(command("inspect", compiled(BUNDLE), "--expect-id", text)).message


@pytest.mark.parametrize("name", ["inspect", "train", "eval", "compare"])
def test_of_an_archive_nothing_is_unpacked(
    command: Callable[..., Ended], place: Place, tmp_path: Path, name: str
) -> None:
    """The manifest says which it is."""
    archive = pack(tmp_path / "b.tar.gz", *members(compiled(BUNDLE)), END)
    arguments = [archive if part == compiled(BUNDLE) else part for part in CALLS[name][1](place)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("tbft_artifacts.archive.take_files", lambda *_: pytest.fail("it was unpacked"))
        refusal = refused(command(name, *arguments, "--expect-id", OTHER))
    assert "--expect-id" in refusal.message
    assert listing(place.out) == {}
    assert command(name, *arguments, "--expect-id", read_manifest(compiled(BUNDLE)).bundle_id).code == 0


@pytest.mark.parametrize("name", ["eval", "predict"])
def test_of_a_run_the_bundle_counts_that_it_began_with(command: Callable[..., Ended], place: Place, name: str) -> None:
    """`finalize` is in the table."""
    arguments = [place.run if part == compiled(BUNDLE) else part for part in CALLS[name][1](place)]
    assert "began with bundle" in refused(command(name, *arguments, "--expect-id", OTHER)).message
    assert command(name, *arguments, "--expect-id", read_manifest(compiled(BUNDLE)).bundle_id).code == 0


@pytest.mark.parametrize("name", ["eval", "predict"])
def test_a_finalized_model_proves_nothing(command: Callable[..., Ended], place: Place, name: str) -> None:
    """It says itself which bundle it was made from; so may any file."""
    model = place.out / "model.onnx"
    finalize(place.run, model, allow_worse=True)
    arguments = [model if part == compiled(BUNDLE) else part for part in CALLS[name][1](place)]
    digits = read_manifest(compiled(BUNDLE)).bundle_id
    refusal = refused(command(name, *arguments, "--expect-id", digits))
    assert "no id of a bundle that could be verified" in refusal.message
    assert "--expect-id" in refusal.hint


def test_several_bundles_have_an_id_each(command: Callable[..., Ended], place: Place) -> None:
    """In their order; one for all, or one too few, would leave a bundle unchecked."""
    one, other = (read_manifest(compiled(name)).bundle_id for name in (BUNDLE, "full-batch"))
    both = ("bench", compiled(BUNDLE), compiled("full-batch"), "--steps", "1")
    assert "for 2 bundles" in refused(command(*both, "--expect-id", one)).message
    assert "--expect-id" in refused(command(*both, "--expect-id", other, "--expect-id", one)).message
    assert command(*both, "--expect-id", one, "--expect-id", other).code == 0


def test_the_whole_id_is_shown(command: Callable[..., Ended]) -> None:
    """So that it can be copied from where the bundle was made, for people and for programs."""
    digits = read_manifest(compiled(EXITS)).bundle_id
    assert digits in command("inspect", compiled(EXITS)).out
    assert digits in command("inspect", compiled(EXITS), "--json").out
