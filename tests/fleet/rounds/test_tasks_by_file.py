"""Tasks that anybody may carry, as files: what devices make of them, and what they refuse."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended, refused
from support.made_up_rounds import World
from tbft_artifacts.program import program
from tbft_fleet.device.outbox import waiting

Command = Callable[..., Ended]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "world")


def asked(command: Command, world: World, out: Path, *words: str | Path, epochs: int = 1) -> Path:
    """The folder of a task, as its host writes it."""
    ended = command("fleet", "task", world.fleet.folder, "--out", out, "--epochs", epochs, *words, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out)["task"] == str(out)
    return out


def test_what_was_carried_there_and_back_is_merged_and_begun_with(
    command: Command, world: World, tmp_path: Path
) -> None:
    """Twice: the second task begins with what came of the first."""
    places = [world.device(name) for name in ("pi-1", "pi-2")]
    base: tuple[str | Path, ...] = ()
    for number in (1, 3):
        task = asked(command, world, tmp_path / f"task-{number}", *base)
        assert (task / "base.safetensors").exists() is bool(base)
        for place in places:
            ended = command("fleet", "train", place.folder, task, "--json")
            assert ended.code == 0, ended.err
            done = json.loads(ended.out)
            assert done["number"] == number
            assert Path(done["result"]) in waiting(place.outbox)
        collected = command("fleet", "collect", world.fleet.folder, *(place.outbox for place in places))
        assert collected.code == 0, collected.err
        merged = command("fleet", "merge", "--fleet", world.fleet.folder, "--json")
        assert merged.code == 0, merged.err
        record = json.loads(merged.out)
        assert sorted(part["device"] for part in record["parts"]) == ["pi-1", "pi-2"]
        assert [part.get("age", 0) for part in record["parts"]] == [0, 0]
        base = ("--from", world.fleet.merges / f"{record['number']:06}" / "merge.safetensors")


def test_a_newer_task_takes_the_place_of_one_that_is_not_done(command: Command, world: World, tmp_path: Path) -> None:
    """The older one says so and ends; nobody waits for it, and it leaves no result."""
    place = world.device("pi-1")
    older = asked(command, world, tmp_path / "older", epochs=1000)
    newer = asked(command, world, tmp_path / "newer")
    words = [*program(), "fleet", "train", place.folder, older]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        ends = time.monotonic() + 60
        while not (place.rounds / "work" / "run").exists():
            assert first.poll() is None, first.communicate()
            assert time.monotonic() < ends
            time.sleep(0.1)
        ended = command("fleet", "train", place.folder, newer)
        said = first.communicate(timeout=30)[1]
    assert ended.code == 0, ended.err
    assert first.returncode == 2
    assert "a newer task took the place of number 1" in said
    assert len(waiting(place.outbox)) == 1
    again = command("fleet", "train", place.folder, older)
    assert "the task has number 1, and number 2 was taken on before" in refused(again).message


def test_what_was_changed_on_its_way_is_refused(command: Command, world: World, tmp_path: Path) -> None:
    """And costs the device nothing: the task as it was is done behind that."""
    place = world.device("pi-1")
    first = asked(command, world, tmp_path / "task")
    bad = Path(shutil.copytree(first, tmp_path / "changed"))
    envelope = bad / "task.dsse.json"
    content = json.loads(envelope.read_bytes())
    content["payload"] = content["payload"][:-8] + "AAAA" + content["payload"][-4:]
    envelope.write_text(json.dumps(content))
    assert "keys that are trusted" in refused(command("fleet", "train", place.folder, bad)).message
    (tmp_path / "none").mkdir()
    assert "has no 'task.dsse.json'" in refused(command("fleet", "train", place.folder, tmp_path / "none")).message
    added = Path(shutil.copytree(first, tmp_path / "added"))
    (added / "base.safetensors").write_bytes(b"weights of somebody else")
    found = refused(command("fleet", "train", place.folder, added))
    assert "are not those that it names" in found.message
    stranger = World(tmp_path / "stranger")
    other = asked(command, stranger, tmp_path / "other")
    assert "keys that are trusted" in refused(command("fleet", "train", place.folder, other)).message
    assert command("fleet", "train", place.folder, first).code == 0


def test_a_host_asks_for_nothing_that_is_not_there(command: Command, world: World, tmp_path: Path) -> None:
    """In one line, and no folder is left behind."""
    out, ask = tmp_path / "task", ("fleet", "task", world.fleet.folder, "--epochs", "1", "--out", tmp_path / "task")
    assert "has no plan 'elsewhere'" in refused(command(*ask, "--plan", "elsewhere")).message
    assert "there is no release 7" in refused(command(*ask, "--release", "7")).message
    assert "gone" in refused(command(*ask, "--from", tmp_path / "gone")).message
    assert not out.exists()
    out.mkdir()
    assert "is there already" in refused(command(*ask)).message
