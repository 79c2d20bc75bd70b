"""A bank of domains: windows of images go to the run that was trained on their like, or are said to fit none."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.bundles import ALL_DRIFTS, CLASSES, COMPILED
from support.commands import refused
from support.damages import DAMAGES, damage
from support.in_process import run_in_process
from support.runs import fine_tune
from support.toys import coloured_squares, save_folders
from tbft_artifacts.errors import TbftError
from tbft_runtime import Bank, make_bank
from tbft_runtime.domains.answers import answered_by_domain
from tbft_runtime.inference.model import open_model

HOSTILE = "\x1b[2Jni\u202eght\tof\nit"


def dimmed(images: np.ndarray) -> np.ndarray:
    return (images // 3).astype(np.uint8)


def grey(images: np.ndarray) -> np.ndarray:
    """Another look that no run has seen: hardly any contrast."""
    return (images // 8 + 112).astype(np.uint8)


def saved(path: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    np.savez(path, images=images, labels=labels, classes=np.array(CLASSES))
    return path


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle, a run on dimmed squares, a bank of it, and squares of both kinds that neither was trained on."""
    folder = tmp_path_factory.mktemp("domains")
    shutil.copytree(COMPILED / ALL_DRIFTS, folder / "bundle")
    images, labels = coloured_squares(128, seed=3)
    fine_tune(
        folder / "bundle",
        saved(folder / "night.npz", dimmed(images), labels),
        folder / "run",
        drift="input",
        epochs=3,
    )
    make_bank(folder / "light.bank", {"night": folder / "run"}, threads=1)
    images, labels = coloured_squares(64, seed=4)
    saved(folder / "bright.npz", images, labels)
    saved(folder / "dark.npz", dimmed(images), labels)
    saved(folder / "grey.npz", grey(images), labels)
    return folder


@pytest.fixture
def bank(places: Path, tmp_path: Path) -> Path:
    """A copy of the bank."""
    return Path(shutil.copy(places / "light.bank", tmp_path / "light.bank"))


def squares() -> np.ndarray:
    return coloured_squares(32, seed=5)[0]


def test_each_window_is_answered_by_its_domain(places: Path) -> None:
    """Exactly as the run, or the bundle, by itself answers it."""
    bank = Bank.open(places / "light.bank", threads=1)
    assert bank.domains == ("source", "night")
    found = bank.predict(np.concatenate([squares(), dimmed(squares())]))
    assert found.domains == ("source",) * 32 + ("night",) * 32
    assert np.mean(found.fits) > 0.7
    alone = open_model(places / "run", 1).logits(dimmed(squares()))
    assert found.labels[32:] == tuple(CLASSES[label] for label in alone.argmax(axis=1))
    alone = open_model(places / "bundle", 1).logits(squares())
    assert found.labels[:32] == tuple(CLASSES[label] for label in alone.argmax(axis=1))


def test_few_classes_are_no_other_domain(places: Path) -> None:
    """A camera sees one class for a while."""
    images, labels = coloured_squares(256, seed=6)
    bank = Bank.open(places / "light.bank", threads=1)
    for look, domain in ((lambda x: x, "source"), (dimmed, "night")):
        for label in range(len(CLASSES)):
            found = bank.predict(look(images[labels == label][:16]))
            assert set(found.domains) == {domain}


def test_what_no_run_saw_is_said_to_fit_none(places: Path) -> None:
    bank = Bank.open(places / "light.bank", threads=1)
    assert not any(bank.predict(grey(squares())).fits)


def test_only_models_that_answer_are_loaded(places: Path) -> None:
    bank = Bank.open(places / "light.bank", threads=1)
    bank.predict(squares())
    assert vars(bank)["_models"] == {}
    bank.predict(dimmed(squares()))
    assert list(vars(bank)["_models"]) == ["night"]


def test_a_domain_is_added_and_known_at_once(places: Path, bank: Path) -> None:
    """To a bank that has one already; the bank needs neither runs nor images afterwards, and says what it replaces."""
    found = make_bank(bank, {HOSTILE: places / "run"}, {HOSTILE: places / "grey.npz"}, threads=1)
    assert [(domain.name, domain.images) for domain in found.domains] == [("night", 128), (HOSTILE, 64)]
    opened = Bank.open(bank, threads=1)
    assert set(opened.predict(grey(squares())).domains) == {HOSTILE}
    assert set(opened.predict(dimmed(squares())).domains) == {"night"}
    again = make_bank(bank, {HOSTILE: places / "run"}, {HOSTILE: places / "dark.npz"}, threads=1)
    assert len(again.domains) == 2


def test_a_run_can_take_the_place_of_the_bundle(places: Path, bank: Path) -> None:
    """Where what the camera sees by day is not quite what the network was trained on."""
    make_bank(bank, {"source": places / "run"}, {"source": places / "bright.npz"}, threads=1)
    opened = Bank.open(bank, threads=1)
    assert opened.domains == ("night", "source")
    found = opened.predict(squares())
    assert set(found.domains) == {"source"}
    alone = open_model(places / "run", 1).logits(squares())
    assert found.labels == tuple(CLASSES[label] for label in alone.argmax(axis=1))


