"""A stranger's names do nothing to the terminal of whoever compiles a network, or repeats experiments.

The commands of the device have theirs in tests/edge/test_hostile_names.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest

from support.bundles import compiled_copy, read_manifest, write_manifest
from support.commands import DEVICE, HOST, Ended, run
from support.hostile import EVIL, LENGTHY, LONG, ODD, ON_THE_HOST, absurd, unseen
from support.in_process import run_in_process
from support.made_up_comparisons import odd_comparisons
from support.made_up_trials import ACCURACY, default_records, outcome, record, results
from support.toys import save_squares
from tbft_edge.commands.reproduce import say_trial
from tbft_edge.compare.markdown import Shown, comparison_markdown
from tbft_edge.reproduce.markdown import reproduction_page
from tbft_edge.reproduce.report import print_results, write_page
from tbft_edge.reproduce.results import Results
from tbft_edge.reproduce.runner import TrialEnded

# Torch itself takes no name with a dot in it.
MODEL = ("--model", "support.tiny_models:tiny_hostile", "--image-size", "8", "--batch-size", "8")
EVIL_MODEL = ("--model", "support.tiny_models:tiny_evil", *MODEL[2:])
COMMANDS: Mapping[str, Callable[[Path], list[list[str | Path]]]] = {
    "export": lambda folder: [
        ["export", *MODEL, "--drift", "output", "--classes", classes(folder), "--out", folder / f"one{EVIL}"],
        ["export", *MODEL, "--method", "tinytrain", "--dump-after", "TakeGradientsPass", "--out", folder / "dumped"],
        ["export", *MODEL, "--plan-only"],
    ],
    "ops": lambda _: [["ops"]],
}
# Here without its hours of training: what prints, and what refuses.
PRINTERS = {"reproduce"}
REFUSED: tuple[tuple[str | Path, ...], ...] = (
    ("export", *MODEL, "--drift", "feature", "--block", EVIL + LONG, "--out", "out"),
    ("export", "--model", f"{EVIL}{LONG}:net", "--drift", "feature", "--out", "out"),
    ("export", "--model", f"{EVIL}.onnx", "--drift", "feature", "--out", "out"),
    ("export", *MODEL, "--drift", "feature", "--classes", EVIL + LONG, "--out", "out"),
    ("export", *MODEL, "--drift", "output", "--classes", f"ant{EVIL},bee,cat,dog", "--out", "out"),
    ("export", *EVIL_MODEL, "--drift", "output", "--out", "out"),
    ("export", *MODEL, "--method", EVIL + LONG, "--out", "out"),
    ("export", *MODEL, "--drift", "feature", "--dump-after", EVIL + LONG, "--out", "out"),
    ("export", *MODEL, "--drift", "feature", "--weights", f"{EVIL}.pth", "--out", "out"),
    ("reproduce", "cifar-flip", "--data", f"{EVIL}.npz", "--weights", f"{EVIL}.pth", "--out", "out"),
)


def classes(folder: Path) -> Path:
    """A file with a name per line, so that none holds a break."""
    path = folder / f"classes{EVIL}.txt"
    path.write_text("\n".join(f"{name}{ODD}{LENGTHY}" for name in ("ant", "bee", "cat", "dog")))
    return path


def assert_harmless(ended: Ended, code: int = 0) -> None:
    assert ended.code == code, ended.err
    assert unseen(ended.out + ended.err) == []


def test_every_command_of_the_host_is_here() -> None:
    """Those of the device are in the other table."""
    assert COMMANDS.keys() | PRINTERS == ON_THE_HOST


@pytest.mark.parametrize("command", COMMANDS)
def test_people_read_words(command: str, tmp_path: Path) -> None:
    """Tables, what was checked, and a graph that is printed on its way."""
    for arguments in COMMANDS[command](tmp_path):
        ended = run(HOST, *arguments)
        assert_harmless(ended)
        if "--dump-after" not in arguments:  # A graph is printed whole.
            assert absurd(ended.out) + absurd(ended.err) == []


def test_programs_read_names_as_they_are(tmp_path: Path) -> None:
    ended = run(HOST, *COMMANDS["export"](tmp_path)[0], "--json")
    assert_harmless(ended)
    assert json.loads(ended.out)["blocks"] == [f"fc{ODD}{LENGTHY}"]


@pytest.mark.parametrize("arguments", REFUSED, ids=[f"{number}-{words[0]}" for number, words in enumerate(REFUSED)])
def test_errors_are_a_readable_line(
    arguments: tuple[str | Path, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = run_in_process(capfd, *arguments)
    assert_harmless(ended, code=2)
    lines = ended.err.splitlines()
    assert [line for line in lines if line.startswith("error: ")] == lines[-3:-2]
    assert absurd(ended.err) == []


def test_what_a_graph_breaks_with_is_cleaned(tmp_path: Path) -> None:
    """ONNX Runtime knows the names of nodes, and would log them by itself."""
    folder = compiled_copy("output-frozen", tmp_path / "bundle")
    model = onnx.load(folder / "predict.onnx", load_external_data=False)
    (logits,) = model.graph.output
    model.graph.node[-1].output[0] = "before"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([7, 13], np.int64), f"times{EVIL}"))
    # Only when it runs is it known that this cannot be.
    for operator, operands, result in (
        ("Shape", ["before"], "shape"),
        ("Mul", ["shape", f"times{EVIL}"], "product"),
        ("Reshape", ["before", "product"], logits.name),
    ):
        model.graph.node.append(onnx.helper.make_node(operator, operands, [result], name=f"{operator}{EVIL}{LONG}"))
    onnx.save(model, folder / "predict.onnx")
    write_manifest(folder, read_manifest(folder))
    ended = run(DEVICE, "eval", folder, "--data", save_squares(tmp_path / "data.npz"))
    assert_harmless(ended, code=2)
    assert "Name:" in ended.err
    assert absurd(ended.err) == []


def hostile_results() -> Results:
    cases = {f"fog{EVIL}{LONG}": ACCURACY["fog"], f"frost{EVIL}": ACCURACY["frost"]}
    changes = dict.fromkeys(("data", "weights", "machine", "meter"), EVIL + LONG)
    return results(default_records(cases), versions={EVIL: LONG}, **changes)


def test_experiments_are_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """On the terminal, as a page, and as Markdown."""
    print_results(hostile_results())
    case = f"fog{EVIL}{LONG}"
    trial = record(case, "default", "fc", outcome(0.5, 1.0))
    say_trial(TrialEnded(1, 2, 1.0, trial.trial, trial.outcome))
    out, err = capsys.readouterr()
    page = write_page(hostile_results(), tmp_path / "page.html").read_text()
    text = reproduction_page([hostile_results()])
    assert unseen(out + err + page + text) == []
    assert absurd(out + err) == []
    assert LONG not in page + text


def test_comparisons_are_told_in_words() -> None:
    """As the Markdown page that several make."""
    text = comparison_markdown([Shown(odd_comparisons()["methods-harmful-names"], "plots.svg")])
    assert unseen(text) == []
    assert LONG not in text
