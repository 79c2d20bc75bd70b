"""That two commits give the same is only worth something if every kind of difference would be found."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from benchmarks.same_results.files import FILES, TENSORS, compare_bytes, compare_run, compare_tensors
from benchmarks.same_results.findings import Findings
from benchmarks.same_results.help_options import compare_help
from benchmarks.same_results.json_values import VALUES, compare_json
from benchmarks.same_results.play import STEPS
from benchmarks.same_results.public_names import compare_names
from benchmarks.same_results.refusals import compare_refusals
from benchmarks.same_results.side import Ended
from benchmarks.same_results.step import chosen

RESULT: dict[str, Any] = {
    "plan": "output-frozen-sgd",
    "accuracy": 0.5,
    "epochs": [{"loss": 2.0, "seconds": 1.5}, {"loss": 1.0, "seconds": 1.25}],
    "exits": None,
}


def places(findings: Findings) -> list[str]:
    """Where the differences are."""
    return [difference.where for difference in findings.differences]


def test_the_same_json_is_the_same_whatever_was_measured() -> None:
    """Times are counted as set aside, everything else as compared."""
    slower = RESULT | {"epochs": [{"loss": 2.0, "seconds": 9}, {"loss": 1.0, "seconds": 8.5}]}
    findings = compare_json("train", RESULT, slower)
    assert not findings.differences
    assert findings.compared[VALUES] == 5
    assert findings.measured.total() == 2


@pytest.mark.parametrize(
    ("other", "place"),
    [
        (RESULT | {"accuracy": 0.5000000001}, "train.accuracy"),
        (RESULT | {"accuracy": None}, "train.accuracy"),
        (RESULT | {"exits": 0}, "train.exits"),
        (RESULT | {"note": ""}, "train, keys"),
        ({key: RESULT[key] for key in ("plan", "accuracy", "epochs")}, "train, keys"),
        ({key: RESULT[key] for key in reversed(RESULT)}, "train, keys"),
        (RESULT | {"epochs": RESULT["epochs"][:1]}, "train.epochs"),
        (RESULT | {"epochs": [RESULT["epochs"][0], {"loss": 1.5, "seconds": 1.25}]}, "train.epochs[1].loss"),
        (
            RESULT | {"epochs": [RESULT["epochs"][0], {"loss": 1.0, "seconds": None}]},
            "train.epochs[1].seconds, types of what is measured",
        ),
    ],
)
def test_a_difference_in_json_is_found_where_it_is(other: dict[str, Any], place: str) -> None:
    """A value, a type, a key more or less, the order of keys, a list's length; also null for a time."""
    assert places(compare_json("train", RESULT, other)) == [place]


def test_only_a_load_may_be_missing_on_one_side() -> None:
    """There is none of a moment that was too short; a time is never missing on one side only."""
    assert not compare_json("train", {"other_load": None}, {"other_load": 1.5}).differences
    assert places(compare_json("train", {"other_load": "much"}, {"other_load": 1.5}))
    assert places(compare_json("train", {"step_ms": None}, {"step_ms": 1.5}))


def test_where_times_are_the_order_all_else_is_compared() -> None:
    """A profile lists what takes longest first: other names or calls are differences, another order is none."""

    def profile(*operators: tuple[str, int]) -> dict[str, Any]:
        listed = [{"name": name, "milliseconds": 0.5, "calls": calls} for name, calls in operators]
        return {"profile": {"graphs": [{"operators": listed}]}}

    base = profile(("Conv", 22), ("Add", 4))
    assert not compare_json("train", base, profile(("Add", 4), ("Conv", 22))).differences
    assert places(compare_json("train", base, profile(("Add", 5), ("Conv", 22))))
    assert places(compare_json("train", base, profile(("Sub", 4), ("Conv", 22))))


@pytest.mark.parametrize(("base", "other"), [(1, 1.0), (1, True), ("1", 1), (0, False)])
def test_python_s_equal_is_not_the_same_json(base: object, other: object) -> None:
    assert places(compare_json("train", {"count": base}, {"count": other})) == ["train.count"]


def test_what_is_measured_in_one_command_is_compared_in_another() -> None:
    """`tune` chooses by time; a field of the same name elsewhere is no measurement."""
    base, other = {"chosen": {"threads": 1}}, {"chosen": {"threads": 2}}
    assert not compare_json("tune", base, other).differences
    assert places(compare_json("train", base, other)) == ["train.chosen.threads"]


