"""The bundle that an agent began with: packed, gone, damaged, or replaced by another one while it was down."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from support.agent_life import Life
from support.agents import configured, journal, new_pictures, old_pictures, packed, show, started
from support.bundles import compiled
from support.runs import fine_tune
from tbft_agent.adapting.child import Commands
from tbft_agent.adapting.energy import Metered
from tbft_agent.adapting.lesson import Candidate, ask, prove, take
from tbft_agent.settings import read_settings
from tbft_agent.versions import BUNDLE
from tbft_artifacts import archive
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.packed import Packed
from tbft_runtime.run.folder import RunFolder


@pytest.fixture
def of_archive(tmp_path: Path) -> Life:
    return Life(configured(tmp_path, packed("kept", tmp_path / "bundle.tar.gz")))


def test_another_bundle_answers_alone(swapped: Life, tmp_path: Path) -> None:
    """Models, what was normal, and labels of the bundle before say nothing of this one."""
    agent = swapped.begin()
    (kept, *_) = (show(agent, new_pictures(4)), agent.core.store.where("1"))[1]
    agent.label(kept.digest, "ant")
    agent.close()
    swapped.found = configured(tmp_path, compiled("kept-adapt"))
    agent = swapped.begin()
    assert agent.core.answering.version == BUNDLE
    assert [version.number for version in agent.core.versions.all()] == [BUNDLE]
    assert agent.core.labelled() == []
    assert any(line.startswith("replaced:") for line in journal(agent))
    assert agent.core.store.count == 4


@pytest.mark.parametrize("moved", ["the bundle", "the state"])
def test_a_bundle_or_state_that_was_moved_goes_on_with_its_versions(moved: str, tmp_path: Path, squares: Path) -> None:
    """Each kept version holds the path of its bundle: with another path all of them failed, and the bundle answered."""
    first, second = tmp_path / "first", tmp_path / "second"
    bundle = packed("kept", tmp_path / "bundle.tar.gz")
    if moved == "the bundle":
        bundle = Path(shutil.copytree(compiled("kept"), first / "bundle"))
    life = Life(configured(first, bundle))
    life.begin().close()
    run = first / "run"
    own = first / "state" / "bundle" if moved == "the state" else bundle
    fine_tune(own, squares, run, drift="output", epochs=1)
    life.swap(run, 1, verified=True)
    life.begin().close()

    if moved == "the bundle":
        second.mkdir()
        life.found = configured(first, Path(shutil.move(bundle, second / "moved")))
    else:
        shutil.move(first, second)
        life.found = configured(second, bundle)
    agent = life.begin()
    show(agent, old_pictures(1))
    assert agent.core.answering.version == 1
    assert not [line for line in journal(agent) if line.startswith("failed")]
    # The commands of a training take its path from the run, too.
    run_file = RunFolder(agent.core.versions.model(1)).read_run()
    assert run_file is not None
    assert run_file.bundle == str(agent.core.versions.bundle.resolve())
    agent.close()


def test_an_archive_is_unpacked_once_for_all(of_archive: Life) -> None:
    """Each version had a copy of its own: of a large network, five of them on the card."""
    agent = of_archive.begin()
    assert agent.core.lesson().bundle == of_archive.found.state / "bundle"
    manifest = of_archive.found.state / "bundle" / "manifest.json"
    first = manifest.stat().st_ino
    agent.close()
    of_archive.begin().close()
    assert manifest.stat().st_ino == first


def test_an_archive_that_is_gone_answers_on(of_archive: Life) -> None:
    of_archive.begin().close()
    of_archive.found.bundle.unlink()
    agent = of_archive.begin()
    show(agent, old_pictures(1))
    agent.close()
    (of_archive.found.state / "bundle" / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(TbftError, match="does not exist"):
        of_archive.begin()


def test_what_was_unpacked_and_damaged_is_unpacked_again(of_archive: Life) -> None:
    of_archive.begin().close()
    (of_archive.found.state / "bundle" / "weights.safetensors").write_bytes(b"damaged")
    show(of_archive.begin(), old_pictures(1))


def test_a_folder_of_another_archive_is_replaced(of_archive: Life) -> None:
    first = of_archive.begin()
    first.close()
    packed("kept-adapt", of_archive.found.bundle)
    agent = of_archive.begin()
    assert agent.core.memory.bundle != first.core.memory.bundle
    show(agent, old_pictures(1))


def test_a_bundle_that_is_no_bundle_is_one_line(tmp_path: Path) -> None:
    shutil.copytree(compiled("kept"), tmp_path / "bundle")
    (tmp_path / "bundle" / "weights.safetensors").write_bytes(b"damaged")
    with pytest.raises(TbftError) as error:
        started(configured(tmp_path, tmp_path / "bundle"))
    assert "\n" not in error.value.message


def id_of(name: str) -> str:
    return open_bundle(compiled(name)).manifest.bundle_id


@pytest.mark.parametrize("archived", [False, True])
def test_another_bundle_than_the_expected_one_is_refused(archived: bool, tmp_path: Path) -> None:
    """Whoever replaces the bundle on a device decides what it answers: `expect_id`, as other commands have it."""
    bundle = packed("kept", tmp_path / "bundle.tar.gz") if archived else compiled("kept")
    started(configured(tmp_path, bundle, expect_id=id_of("kept").upper())).close()
    with pytest.raises(TbftError, match="not the one that `expect_id` says"):
        started(configured(tmp_path, bundle, expect_id=id_of("kept-adapt")))


def test_an_archive_in_the_place_of_the_expected_one_is_refused(tmp_path: Path) -> None:
    """Also where what was unpacked before is as expected; and what was unpacked of another answers for none."""
    bundle = packed("kept", tmp_path / "bundle.tar.gz")
    found = configured(tmp_path, bundle, expect_id=id_of("kept"))
    started(found).close()
    packed("kept-adapt", bundle)
    with pytest.raises(TbftError, match="not the one that `expect_id` says"):
        started(found)
    bundle.unlink()
    started(found).close()
    with pytest.raises(TbftError, match="does not exist"):
        started(configured(tmp_path, bundle, expect_id=id_of("kept-adapt")))


def test_a_start_looks_into_an_archive_that_it_knows_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where keys are trusted all of it is hashed each time, on a card."""
    found = configured(tmp_path, packed("kept", tmp_path / "bundle.tar.gz"), expect_id=id_of("kept"))
    started(found).close()
    looked, find = list[Path](), archive.find_bundle

    def count(file: BinaryIO, path: Path, expect_id: str | None) -> Packed:
        looked.append(path)
        return find(file, path, expect_id)

    monkeypatch.setattr(archive, "find_bundle", count)
    started(found).close()
    assert looked == [found.bundle]


