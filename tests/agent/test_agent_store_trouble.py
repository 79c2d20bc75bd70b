"""A list of images that is damaged, locked or on a full disk: one line, and a way out."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.agents import configured, journal, new_pictures, show, started
from support.bundles import compiled
from support.damages import flipped
from tbft_agent.keeping.listing import LAYOUT, NAME, stamp
from tbft_agent.keeping.store import Store
from tbft_agent.place import Place
from tbft_agent.purging import purge_at_rest
from tbft_artifacts.errors import TbftError

FULL = sqlite3.OperationalError("database or disk is full")


def add(store: Store, content: bytes) -> bool:
    found = store.add(content, suffix=".png", lived=0, version=0, episode=0, answer="ant", confidence=1)
    return found is not None


class Failing:
    """A connection that refuses what changes anything."""

    def __init__(self, connection: sqlite3.Connection, words: str) -> None:
        self._connection, self._words = connection, words

    def execute(self, sql: str, *values: object) -> sqlite3.Cursor:
        if sql.split()[0] in ("insert", "update", "delete", "begin", self._words):
            raise FULL
        return self._connection.execute(sql, *values)  # type: ignore[arg-type]

    @property
    def in_transaction(self) -> bool:
        return self._connection.in_transaction

    def close(self) -> None:
        self._connection.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "images", 1000, 100)
    assert add(store, b"one")
    yield store
    store.close()


@pytest.mark.parametrize("damage", [b"no list at all" * 100, b"", b"SQLite format 3\0" + b"\xff" * 5000])
def test_a_damaged_list_is_begun_anew(tmp_path: Path, damage: bytes) -> None:
    """An agent that does not start since a list of photos is damaged is a device that answers nothing."""
    store = Store(tmp_path, 1000, 100)
    add(store, b"one")
    store.close()
    (tmp_path / NAME).write_bytes(damage)
    again = Store(tmp_path, 1000, 100)
    assert again.was_damaged == bool(damage)
    assert again.where("1") == []
    assert list(tmp_path.glob("??/*")) == []
    assert add(again, b"two")
    again.close()


def test_a_list_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / NAME) as other:
        other.execute("create table images (digest text)")
    other.close()
    store = Store(tmp_path, 1000, 100)
    assert store.was_damaged
    assert add(store, b"one")


def number_of(folder: Path, change: str = "select 1") -> int:
    """The layout that a list says it has, after a change that some other program makes."""
    with contextlib.closing(sqlite3.connect(folder / NAME)) as other:
        other.execute(change)
        other.commit()
        return int(other.execute("pragma user_version").fetchone()[0])


def test_a_list_without_a_layout_is_taken_over_with_its_labels(tmp_path: Path) -> None:
    """The first agents wrote none: their lists have the columns of layout 1."""
    store = Store(tmp_path, 1000, 100)
    add(store, b"one")
    (kept,) = store.where("1")
    store.label(kept.digest, "bee")
    store.close()
    number_of(tmp_path, "update images set held_out = 1")
    assert number_of(tmp_path, "pragma user_version = 0") == 0
    again = Store(tmp_path, 1000, 100)
    assert not again.was_damaged
    # Nobody was asked about it.
    assert [(kept.label, kept.held_out) for kept in again.where("1")] == [("bee", False)]
    again.close()
    assert number_of(tmp_path) == stamp(LAYOUT)


def test_a_list_of_a_newer_layout_is_refused_and_left(tmp_path: Path) -> None:
    """Somebody went back to an older tbft-edge: all labels were gone, and nothing was said."""
    store = Store(tmp_path, 1000, 100)
    add(store, b"one")
    store.close()
    number_of(tmp_path, "alter table images rename column asked to asked_at")
    number_of(tmp_path, f"pragma user_version = {stamp(LAYOUT + 1)}")
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(TbftError, match=f"is of layout {LAYOUT + 1}, and this agent knows {LAYOUT}") as error:
        Store(tmp_path, 1000, 100)
    assert "\n" not in error.value.message
    assert (tmp_path / NAME).read_bytes() == before
    assert len(list(tmp_path.glob("??/*"))) == 1


@pytest.mark.parametrize("bit", range(31))
def test_a_flipped_bit_of_the_layout_is_no_newer_one(tmp_path: Path, bit: int) -> None:
    """An agent that refuses to start since a bit of its list flipped is a device that answers nothing."""
    store = Store(tmp_path, 1000, 100)
    add(store, b"one")
    store.close()
    number_of(tmp_path, f"pragma user_version = {stamp(LAYOUT) ^ 1 << bit}")
    assert len(Store(tmp_path, 1000, 100).where("1")) == 1


@given(at=st.floats(0, 1), bit=st.integers(0, 7))
@settings(max_examples=40)
def test_whatever_bit_flips_the_store_opens(tmp_path_factory: pytest.TempPathFactory, at: float, bit: int) -> None:
    """Rows are then as they were, or gone; no error that nobody knows, and images that can be kept."""
    folder = tmp_path_factory.mktemp("flipped")
    store = Store(folder, 100_000, 100)
    for number in range(20):
        add(store, f"image {number}".encode())
    store.close()
    path = folder / NAME
    content = bytearray(path.read_bytes())
    content[int(at * (len(content) - 1))] ^= 1 << bit
    path.write_bytes(content)
    again = Store(folder, 100_000, 100)
    assert {kept.file for kept in again.where("1")} == {f"{p.parent.name}/{p.name}" for p in folder.glob("??/*")}
    assert add(again, b"another")
    again.close()


def test_a_full_disk_keeps_nothing_more_and_says_so(store: Store) -> None:
    """Adding is silent, since an image was answered all the same; what people tell is refused in one line."""
    (kept,) = store.where("1")
    store._list = Failing(store._list, "")  # type: ignore[assignment]
    assert not add(store, b"two")
    assert len(list(store.folder.glob("??/*"))) == 1
    for change in (lambda: store.label(kept.digest, "ant"), lambda: store.ask([]), lambda: store.remove(kept.digest)):
        with pytest.raises(TbftError, match="disk is full"):
            change()
    assert store.where("1") == [kept]


def test_purging_is_a_way_out_of_a_list_that_fails(store: Store) -> None:
    """What the hint of the error promises."""
    store._list = Failing(store._list, "select")  # type: ignore[assignment]
    with pytest.raises(TbftError) as error:
        store.where("1")
    assert "agent purge" in error.value.hint
    assert store.purge() == 1
    assert store.where("1") == []
    assert add(store, b"two")


def test_purging_without_an_agent(tmp_path: Path) -> None:
    """A list that no agent can open is no reason to keep photos that somebody wants forgotten."""
    found = configured(tmp_path, compiled("kept"))
    assert purge_at_rest(found) == 0
    agent = started(found)
    show(agent, new_pictures(3))
    agent.close()
    path = found.state / "images" / NAME
    path.unlink()
    path.mkdir()
    with pytest.raises(TbftError, match="cannot be used"):
        started(found)
    path.rmdir()
    path.write_bytes(b"damaged")
    assert purge_at_rest(found) == 3
    assert list((found.state / "images").rglob("*.png")) == []
    with Place(found.state).taken():
        assert purge_at_rest(found) is None


def test_a_list_that_another_program_holds_is_one_line(tmp_path: Path) -> None:
    Store(tmp_path, 1000, 100).close()
    other = sqlite3.connect(tmp_path / NAME)
    other.execute("pragma locking_mode = exclusive")
    other.execute("begin exclusive")
    with pytest.raises(TbftError, match="locked"):
        Store(tmp_path, 1000, 100)
    other.close()


def test_an_answer_is_given_though_nothing_can_be_kept(tmp_path: Path) -> None:
    """A request was answered with an error of the list of images."""
    agent = started(configured(tmp_path, compiled("kept")))
    agent.core.store._list = Failing(agent.core.store._list, "select")  # type: ignore[assignment]
    show(agent, new_pictures(3))
    assert agent.core.answering.answered == 3
    with pytest.raises(TbftError, match="disk is full"):
        agent.tick()
    assert agent.core.memory.trial.images == 3


def test_a_full_disk_forgets_no_images_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that cannot be deleted now are no damage."""
    store = Store(tmp_path, 1000, 100)
    add(store, b"one")
    add(store, b"two")
    store.close()
    next(tmp_path.glob("??/*")).unlink()
    import tbft_agent.keeping.store as module

    real = module.open_list
    monkeypatch.setattr(module, "open_list", lambda folder: (Failing(real(folder)[0], ""), False))
    again = Store(tmp_path, 1000, 100)
    assert not again.was_damaged
    assert len(list(tmp_path.glob("??/*"))) == 1


