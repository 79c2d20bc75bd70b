"""What an export says before anything is compiled, and while it is."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.commands import Ended
from tbft_edge.main import main
from tbft_export import ExportOptions, export_bundle

TINY = ("export", "--model", "support.tiny_models:tiny", "--image-size", "8", "--drift")
# Importing any of them takes longer than an answer should.
HEAVY = ("torch", "onnx", "onnx_ir", "onnxruntime")
WRONG = {
    "model": (("--model", "resnet99", "--drift", "all"), "unknown model 'resnet99'"),
    "program": (("--model", "net.pt2", "--drift", "all"), "'net.pt2' is a program of torch.export"),
    "weights for a model": (("--model", "net.pth.tar", "--drift", "all"), "'net.pth.tar' holds weights, not a network"),
    "method": (("--model", "resnet26", "--method", "guess"), "there is no method 'guess'"),
    "drift": (("--model", "resnet26"), "it is not said what drifted"),
    "block": (("--model", "resnet26", "--block", "layer2"), "--block layer2 says what is trained, and --drift decides"),
    "zip": (("--model", "resnet26", "--drift", "all", "--out", "b.zip"), "'b.zip' would be a folder"),
    "weights": (("--model", "resnet26", "--drift", "all", "--weights", "none.pth"), "'none.pth' does not exist"),
    "head": (("--model", "resnet26", "--drift", "all", "--new-head"), "for how many classes the new head is"),
    "int8": (("--model", "resnet26", "--drift", "all", "--prefix", "int8"), "needs images to calibrate with"),
    "mean": (("--model", "resnet26", "--drift", "all", "--mean", "grey"), "--mean 'grey' is not a number"),
    "out": (("--model", "resnet26", "--drift", "all", "--out", "."), "'.' exists already"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_options_are_answered_without_torch(case: str, tmp_path: Path) -> None:
    """In a process that cannot import it, nor anything else that takes seconds."""
    arguments, said = WRONG[case]
    (tmp_path / "something").touch()
    blocked = "".join(f"sys.modules[{name!r}] = None; " for name in HEAVY)
    code = f"import sys; {blocked}from tbft_edge.main import main; main()"
    command = [sys.executable, "-c", code, "export", "--out", "bundle", *arguments]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2, ended.stderr
    assert said in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["something"]


class Recorder:
    """What a `Progress` is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int, int]] = []

    def begin(self, what: str, total: int) -> None:
        self.told.append((what, 0, total))

    def advance(self, steps: int) -> None:
        what, over, total = self.told.pop()
        self.told.append((what, over + steps, total))


@pytest.mark.parametrize("name", ["bundle", "bundle.tar.gz"])
def test_each_step_is_told(tmp_path: Path, name: str) -> None:
    """Reading, then two steps for each plan, with those that are over."""
    recorder = Recorder()
    model = "support.tiny_models:tiny"
    exported = export_bundle(ExportOptions(model, "all", image_size=8), tmp_path / name, recorder)
    told = [*recorder.told]
    assert told.pop(0) == (f"reading {model}", 0, 1)
    assert told.pop(0) == ("writing weights and models", 0, 1)
    # Those that begin at the input behind each other: their checks have a step in common.
    assert [plan.drift for plan in exported.manifest.plans] == ["input", "feature", "output", "full"]
    made = [exported.manifest.plans[index] for index in (0, 3, 1, 2)]
    for number, plan in enumerate(made, 1):
        for step in ("compiling the gradient", "checking a train step against PyTorch"):
            assert told.pop(0) == (f"plan {number} of 4, {plan.id}: {step}", number - 1, 4)
    assert told == ([] if name == "bundle" else [("packing", 0, 1)])


def test_a_single_plan_has_no_number(tmp_path: Path) -> None:
    recorder = Recorder()
    export_bundle(ExportOptions("support.tiny_models:tiny", "output", image_size=8), tmp_path / "bundle", recorder)
    assert ("output-frozen-sgd: compiling the gradient", 0, 1) in recorder.told


def test_a_pipe_gets_no_steps(tmp_path: Path, command: Callable[..., Ended]) -> None:
    """Only what was said before there were any."""
    ended = command(*TINY, "all", "--out", tmp_path / "bundle")
    assert ended.code == 0, ended
    assert "compiling" not in ended.err


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_terminal_shows_the_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], more: tuple[str, ...]
) -> None:
    """Unless a program reads the result."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys, "argv", ["tbft-edge", *TINY, "all", "--out", str(tmp_path / "bundle"), *more])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code in (0, None), shown.getvalue()
    assert ("plan 4 of 4, output-frozen-sgd: checking a train step" in shown.getvalue()) == (not more)
    assert ("{" in capsys.readouterr().out) == bool(more)
