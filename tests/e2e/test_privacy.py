"""What a device learns from stays on it: no command writes outside its outputs or talks to a network."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.commands import DEVICE, Step, command, surroundings
from support.files import listing
from support.toys import coloured_squares, save_folders

# Opening for writing, and every other call that changes what lies on the disk.
WRITES = "openat,open,creat,mkdir,mkdirat,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,symlinkat,link,linkat"
CHANGING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|\b(creat|mkdir|rename|unlink|rmdir|symlink|link)\w*\(")
# A path, behind the folder that it starts from where the call names one.
PATH = re.compile(r'(?:<(?P<folder>[^>]*)>, )?"(?P<path>(?:[^"\\]|\\.)*)"')
SYSTEM = ("/dev/", "/proc/")


@dataclass(frozen=True)
class Sandbox:
    """Folders that a command might be tempted to write to, and the one it may."""

    root: Path

    def __post_init__(self) -> None:
        for folder in ("home", "tmp", "work", "out"):
            (self.root / folder).mkdir()

    @property
    def out(self) -> Path:
        return self.root / "out"

    def run(self, *arguments: str | Path, prefix: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a device command that has to end well, with the sandbox's folders as home, working and temporary."""
        variables = {
            "HOME": str(self.root / "home"),
            "TMPDIR": str(self.root / "tmp"),
            "XDG_CACHE_HOME": "",
            "XDG_CONFIG_HOME": "",
            "XDG_DATA_HOME": "",
            # Compiled modules beside their sources are Python's, and installers write them.
            "PYTHONDONTWRITEBYTECODE": "1",
        }
        ended = subprocess.run(
            [*prefix, *command(DEVICE, *arguments)],
            cwd=self.root / "work",
            env=surroundings(variables),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert ended.returncode == 0, ended
        return ended

    def flow(self, bundle: Path, data: Path) -> list[list[str | Path]]:
        """Every device command, in an order in which they work."""
        run, model = self.out / "run", self.out / "model.onnx"
        return [
            ["inspect", bundle],
            ["tune", bundle, "--out", run],
            ["train", bundle, "--data", data, "--out", run, "--epochs", "2", "--metrics-file", self.out / "run.prom"],
            ["eval", run, "--data", data, "--json"],
            ["eval", bundle, "--data", data],
            ["finalize", run, "--out", model, "--allow-worse"],
            ["predict", model, data],
        ]


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Private pictures."""
    return save_folders(tmp_path_factory.mktemp("photos") / "photos", *coloured_squares(16))


@pytest.mark.long
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_nothing_is_written_outside_the_outputs(
    form: str, sandbox: Sandbox, exported: Step, bundle: Path, photos: Path
) -> None:
    """Home, temporary and working folder stay empty; bundle and pictures stay as they are."""
    given = bundle if form == "folder" else exported.path
    before = listing(bundle), listing(photos), exported.path.read_bytes()
    for arguments in sandbox.flow(given, photos):
        sandbox.run(*arguments)
    assert {folder: listing(sandbox.root / folder) for folder in ("home", "tmp", "work")} == {
        "home": {},
        "tmp": {},
        "work": {},
    }
    assert (listing(bundle), listing(photos), exported.path.read_bytes()) == before
    assert {path.name for path in sandbox.out.iterdir()} == {"run", "run.prom", "model.onnx"}


def test_no_pictures_stay_in_a_finished_run(sandbox: Sandbox, bundle: Path, photos: Path) -> None:
    """Prepared pixels are a cache of the run; when it ends they are gone, and only weights and numbers remain."""
    sandbox.run("train", bundle, "--data", photos, "--out", sandbox.out / "run", "--epochs", "1")
    assert {path.name for path in (sandbox.out / "run").iterdir()} == {
        ".tbft-edge.lock",
        "run.json",
        "state.safetensors",
        "state.previous.safetensors",
        "history.jsonl",
        "report.json",
        "report.html",
    }


@pytest.fixture
def tracer(tmp_path: Path) -> tuple[str, ...]:
    """`strace` that follows children and writes down network calls and writes."""
    path = shutil.which("strace")
    if path is None:
        pytest.skip("strace is not installed")
    words = (path, "-f", "-y", "-e", f"trace=%network,{WRITES}", "-o", str(tmp_path / "trace"))
    if subprocess.run([*words, "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not trace here")
    return words


@pytest.mark.long
def test_system_calls_show_no_network_and_no_other_writes(
    tracer: tuple[str, ...], sandbox: Sandbox, bundle: Path, photos: Path, tmp_path: Path
) -> None:
    """Not only what is left behind: no internet socket is made, and no file elsewhere is touched in passing."""
    for arguments in sandbox.flow(bundle, photos)[1:]:
        sandbox.run(*arguments, prefix=tracer)
        calls = (tmp_path / "trace").read_text().splitlines()
        assert any("O_RDONLY" in call for call in calls)
        assert [call for call in calls if "AF_INET" in call] == []
        changing = [call for call in calls if CHANGING.search(call) and " = -1 " not in call]
        paths = [
            sandbox.root / "work" / (match["folder"] or "") / match["path"]
            for call in changing
            for match in PATH.finditer(call)
        ]
        assert [path for path in paths if not str(path).startswith((str(sandbox.out), *SYSTEM))] == []


@pytest.mark.long
def test_everything_works_without_a_network(sandbox: Sandbox, bundle: Path, photos: Path) -> None:
    """In a network namespace with no interface, every command ends well."""
    if os.geteuid() != 0 or subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("a namespace without network needs root and unshare(1)")
    for arguments in sandbox.flow(bundle, photos):
        sandbox.run(*arguments, prefix=("unshare", "-n"))
