"""`tune` remembers its choice in the run folder, and `train` takes it where it holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from support.bundles import COMPILED_NAMES, compiled, compiled_copy, read_manifest
from support.files import listing
from support.runs import Recorder, assert_equal_runs, fine_tune, state_of
from tbft_artifacts.bundle import open_bundle
from tbft_artifacts.errors import TbftError
from tbft_runtime import TrainOptions, TuneOptions, Tuning, tune
from tbft_runtime.board.access import THIS_BOARD
from tbft_runtime.board.watch import BoardWatch
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.resolve import resolve
from tbft_runtime.run.settings import Settings
from tbft_runtime.tuning.race import MINIMUM_ROUNDS, MOST_ROUNDS
from tbft_runtime.tuning.record import TuningCandidate, this_machine, why_not_for, write_tuning
from tbft_runtime.tuning.search import ORDER, Space


def settings_of(bundle: str, **options: Any) -> Settings:
    opened = open_bundle(compiled(bundle))
    return resolve(TrainOptions(Path("data"), Path("run"), **options), opened.plan(), opened)


def chosen_for(bundle: str, threads: int = 1, **execution: Any) -> Tuning:
    """A tuning that fits a compiled bundle on this machine, though nothing was measured."""
    settings = settings_of(bundle)
    default = TuningCandidate(settings.threads, settings.execution)
    return Tuning(
        bundle_id=settings.bundle_id,
        plan=settings.plan,
        batch_norm=settings.batch_norm,
        batch_size=settings.batch_size,
        divided=True,
        machine=this_machine(),
        board=BoardWatch(THIS_BOARD).summary(),
        default=default,
        chosen=TuningCandidate(threads, msgspec.structs.replace(settings.execution, **execution)),
        comparisons=(),
        seconds=1.0,
        finished=True,
    )


def tuned_folder(path: Path, tuning: Tuning) -> Path:
    """A run folder that holds `tuning`, as `tune` leaves it."""
    folder = RunFolder(path)
    folder.create()
    with folder.lock():
        write_tuning(tuning, folder.tuning_file)
    return path


@pytest.mark.parametrize("bundle", COMPILED_NAMES)
def test_every_plan_is_measured(bundle: str, tmp_path: Path) -> None:
    """The file holds what is returned: who was compared, as often as promised, and a choice among them."""
    found = tune(compiled(bundle), TuneOptions(tmp_path / "run", threads=1))
    assert msgspec.json.decode((tmp_path / "run" / "tuning.json").read_bytes(), type=Tuning) == found
    assert set(listing(tmp_path / "run")) == {".tbft-edge.lock", "tuning.json"}
    settings = settings_of(bundle, threads=1)
    assert (found.bundle_id, found.plan, found.batch_size) == (settings.bundle_id, settings.plan, 8)
    assert found.default == TuningCandidate(1, settings.execution)
    assert found.machine == this_machine()
    assert found.finished
    timings = [timing for each in found.comparisons for timing in (each.in_use, each.tried)]
    assert all(MINIMUM_ROUNDS <= len(timing.ms) <= MOST_ROUNDS and min(timing.ms) > 0 for timing in timings)
    assert found.chosen in [found.default, *(timing.candidate for timing in timings)]
    assert found.chosen.threads == 1
    (plan,) = read_manifest(compiled(bundle)).plans
    for coordinate in ORDER:
        alternatives = Space(plan, 8, None).alternatives(coordinate, found.default)
        compared = {value for each in found.comparisons if each.coordinate == coordinate for value in each.values}
        assert compared >= {other.value(coordinate) for other in alternatives}


def test_threads_are_varied_unless_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to the cores that this process may use."""
    monkeypatch.setattr("tbft_runtime.tuning.tune.default_threads", lambda: 3)
    varied = tune(compiled("output-frozen"), TuneOptions(tmp_path / "varied"))
    fixed = tune(compiled("output-frozen"), TuneOptions(tmp_path / "fixed", threads=2))
    assert {each.values[1] for each in varied.comparisons if each.coordinate == "threads"} >= {1, 3}
    assert [each for each in fixed.comparisons if each.coordinate == "threads"] == []
    assert fixed.chosen.threads == 2