def test_commands_of_a_training_are_told_which_bundle_it_has_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is put there while the agent runs is neither trained nor asked."""
    told = list[tuple[str, ...]]()

    def run(_: Commands, *words: str | Path) -> bytes:
        told.append(tuple(map(str, words)))
        raise TbftError("it is enough", "")

    monkeypatch.setattr(Commands, "run", run)
    agent = started(configured(tmp_path, compiled("kept"), expect_id=id_of("kept")))
    show(agent, old_pictures(24))
    lesson = agent.core.lesson()
    with_labels = replace(lesson, means="with labels", labelled=lesson.pool, pool=[])
    for each in (lesson, with_labels):
        with pytest.raises(TbftError, match="enough"):
            take(each, Commands())
    with pytest.raises(TbftError, match="enough"):
        prove(replace(lesson, proving=lesson.pool), Candidate(tmp_path, "", Metered()), Commands())
    ask(lesson, 4, Commands())
    assert {words[0] for words in told} == {"train", "diagnose", "learn", "predict"}
    assert all(words[words.index("--expect-id") + 1] == id_of("kept") for words in told)
    agent.close()


def test_an_id_that_is_none_is_refused_with_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_text('bundle = "bundle"\nstate = "state"\nexpect_id = "abc"\n')
    with pytest.raises(TbftError, match="`expect_id` 'abc' is no id of a bundle"):
        read_settings(tmp_path / "agent.toml")


def test_an_archive_that_is_cut_leaves_what_was_unpacked(of_archive: Life) -> None:
    """A copy that was interrupted: its manifest can be read, and the rest is not there."""
    of_archive.begin().close()
    other = packed("kept-adapt", of_archive.found.state / "other.tar.gz")
    whole = other.read_bytes()
    of_archive.found.bundle.write_bytes(whole[: len(whole) * 3 // 4])
    agent = of_archive.begin()
    assert agent.core.answering.version == BUNDLE
    show(agent, old_pictures(1))
    agent.close()
    of_archive.found.bundle.write_bytes(whole)
    agent = of_archive.begin()
    unpacked = open_bundle(of_archive.found.state / "bundle")
    assert unpacked.manifest.bundle_id == open_bundle(compiled("kept-adapt")).manifest.bundle_id
    agent.close()
