"""Images that are kept: within the budget, the right ones, and list and files agree after whatever happened."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tbft_agent.keeping.record import Kept
from tbft_agent.keeping.store import HELD_OUT_OF, Store

BUDGET, SECONDS = 2000, 1000.0


def add(store: Store, content: bytes, answer: str = "ant", confidence: float = 0.9, lived: float = 0.0) -> Kept | None:
    return store.add(content, suffix=".png", lived=lived, version=0, episode=1, answer=answer, confidence=confidence)


def files(folder: Path) -> set[str]:
    """What lies in the folders of images."""
    return {path.relative_to(folder).as_posix() for path in folder.glob("??/*")}


class Storing(RuleBasedStateMachine):
    """A store beside what it should hold: images come, are labelled, asked about, removed; the agent starts anew."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="store-"))
        self.store = Store(self.folder, BUDGET, SECONDS)
        self.lived, self.number = 0.0, 0
        self.held_out: dict[str, bool] = {}

    @rule(size=st.integers(1, 700), answer=st.sampled_from(["ant", "bee", "cat"]), sure=st.floats(0, 1))
    def an_image_comes(self, size: int, answer: str, sure: float) -> None:
        self.number += 1
        kept = add(self.store, f"{self.number}-".encode().ljust(size, b"."), answer, sure, self.lived)
        if kept is not None:
            self.held_out[kept.digest] = kept.held_out

    @rule(data=st.data(), label=st.sampled_from(["ant", "wasp", "", None]))
    def somebody_labels(self, data: st.DataObject, label: str | None) -> None:
        every = self.store.where("1")
        if every:
            kept = data.draw(st.sampled_from(every))
            found = self.store.label(kept.digest, label)
            assert found is not None
            assert found.label == label
            if label is not None and kept.asked is None and not kept.sampled:
                self.held_out[kept.digest] = False

    @rule(data=st.data())
    def somebody_is_asked(self, data: st.DataObject) -> None:
        digests = [kept.digest for kept in self.store.where("1")]
        asked = data.draw(st.lists(st.sampled_from(digests), unique=True)) if digests else []
        self.store.ask([*asked, "0" * 64])
        assert [kept.digest for kept in self.store.asked()] == asked

    @rule(seconds=st.floats(0, 600))
    def time_passes(self, seconds: float) -> None:
        self.lived += seconds
        self.store.prune(self.lived)
        assert all(kept.lived >= self.lived - SECONDS for kept in self.store.where("1"))

    @rule(data=st.data(), how=st.sampled_from(["as it is", "a file is gone", "a file is cut", "a file too many"]))
    def it_starts_anew(self, data: st.DataObject, how: str) -> None:
        self.store.close()
        found = sorted(self.folder.glob("??/*"))
        if found and how != "as it is":
            path = data.draw(st.sampled_from(found))
            if how == "a file is gone":
                path.unlink()
            elif how == "a file is cut":
                path.write_bytes(b"")
            else:
                (path.parent / f"{path.parent.name}{'0' * 62}.png").write_bytes(b"nobody's")
        self.store = Store(self.folder, BUDGET, SECONDS)
        assert not self.store.was_damaged

    @rule()
    def all_is_forgotten(self) -> None:
        self.store.purge()
        assert files(self.folder) == set()

    @invariant()
    def the_budget_is_held(self) -> None:
        every = self.store.where("1")
        assert self.store.bytes == sum(kept.bytes for kept in every) <= BUDGET

    @invariant()
    def list_and_files_agree(self) -> None:
        every = self.store.where("1")
        assert {kept.file for kept in every} == files(self.folder)
        assert all(self.store.path(kept).stat().st_size == kept.bytes for kept in every)
        assert self.store.count == len(every)

    @invariant()
    def the_same_images_prove(self) -> None:
        """By the digest alone, but for those that nobody was asked about: no other is trained on one day."""
        for kept in self.store.where("1"):
            assert kept.held_out == self.held_out[kept.digest] <= (int(kept.digest[:8], 16) % HELD_OUT_OF == 0)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()
            shutil.rmtree(self.folder)


TestStoring = Storing.TestCase
TestStoring.settings = settings(max_examples=15, stateful_step_count=20, phases=(Phase.generate,))


def test_a_rare_answer_stays_among_many_of_another(tmp_path: Path) -> None:
    """A fault that is seen once a week must still be there when somebody labels."""
    store = Store(tmp_path, BUDGET, SECONDS)
    rare = add(store, b"rare" * 25, "cat", lived=0)
    for number in range(60):
        add(store, f"{number:04}".encode() * 25, "ant", lived=number)
    assert rare is not None
    assert store.find(rare.digest) is not None


def test_unsure_ones_and_labelled_ones_stay(tmp_path: Path) -> None:
    """They are what is learned from."""
    store = Store(tmp_path, BUDGET, SECONDS)
    unsure = add(store, b"?" * 100, confidence=0.3)
    labelled = add(store, b"!" * 100, confidence=0.99)
    assert unsure is not None
    assert labelled is not None
    store.label(labelled.digest, "ant")
    for number in range(60):
        add(store, f"{number:04}".encode() * 25, confidence=0.9, lived=number)
    assert store.find(unsure.digest) is not None
    assert store.find(labelled.digest) is not None
    assert store.bytes <= BUDGET


@pytest.mark.parametrize("odd", ["lost+found", "notes", "zz"])
def test_what_is_nobodys_image_is_left_alone(tmp_path: Path, odd: str) -> None:
    """A disk of its own has a folder `lost+found`, and one that cannot be read was 'a damaged list'."""
    (tmp_path / odd / "deeper").mkdir(parents=True)
    store = Store(tmp_path, BUDGET, SECONDS)
    assert add(store, b"a") is not None
    assert (tmp_path / odd / "deeper").is_dir()


def test_the_name_of_an_image_is_its_digest(tmp_path: Path) -> None:
    store = Store(tmp_path, BUDGET, SECONDS)
    kept = add(store, b"content")
    assert kept is not None
    assert kept.digest == hashlib.sha256(b"content").hexdigest()
    assert store.path(kept).read_bytes() == b"content"
    assert add(store, b"content") is None