def test_no_time_leaves_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A device too slow to compare anything gets what the host thought best, and is told so."""
    monkeypatch.setattr("tbft_runtime.tuning.race.SEARCH_SECONDS", 0.0)
    found = tune(compiled("feature-frozen"), TuneOptions(str(tmp_path / "run")))
    assert (found.comparisons, found.finished, found.chosen) == ((), False, found.default)


def test_comparisons_are_told(tmp_path: Path) -> None:
    """A line for each, with what was varied."""
    recorder = Recorder()
    found = tune(compiled("feature-frozen"), TuneOptions(tmp_path / "run", threads=2, batch_size=5), recorder)
    assert len(recorder.notes) == len(found.comparisons) > 0
    assert found.comparisons[0].coordinate == "micro_batch"
    in_use, tried = found.comparisons[0].values
    assert recorder.notes[0].startswith(f"micro batch {in_use} against {tried}: ")


def test_nothing_is_compared_where_parts_have_statistics_of_their_own(tmp_path: Path) -> None:
    """Their size is the plan's, and no thread waits for another; threads were given, and there is one form."""
    assert tune(compiled("feature-batch"), TuneOptions(tmp_path / "run", threads=2, batch_size=5)).comparisons == ()


def test_a_run_takes_what_was_chosen(tmp_path: Path, squares: Path) -> None:
    """Execution and threads, in settings and result, and said once; weights move by rounding only."""
    folder = tuned_folder(tmp_path / "run", chosen_for("feature-frozen", threads=2, micro_batch=3))
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, folder, recorder, epochs=1, threads=None)
    assert (result.tuned, result.threads, result.execution.micro_batch) == (True, 2, 3)
    assert [note for note in recorder.notes if "tuning.json" in note] == [f"runs as measured in '{folder}/tuning.json'"]
    stored = RunFolder(folder).read_run()
    assert stored is not None
    assert (stored.settings.tuned, stored.settings.execution) == (True, result.execution)
    plain = fine_tune("feature-frozen", squares, tmp_path / "plain", epochs=1)
    assert (plain.tuned, plain.execution) == (False, settings_of("feature-frozen").execution)
    assert result.loss_after == pytest.approx(plain.loss_after, rel=1e-4)


def test_threads_that_are_given_count(tmp_path: Path, squares: Path) -> None:
    folder = tuned_folder(tmp_path / "run", chosen_for("feature-frozen", threads=2, micro_batch=3))
    result = fine_tune("feature-frozen", squares, folder, epochs=1, threads=1)
    assert (result.tuned, result.threads, result.execution.micro_batch) == (True, 1, 3)


def test_a_resumed_run_goes_on_as_it_began(tmp_path: Path, squares: Path) -> None:
    """Bit for bit, whatever has become of the tuning."""
    tuning = chosen_for("feature-frozen", micro_batch=3)
    fine_tune("feature-frozen", squares, tuned_folder(tmp_path / "whole", tuning), epochs=3)
    parts = tuned_folder(tmp_path / "parts", tuning)
    fine_tune("feature-frozen", squares, parts, epochs=1)
    write_tuning(chosen_for("feature-frozen", micro_batch=1), parts / "tuning.json")
    result = fine_tune("feature-frozen", squares, parts, epochs=3, resume=True)
    assert (result.tuned, result.execution.micro_batch) == (True, 3)
    assert_equal_runs(parts, tmp_path / "whole")


FITTING = chosen_for("feature-frozen")
MACHINE = FITTING.machine
DIFFERENT: dict[str, tuple[dict[str, Any], str]] = {
    "bundle": ({"bundle_id": "0" * 64}, "another bundle"),
    "plan": ({"plan": "rear"}, "for plan 'rear'"),
    "batch size": ({"batch_size": 5}, "batches of 5"),
    "policy": ({"batch_norm": "batch"}, "for `batch_norm` batch"),
    "processor": ({"machine": msgspec.structs.replace(MACHINE, processor="arm")}, "another processor"),
    "cores": ({"machine": msgspec.structs.replace(MACHINE, cores=99)}, "with 99 cores"),
    "ONNX Runtime": ({"machine": msgspec.structs.replace(MACHINE, onnxruntime="1.21.0")}, "onnxruntime 1.21.0"),
}


@pytest.mark.parametrize("case", DIFFERENT)
def test_measured_elsewhere(case: str) -> None:
    """What times depend on has to be the same, and the reason names the first thing that is not."""
    changes, words = DIFFERENT[case]
    reason = why_not_for(msgspec.structs.replace(FITTING, **changes), settings_of("feature-frozen"), MACHINE)
    assert reason is not None
    assert words in reason


@pytest.mark.parametrize("policy", ["frozen", "adapt"])
def test_measured_here(policy: Any) -> None:
    """Frozen and adapted statistics share their graphs, and their times."""
    assert why_not_for(FITTING, settings_of("feature-frozen", batch_norm=policy), MACHINE) is None