def test_the_commands_print_and_list_domains(places: Path, bank: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Hostile names change nothing on a terminal; --json holds them as they are."""
    make_bank(bank, {HOSTILE: places / "run"}, {HOSTILE: places / "grey.npz"}, threads=1)
    listed = run_in_process(capfd, "bank", bank)
    assert listed.code == 0
    assert not {"\x1b", "\u202e"} & set(listed.out + listed.err)
    names = [domain["name"] for domain in json.loads(run_in_process(capfd, "bank", bank, "--json").out)["domains"]]
    assert names == ["night", HOSTILE]
    files = [places / "bright.npz", places / "dark.npz", places / "grey.npz"]
    printed = run_in_process(capfd, "predict", bank, *files, "--window", "32", "--threads", "1").out
    assert [line.split("\t")[3].rstrip("?")[-5:] for line in printed.splitlines()] == (
        ["ource"] * 64 + ["night"] * 64 + ["of it"] * 64
    )
    assert "\x1b" not in printed
    told = json.loads(run_in_process(capfd, "predict", bank, *files, "--json").out)
    assert {answer["domain"] for answer in told} == {"source", "night", HOSTILE}
    assert all("fits" in answer for answer in told)


def test_folders_begin_windows_of_their_own(places: Path, tmp_path: Path) -> None:
    """Pictures that are named one by one share them."""
    day = save_folders(tmp_path / "day", squares()[:20], [0] * 20)
    night = save_folders(tmp_path / "night", dimmed(squares())[:20], [0] * 20)
    bank = Bank.open(places / "light.bank", threads=1)

    def domains(*inputs: Path) -> list[str | None]:
        return [found.domain for found in answered_by_domain(bank, inputs, 40, lambda *_: None)]

    assert domains(day, night) == ["source"] * 20 + ["night"] * 20
    singles = [*sorted(day.rglob("*.png")), *sorted(night.rglob("*.png"))]
    assert len(set(domains(*singles))) == 1


def test_eval_counts_by_domain(places: Path, bank: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Of a folder with a folder per class, whose windows hold one class each, too."""
    images, labels = coloured_squares(64, seed=4)
    folder = save_folders(tmp_path / "photos", dimmed(images), labels)
    found = json.loads(run_in_process(capfd, "eval", bank, "--data", folder, "--json", "--threads", "1").out)
    assert [each["name"] for each in found["domains"]] == ["night"]
    assert found["images"] == 64
    assert (
        found["accuracy"]
        == json.loads(run_in_process(capfd, "eval", places / "run", "--data", folder, "--json", "--threads", "1").out)[
            "accuracy"
        ]
    )
    assert run_in_process(capfd, "eval", bank, "--data", folder).code == 0
    said = refused(run_in_process(capfd, "eval", places / "run", "--data", folder, "--window", "4"))
    assert "--window" in said.message
    refused(run_in_process(capfd, "predict", bank, folder, "--window", "9999"))


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_bank_is_refused(how: str, bank: Path, capfd: pytest.CaptureFixture[str]) -> None:
    damage(bank, DAMAGES[how])
    for command in (("bank", bank), ("predict", bank, bank)):
        assert "bank" in refused(run_in_process(capfd, *command)).message


def test_a_bundle_that_was_moved_is_found_again(places: Path, tmp_path: Path) -> None:
    """Where it is said to be; another bundle is none."""
    for name in ("bundle", "run"):
        shutil.copytree(places / name, tmp_path / name)
    bank = tmp_path / "light.bank"
    make_bank(bank, {"night": tmp_path / "run"}, bundle=tmp_path / "bundle", threads=1)
    (tmp_path / "bundle").rename(tmp_path / "moved")
    with pytest.raises(TbftError, match="cannot be read"):
        Bank.open(bank, threads=1)
    with pytest.raises(TbftError, match="is not the bundle that bank"):
        make_bank(bank, bundle=COMPILED / "kept", threads=1)
    make_bank(bank, bundle=tmp_path / "moved", threads=1)
    assert Bank.open(bank, threads=1).domains == ("source", "night")
    with pytest.raises(TbftError, match="`expect_id`"):
        Bank.open(bank, threads=1, expect_id="0" * 64)
    with pytest.raises(TbftError, match="`expect_id`"):
        make_bank(bank, expect_id="0" * 64)


def test_what_does_not_belong_together_is_refused(places: Path, bank: Path, tmp_path: Path) -> None:
    """And the bank stays as it was."""
    before = bank.read_bytes()
    few = saved(tmp_path / "few.npz", *coloured_squares(8))
    fine_tune("kept", places / "dark.npz", tmp_path / "other", drift="input", epochs=1)
    fine_tune("feature-frozen", places / "dark.npz", tmp_path / "sourceless", epochs=1)
    for add, data, match in (
        ({"day": tmp_path / "other"}, {}, "another bundle"),
        ({"day": places / "run"}, {"day": few}, "8 images"),
        ({"day": places / "run"}, {"dusk": few}, "`data` names 'dusk'"),
        ({"day": places / "bundle"}, {}, "is no run folder"),
    ):
        with pytest.raises(TbftError, match=match):
            make_bank(bank, add, data, threads=1)
    with pytest.raises(TbftError, match="source domain"):
        make_bank(tmp_path / "new.bank", {"day": tmp_path / "sourceless"}, threads=1)
    with pytest.raises(TbftError, match="no name of a bank"):
        make_bank(tmp_path / "new", {"day": places / "run"}, threads=1)
    with pytest.raises(TbftError, match="does not exist"):
        make_bank(tmp_path / "new.bank", threads=1)
    assert bank.read_bytes() == before
    assert not (tmp_path / "new.bank").exists()