def test_labels_survive_a_process_that_is_killed(tmp_path: Path) -> None:
    """Somebody took the pains of labelling: what was told is there after a SIGKILL."""
    Store(tmp_path, 1000, 100).close()
    words = (
        "import os, signal, sys; from pathlib import Path; from tbft_agent.keeping.store import Store;"
        "store = Store(Path(sys.argv[1]), 1000, 100);"
        "kept = store.add(b'one', suffix='.png', lived=0, version=0, episode=0, answer='ant', confidence=1);"
        "store.label(kept.digest, 'bee'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", words, str(tmp_path)], check=False)
    (kept,) = Store(tmp_path, 1000, 100).where("1")
    assert kept.label == "bee"


def test_flipped_bits_of_memory_and_pointer(tmp_path: Path) -> None:
    """Whatever bit of them flips, an agent starts and answers, or says in one line why not."""
    found = configured(tmp_path, compiled("kept"))
    agent = started(found)
    agent.close()
    for name in ("memory.json", "versions/current"):
        content = (found.state / name).read_bytes()
        for position in range(0, 8 * len(content), 97):
            (found.state / name).write_bytes(flipped(content, position))
            agent = started(found)
            show(agent, new_pictures(1))
            agent.close()
            assert not any("Traceback" in line for line in journal(agent))
            (found.state / name).write_bytes(content)