@pytest.mark.parametrize("content", ["another batch size", "{", "{}", "\xff"])
def test_what_does_not_fit_is_ignored_in_words(content: str, tmp_path: Path, squares: Path) -> None:
    """The run goes as by default, and one line says why; the file stays."""
    tuning = chosen_for("feature-frozen", micro_batch=3)
    folder = tuned_folder(tmp_path / "run", msgspec.structs.replace(tuning, batch_size=5))
    if content != "another batch size":
        (folder / "tuning.json").write_bytes(content.encode("latin-1"))
    before = listing(folder)["tuning.json"]
    recorder = Recorder()
    result = fine_tune("feature-frozen", squares, folder, recorder, epochs=1)
    assert (result.tuned, result.execution) == (False, settings_of("feature-frozen").execution)
    (note,) = [note for note in recorder.notes if "tuning.json" in note]
    assert "is ignored" in note
    assert listing(folder)["tuning.json"] == before


def test_a_tuning_that_rotted_is_ignored_in_words(tmp_path: Path, squares: Path) -> None:
    """A digit of another value is still JSON, and would run another way."""
    folder = tuned_folder(tmp_path / "run", chosen_for("feature-frozen", micro_batch=3))
    file = folder / "tuning.json"
    content = file.read_bytes().replace(b'"micro_batch": 3', b'"micro_batch": 2')
    assert content != file.read_bytes()
    file.write_bytes(content)
    recorder = Recorder()
    assert not fine_tune("feature-frozen", squares, folder, recorder, epochs=1).tuned
    assert recorder.notes[0] == f"'{file}' is ignored: it is damaged"


def test_tuning_again_replaces_the_choice(tmp_path: Path) -> None:
    """Also one that cannot be read."""
    folder = tuned_folder(tmp_path / "run", chosen_for("output-frozen"))
    (folder / "tuning.json").write_text("{")
    found = tune(compiled("output-frozen"), TuneOptions(folder, threads=1))
    assert msgspec.json.decode((folder / "tuning.json").read_bytes(), type=Tuning) == found


def test_a_run_that_began_is_not_tuned(tmp_path: Path, squares: Path) -> None:
    """Its settings are fixed: other rounding would make it another run."""
    fine_tune("output-frozen", squares, tmp_path / "run", epochs=1)
    before = listing(tmp_path / "run")
    with pytest.raises(TbftError, match="holds a run already"):
        tune(compiled("output-frozen"), TuneOptions(tmp_path / "run"))
    assert listing(tmp_path / "run") == before


BAD_OPTIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no such plan": ({"plan": "rear"}, "no plan 'rear'"),
    "no images": ({"batch_size": 0}, "batch size 0"),
    "no threads": ({"threads": 0}, "threads 0"),
}


@pytest.mark.parametrize("case", BAD_OPTIONS)
def test_nonsense_leaves_no_folder(case: str, tmp_path: Path) -> None:
    options, words = BAD_OPTIONS[case]
    with pytest.raises(TbftError, match=words):
        tune(compiled("output-frozen"), TuneOptions(tmp_path / "run", **options))
    assert not (tmp_path / "run").exists()


def test_one_value_per_channel_is_refused(tmp_path: Path) -> None:
    """As `train` does: batch statistics of a single value say nothing."""
    manifest = read_manifest(compiled("full-batch"))
    norms = tuple(msgspec.structs.replace(norm, values=1) for norm in manifest.batch_norms)
    bundle = compiled_copy("full-batch", tmp_path / "bundle", batch_norms=norms)
    with pytest.raises(TbftError, match="one value"):
        tune(bundle, TuneOptions(tmp_path / "run", batch_size=1))
    assert not (tmp_path / "run").exists()


def test_files_of_others_stay(tmp_path: Path) -> None:
    """A folder that is no run's is refused."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").write_text("mine")
    before = listing(tmp_path)
    with pytest.raises(TbftError, match="no run folder"):
        tune(compiled("output-frozen"), TuneOptions(tmp_path / "run"))
    assert listing(tmp_path) == before


def test_a_start_that_fails_keeps_the_tuning(tmp_path: Path, squares: Path) -> None:
    """Of `train` and of `tune`; the folder can still be trained in."""
    folder = tuned_folder(tmp_path / "run", chosen_for("feature-frozen", micro_batch=3))
    before = listing(folder)
    with pytest.raises(TbftError):
        fine_tune("feature-frozen", tmp_path / "nowhere", folder)
    with pytest.raises(TbftError):
        tune(compiled("feature-frozen"), TuneOptions(folder, plan="rear"))
    assert listing(folder) == before
    assert fine_tune("feature-frozen", squares, folder, epochs=1).tuned


def test_rounding_is_all_that_changes(tmp_path: Path, squares: Path) -> None:
    """Parts of three images, or the whole batch: the same weights but for the order of sums."""
    runs = [tuned_folder(tmp_path / str(size), chosen_for("feature-frozen", micro_batch=size)) for size in (3, 8)]
    for folder in runs:
        fine_tune("feature-frozen", squares, folder, epochs=2)
    few, whole = (state_of(folder).current for folder in runs)
    for name, value in few.items():
        np.testing.assert_allclose(value, whole[name], rtol=1e-3, atol=1e-5)
