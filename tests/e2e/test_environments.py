"""Two environments that never meet: the host compiles, and the device trains without torch and onnx."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from support.commands import DEVICE, HOST, Step, surroundings
from support.toys import save_squares

FORBIDDEN = ("torch", "onnx", "onnx_ir", "onnxruntime.training", "tbft_export")


def python(environment: Path, code: str, *arguments: str | Path) -> str:
    ended = subprocess.run(
        [environment / "python", "-c", code, *map(str, arguments)],
        env=surroundings(None),
        capture_output=True,
        text=True,
        check=True,
    )
    return ended.stdout


def installed(environment: Path) -> set[str]:
    """Names of the distributions in an environment."""
    code = "import importlib.metadata as m, json; print(json.dumps([d.metadata['Name'] for d in m.distributions()]))"
    return {name.lower().replace("_", "-") for name in json.loads(python(environment, code))}


def test_the_device_has_neither_torch_nor_onnx() -> None:
    """As installed by its own extra: the stock wheel, and nothing that only the host needs."""
    names = installed(DEVICE)
    assert {"onnxruntime", "pillow", "tbft-edge"} <= names
    assert not {name for name in names if name.startswith(("torch", "onnx")) and name != "onnxruntime"}


def test_the_host_has_no_stock_onnxruntime() -> None:
    """Both wheels install the same module, and the second one to come would overwrite the first."""
    names = installed(HOST)
    assert {"onnxruntime-training-cpu", "torch", "onnx", "tbft-edge"} <= names
    assert "onnxruntime" not in names


def test_the_commands_import_no_numpy() -> None:
    """Help is quick on a Pi, and Ctrl-C is heeded while libraries load: commands import them when they run."""
    loaded = "import sys, tbft_edge.main; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([DEVICE / "python", "-c", loaded], check=False).returncode == 0


@pytest.mark.parametrize("module", ["torch", "onnx", "onnx_ir", "onnxruntime.training"])
def test_the_device_cannot_import_what_it_must_not(module: str) -> None:
    """Nor is it there under another distribution's name."""
    code = "import importlib.util, sys; print(importlib.util.find_spec(sys.argv[1]))"
    assert python(DEVICE, code, module).strip() == "None"


# Runs a command and writes down every module that anything tried to import, found or not.
WATCHED = """
import json, sys
class Watch:
    seen = set()
    def find_spec(self, name, path=None, target=None):
        self.seen.add(name)
sys.meta_path.insert(0, Watch())
report, sys.argv = sys.argv[1], ["tbft-edge", *sys.argv[2:]]
from tbft_edge.main import main
try:
    main()
finally:
    json.dump(sorted(Watch.seen), open(report, "w"))
"""


def test_device_commands_never_try_to_import_torch_or_onnx(
    exported: Step, trained: Step, finalized: Step, tmp_path: Path
) -> None:
    """Not even inside a `try`: where they happened to be installed, importing them would cost memory and seconds."""
    data = save_squares(tmp_path / "data.npz", 16)
    run_folder, model = tmp_path / "run", finalized.path
    assert trained.ended.code == 0
    commands: dict[str, list[str | Path]] = {
        "tune": [exported.path, "--out", run_folder],
        "train": [exported.path, "--data", data, "--out", run_folder, "--epochs", "1"],
        "eval": [model, "--data", data],
        "predict": [model, data],
        "finalize": [run_folder, "--out", tmp_path / "model.onnx", "--allow-worse"],
        "inspect": [exported.path],
    }
    for command, arguments in commands.items():
        python(DEVICE, WATCHED, tmp_path / "seen.json", command, *arguments)
        seen = json.loads((tmp_path / "seen.json").read_text())
        assert "tbft_artifacts.bundle" in seen
        tried = [module for module in seen for name in FORBIDDEN if f"{module}.".startswith(f"{name}.")]
        assert tried == [], command