def test_sentences_differ_only_by_what_they_measure() -> None:
    """Whether the board was busy is measured; another note is not, and the rest of a sentence neither."""
    busy = "other processes kept 1.4 cores busy on average"
    assert not compare_json("report", {"notes": [busy, "one"]}, {"notes": ["one"]}).differences
    assert places(compare_json("report", {"notes": ["one"]}, {"notes": ["two"]})) == ["report.notes[0]"]
    disk = "82,312 MB free in ."
    assert not compare_json("doctor", {"text": disk}, {"text": "81,000 MB free in ."}).differences
    assert places(compare_json("doctor", {"text": disk}, {"text": "82,312 MB free in /"})) == ["doctor.text"]


def test_folders_are_the_same_to_the_byte_and_to_the_file(tmp_path: Path) -> None:
    for name, content in (("base", b"abc"), ("same", b"abc"), ("other", b"abd")):
        (tmp_path / name / "plans").mkdir(parents=True)
        (tmp_path / name / "plans" / "update.onnx").write_bytes(content)
    same = compare_bytes(tmp_path / "base", tmp_path / "same")
    assert not same.differences
    assert same.compared[FILES] == 1
    changed = compare_bytes(tmp_path / "base", tmp_path / "other")
    assert places(changed) == ["plans/update.onnx, byte 2"]
    (tmp_path / "same" / "more.onnx").touch()
    assert places(compare_bytes(tmp_path / "base", tmp_path / "same")) == ["more.onnx"]


Change = Callable[[dict[str, np.ndarray]], None]


def last_bit(tensors: dict[str, np.ndarray]) -> None:
    tensors["fc"].view(np.uint32)[0] ^= 1


def sign_of_zero(tensors: dict[str, np.ndarray]) -> None:
    tensors["fc"][1] = -0.0


def shape(tensors: dict[str, np.ndarray]) -> None:
    tensors["fc"] = tensors["fc"].reshape(1, 2)


def dtype(tensors: dict[str, np.ndarray]) -> None:
    tensors["fc"] = tensors["fc"].view(np.int32)


def write_state(path: Path, change: Change | None, training: dict[str, Any]) -> Path:
    tensors = {"fc": np.array([1.0, 0.0], np.float32)}
    if change is not None:
        change(tensors)
    save_file(tensors, path, {"training": json.dumps(training)})
    return path


@pytest.mark.parametrize("change", [last_bit, sign_of_zero, shape, dtype])
def test_tensors_are_the_same_to_the_bit(tmp_path: Path, change: Change) -> None:
    base = write_state(tmp_path / "base", None, {"step": 3, "seconds": 1.0})
    same = compare_tensors("state", base, write_state(tmp_path / "same", None, {"step": 3, "seconds": 2.0}))
    assert not same.differences
    assert same.compared[TENSORS] == 1
    changed = write_state(tmp_path / "changed", change, {"step": 3, "seconds": 1.0})
    assert places(compare_tensors("state", base, changed)) == ["state, fc"]


def test_what_a_state_says_of_the_training_is_compared(tmp_path: Path) -> None:
    base = write_state(tmp_path / "base", None, {"step": 3})
    other = write_state(tmp_path / "other", None, {"step": 4})
    assert places(compare_tensors("state", base, other)) == ["state.training.step"]


def test_runs_may_name_the_folder_they_lie_in(tmp_path: Path) -> None:
    """The bundle's place is that of its side; any other path has to be the same."""
    for side in ("base", "other"):
        (tmp_path / side / "run").mkdir(parents=True)
        place = {"bundle": f"{tmp_path / side}/bundles/output", "data": "/data.npz"}
        (tmp_path / side / "run" / "run.json").write_text(json.dumps(place))
    assert not compare_run("run", tmp_path / "base", tmp_path / "other").differences
    (tmp_path / "other" / "run" / "run.json").write_text(json.dumps(place | {"data": "/more.npz"}))
    assert places(compare_run("run", tmp_path / "base", tmp_path / "other")) == ["run.data"]


