"""Models that answered: the current one is always there, failed ones never again, and the last three stay."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import msgspec
import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from support.damages import DAMAGES
from tbft_agent.versions import BUNDLE, KEPT_BEFORE, Version, Versions


def keep(versions: Versions, number: int, before: int) -> None:
    run = versions.folder / "candidate"
    run.mkdir()
    (run / "run.json").write_text("{}")
    versions.keep(run, Version(number=number, before=before))


@pytest.fixture
def versions(tmp_path: Path) -> Versions:
    """Three models, the last of which answers."""
    folder = tmp_path / "versions"
    folder.mkdir()
    versions = Versions(folder, tmp_path / "bundle")
    for number in (1, 2, 3):
        keep(versions, number, number - 1)
        versions.activate(number)
    return versions


def in_memory() -> str | None:
    """Where flushing takes no time."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


class Changing(RuleBasedStateMachine):
    """Versions beside what they should be: swaps, failures, going back, damage, starts."""

    @initialize()
    def begin(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="versions-", dir=in_memory()))
        self.versions = Versions(self.folder, self.folder / "bundle")
        self.failed, self.gone, self.answered = set[int](), set[int](), [BUNDLE]

    @rule()
    def a_candidate_is_better(self) -> None:
        number = self.versions.next_number()
        assert number not in {version.number for version in self.versions.all()}
        # Numbers of versions that are gone may come again.
        self.failed.discard(number)
        self.gone.discard(number)
        keep(self.versions, number, self.versions.current)
        self.versions.activate(number)
        self.versions.prune()
        self.answered.append(number)

    @rule()
    def a_candidate_is_not_activated(self) -> None:
        """Killed in between: it never answered, and the next start removes it."""
        number = self.versions.next_number()
        self.failed.discard(number)
        self.gone.discard(number)
        keep(self.versions, number, self.versions.current)

    @precondition(lambda self: self.versions.current != BUNDLE)
    @rule()
    def somebody_goes_back(self) -> None:
        bad = self.versions.current
        number = self.versions.before(bad)
        assert number < bad
        self.versions.activate(number)
        version = self.versions.get(bad)
        assert version is not None
        self.versions.mark(msgspec.structs.replace(version, failed="it was worse"))
        self.failed.add(bad)

    @rule(data=st.data())
    def one_is_damaged(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from([version.number for version in self.versions.all()]))
        if number != BUNDLE:
            (self.versions.place(number) / "version.json").write_bytes(b"{")
            self.gone.add(number)

    @rule(content=st.sampled_from(["", "x", "99999999999999999999", "-3", "7"]))
    def the_pointer_is_damaged(self, content: str) -> None:
        (self.folder / "current").write_text(content)

    @rule()
    def it_starts(self) -> None:
        (self.folder / ".new-9").mkdir(exist_ok=True)
        current = self.versions.current
        self.versions.activate(current)
        self.versions.prune()
        assert self.versions.current == current
        assert not (self.folder / ".new-9").exists()

    @invariant()
    def the_current_one_is_there(self) -> None:
        current = self.versions.current
        assert self.versions.get(current) is not None
        assert current not in self.gone

    @invariant()
    def nobody_goes_back_to_a_failed_one(self) -> None:
        number = self.versions.current
        while number != BUNDLE:
            before = self.versions.before(number)
            assert before < number
            assert before not in self.failed | self.gone
            number = before

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            shutil.rmtree(self.folder)


TestChanging = Changing.TestCase
TestChanging.settings = settings(max_examples=25, stateful_step_count=20, phases=(Phase.generate,))


def test_the_last_three_stay(tmp_path: Path) -> None:
    versions = Versions(tmp_path, tmp_path / "bundle")
    for number in range(1, 9):
        keep(versions, number, number - 1)
        versions.activate(number)
        versions.prune()
    assert [version.number for version in versions.all()] == [BUNDLE, *range(8 - KEPT_BEFORE, 9)]


def test_a_failed_one_is_passed_over(versions: Versions) -> None:
    versions.mark(Version(number=2, before=1, failed="it was worse"))
    assert versions.before(3) == 1


@pytest.mark.parametrize("how", sorted(DAMAGES))
def test_a_damaged_version_falls_back_to_the_one_before(versions: Versions, how: str) -> None:
    """Not to the bundle, as long as one of the others is whole."""
    path = versions.place(3) / "version.json"
    path.write_bytes(DAMAGES[how](path.read_bytes()))
    assert versions.current in (2, 3)
    versions.prune()
    assert versions.current in (2, 3)


@pytest.mark.parametrize("content", [b"", b"3\0\0", b"three", b"\xff", b"4", b"-1", b"9" * 60])
def test_a_damaged_pointer_falls_back_to_the_last_one(versions: Versions, content: bytes) -> None:
    (versions.folder / "current").write_bytes(content)
    assert versions.current == (BUNDLE if content == b"-1" else 3)


def test_a_circle_of_versions_is_no_version(versions: Versions) -> None:
    """One that says that it came before itself made going back go on forever."""
    (versions.place(3) / "version.json").write_bytes(msgspec.json.encode(Version(number=3, before=3)))
    assert versions.get(3) is None
    versions.prune()
    assert versions.current == 2


def test_long_words_do_not_make_a_version_unreadable(versions: Versions) -> None:
    """The names of forty new classes, or an error of several lines, had more room than the file that was read again."""
    versions.mark(Version(number=3, before=2, how="x" * 5000, failed="\udcff" * 5000))
    found = versions.get(3)
    assert found is not None
    assert found.failed is not None


def test_nothing_is_half_there(versions: Versions, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever fails on the way, the one that answered does."""
    import tbft_agent.versions as module

    def full(path: Path) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(module, "flush", full)
    with pytest.raises(OSError, match="No space"):
        keep(versions, 4, 3)
    assert versions.current == 3
    assert versions.get(4) is None
    assert versions.next_number() == 4


def test_another_bundle_leaves_nothing_of_the_one_before(versions: Versions) -> None:
    versions.normal(BUNDLE).parent.mkdir()
    versions.normal(BUNDLE).write_bytes(b"what was normal")
    versions.clear()
    assert versions.current == BUNDLE
    assert [version.number for version in versions.all()] == [BUNDLE]
    assert not versions.normal(BUNDLE).exists()