def offered(*parameters: str, fields: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> dict[str, Any]:
    """A public class, as the probe describes it."""
    described = [
        {"name": name, "keyword_only": False, "default": None if name in required else "0"} for name in parameters
    ]
    return {"parameters": described, "fields": list(fields), "members": []}


@pytest.mark.parametrize(
    ("after", "place"),
    [
        ({}, "tbft_runtime"),
        ({"Options": offered("lr", "seed")}, "tbft_runtime.Options, parameter 1"),
        ({"Options": offered("seed")}, "tbft_runtime.Options, parameter 2"),
        ({"Options": offered("seed", "lr", "data", required=("data",))}, "tbft_runtime.Options, parameter data"),
    ],
)
def test_names_and_parameters_may_not_change(after: dict[str, Any], place: str) -> None:
    """None may go, change its place, or have to be given."""
    assert place in places(compare_names("tbft_runtime", {"Options": offered("seed", "lr")}, after))


def test_names_parameters_and_fields_may_grow_and_that_is_told() -> None:
    before = {"Options": offered("seed", fields=("seed",))}
    after = {"Options": offered("seed", "lr", fields=("seed", "lr")), "tune": offered()}
    findings = compare_names("tbft_runtime", before, after)
    assert not findings.differences
    assert [remark.partition(": ")[2] for remark in findings.remarks] == ["tune", "lr", "lr"]


HELP = """Usage: tbft-edge train [OPTIONS] BUNDLE

  Fine-tune, as --resume says.

Arguments:
  BUNDLE  A bundle.  [required]

Options:
  --bn [frozen|adapt]  Batch norms;
                       --lr is another option.
  --json               Print JSON.
"""


def test_options_may_not_go_and_may_grow() -> None:
    assert places(compare_help("train", HELP, HELP.replace("  --json  ", "  --yaml  "))) == ["train --help"]
    assert places(compare_help("train", HELP, HELP.replace("BUNDLE  A", "MODEL   A"))) == ["train --help"]
    assert places(compare_help("train", HELP, HELP.replace("frozen|adapt", "frozen"))) == ["train --bn"]
    grown = compare_help("train", HELP, f"{HELP.replace('|adapt', '|adapt|block')}  --help  Show this.\n")
    assert not grown.differences
    assert grown.remarks == ["grew, train --help: --help, --bn block"]


def test_a_refusal_keeps_its_exit_code_and_may_change_its_words() -> None:
    base = Ended(2, "", "error: no\n\nhint: yes\n")
    reworded = compare_refusals("train: no data", base, Ended(2, "", "error: none\n\nhint: yes\n"))
    assert not reworded.differences
    assert "error: no | hint: yes" in reworded.remarks[0]
    assert places(compare_refusals("train: no data", base, Ended(1, "", base.err))) == ["exit code"]
    assert places(compare_refusals("train: no data", base, Ended(0, "", ""))) == ["exit code"]


def test_a_part_brings_what_it_needs_along() -> None:
    """Commands read runs and bundles of other parts; a bundle needs nothing."""
    assert {step.group for step in chosen(STEPS, ["bundles"])} == {"bundles"}
    steps = chosen(STEPS, ["commands"])
    made = [step.out for step in steps]
    assert "runs/feature" in made
    assert made.index("bundles/feature") < made.index("runs/feature")
    assert "bundles/int8" in made
    assert "bundles/new-head" not in made


def test_every_step_has_a_name_of_its_own() -> None:
    """A line of the table is one thing."""
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(("loss", "found"), [(1.0, []), (2.0, ["history[1].train_loss"])])
def test_a_history_is_compared_line_by_line(loss: float, found: list[str], tmp_path: Path) -> None:
    """What epochs came to, and neither how long they took nor the checksums of their lines."""
    for side, last, number in (("base", 1.0, 1), ("other", loss, 2)):
        epochs = [
            {"train_loss": value, "seconds": number * 1.5, "steps": {"bins": [[number, 1]]}} for value in (3.0, last)
        ]
        (tmp_path / side / "run").mkdir(parents=True)
        lines = [f"0000000{number} {json.dumps(epoch)}" for epoch in epochs]
        (tmp_path / side / "run" / "history.jsonl").write_text("\n".join(lines) + "\n")
    assert places(compare_run("run", tmp_path / "base", tmp_path / "other")) == found
