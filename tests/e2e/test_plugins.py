"""A package of somebody else brings a meter and a method; beside it one that is broken in every way.

Both are installed for real: pip of each environment takes them from a wheel, without network, into a folder on
PYTHONPATH. The wheel is zipped here as a build makes it of the pyproject.toml, since no build backend is installed.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from support.bundles import read_manifest
from support.commands import DEVICE, EXPORT, HOST, MODELS, ROOT, Ended, Step, refused, run
from support.packages import pip_install, pyproject
from support.toys import save_squares

TINY = pyproject("tbft-tiny", "1.0", meters={"tiny": "tiny_meter:KIND"}, methods={"tiny": "tiny_method:tiny"})
TINY_MODULES = {
    "tiny_meter": '''
"""A lamp that draws 40 W."""
import time
from tbft_runtime.meters.meter import MeterKind, Sample, Source

class Lamp:
    measures, hertz, idle_watts = "watts", 200.0, 2.0
    source = Source(meter="tiny", type="sensor", scope="the lamp")
    def start(self): pass
    def sample(self): return [Sample(time.perf_counter(), 40.0)]
    def stop(self): pass

KIND = MeterKind("tiny", argument=None, needs_argument=False, automatic=True, find=lambda board, _: Lamp())
''',
    "tiny_method": '''
"""The head alone."""
from tbft_export.methods.registry import method
from tbft_export.training_plan import TrainingPlan

@method("tiny")
def tiny(network, options):
    blocks = network.blocks.rear
    return (TrainingPlan("tiny", "tiny", None, blocks, network.inside(blocks), "frozen", 0.1),)
''',
}
BAD = pyproject(
    "tbft-bad",
    "0.1",
    meters={"bad": "bad:KIND", "rapl": "bad:KIND", "ugly": "ugly:KIND", "noisy": "noisy:KIND"},
    methods={"bad": "bad:method", "full": "bad:method", "ugly": "ugly:method"},
)
BAD_MODULES = {
    "bad": "raise ImportError('no libbad.so\\n\\x1b[2J')",
    "ugly": "import sys; sys.exit('no licence')",
    "noisy": "print('thank you'); KIND = None",
}
EXPORT_BY = tuple(EXPORT[: EXPORT.index("--drift")])


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, dict[str, str]]:
    """For each environment the variables with which it finds both packages."""
    found = {}
    for environment in (HOST, DEVICE):
        place = tmp_path_factory.mktemp("packages")
        for project, modules in ((TINY, TINY_MODULES), (BAD, BAD_MODULES)):
            pip_install(environment, project, modules, place / "site", tmp_path_factory.mktemp("wheel"))
        found[environment] = {"PYTHONPATH": f"{place / 'site'}:{MODELS}"}
    return found


@pytest.fixture(scope="module")
def run_folder(packages: dict[Path, dict[str, str]], bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Step:
    """`train --meter tiny`."""
    place = tmp_path_factory.mktemp("run")
    options = ("--data", save_squares(place / "data.npz"), "--out", place / "run", "--epochs", "2", "--threads", "1")
    command = ("train", bundle, *options, "--meter", "tiny", "--json")
    return Step(place / "run", run(DEVICE, *command, variables=packages[DEVICE]))


def in_one_line(ended: Ended) -> None:
    """What is said of the broken package leaves no mark on a terminal, and is no traceback."""
    assert "\x1b" not in ended.out + ended.err
    assert "Traceback" not in ended.out + ended.err
    assert "thank you" not in ended.out.splitlines()


@pytest.mark.long
def test_a_run_is_measured_by_it_and_says_so(run_folder: Step) -> None:
    """In a report that the published schema knows, as of a meter of ours."""
    assert run_folder.json["epochs"] == 2
    report = json.loads((run_folder.path / "report.json").read_text())
    energy = report["result"]["energy"]
    assert (energy["source"]["meter"], energy["source"]["scope"]) == ("tiny", "the lamp")
    assert energy["mean_watts"] == pytest.approx(40)
    assert energy["idle_watts"] == 2
    schema = json.loads((ROOT / "docs" / "report.schema.json").read_text())
    Draft202012Validator(schema).validate(report)


def test_the_report_is_read_where_the_package_is_not(run_folder: Step) -> None:
    """Another board shows it, or this one after the package is gone."""
    assert run_folder.ended.code == 0, run_folder.ended
    ended = run(DEVICE, "report", run_folder.path)
    assert ended.code == 0, ended
    assert "tiny" in ended.out


def test_the_doctor_lists_meters_with_their_package(packages: dict[Path, dict[str, str]]) -> None:
    """Beside ours, which are as ever; a broken one says why, and makes no board unfit."""
    ended = run(DEVICE, "doctor", variables=packages[DEVICE])
    alone = run(DEVICE, "doctor")
    assert ended.code == alone.code
    in_one_line(ended)
    hint = "(hint: update or uninstall tbft-bad)"
    lines = [line for line in ended.out.splitlines() if "from tbft-" in line]
    assert lines == [
        f"· meter bad: from tbft-bad 0.1; cannot be used: ImportError: no libbad.so [2J {hint}",
        f"· meter noisy: from tbft-bad 0.1; cannot be used: it prints when it is imported: 'thank you' {hint}",
        f"· meter rapl: from tbft-bad 0.1; cannot be used: tbft-edge itself has a meter of this name {hint}",
        "· meter tiny: from tbft-tiny 1.0; available: the lamp",
        f"· meter ugly: from tbft-bad 0.1; cannot be used: SystemExit: no licence {hint}",
    ]
    ours = [line for line in ended.out.splitlines() if line.startswith("· meter ") and line not in lines]
    assert ours == [line for line in alone.out.splitlines() if line.startswith("· meter ")]


def test_the_doctor_says_the_same_as_json(packages: dict[Path, dict[str, str]]) -> None:
    """Nothing that a package prints stands between."""
    checks = json.loads(run(DEVICE, "doctor", "--json", variables=packages[DEVICE]).out)
    (tiny,) = (check for check in checks if check["name"] == "meter tiny")
    assert tiny == {"name": "meter tiny", "ok": None, "text": "from tbft-tiny 1.0; available: the lamp", "hint": ""}
    assert {"meter bad", "meter noisy", "meter ugly"} <= {check["name"] for check in checks}


@pytest.mark.parametrize(
    ("meter", "message"),
    [
        ("bad", "the meter 'bad' of tbft-bad 0.1 cannot be used: ImportError: no libbad.so [2J"),
        ("ugly", "the meter 'ugly' of tbft-bad 0.1 cannot be used: SystemExit: no licence"),
        ("noisy", "the meter 'noisy' of tbft-bad 0.1 cannot be used: it prints when it is imported: 'thank you'"),
        ("tiny:kitchen", "the meter tiny takes nothing behind a colon"),
    ],
)
def test_a_meter_that_cannot_be_used_ends_the_command_that_names_it(
    packages: dict[Path, dict[str, str]], bundle: Path, data: Path, tmp_path: Path, meter: str, message: str
) -> None:
    """Before anything is trained."""
    command = ("train", bundle, "--data", data, "--out", tmp_path / "run", "--meter", meter)
    assert refused(run(DEVICE, *command, variables=packages[DEVICE])).message == message
    assert not (tmp_path / "run").exists()


def test_an_unknown_meter_is_told_those_of_packages(
    packages: dict[Path, dict[str, str]], bundle: Path, data: Path, tmp_path: Path
) -> None:
    """By the names under which they can be asked for."""
    command = ("train", bundle, "--data", data, "--out", tmp_path / "run", "--meter", "tin")
    hint = refused(run(DEVICE, *command, variables=packages[DEVICE])).hint
    assert hint.startswith("--meter takes auto, none, pmic")
    assert "tiny" in hint
    assert "rapl, estimate" in hint
    assert hint.count("rapl") == 1


def test_the_help_of_export_names_its_method(packages: dict[Path, dict[str, str]]) -> None:
    """Beside ours, with the package; nothing is imported for it."""
    ended = run(HOST, "export", "--help", variables=packages[HOST])
    assert ended.code == 0, ended
    in_one_line(ended)
    words = " ".join(ended.out.split())
    assert "From other packages: bad (tbft-bad 0.1), tiny (tbft-tiny 1.0), ugly (tbft-bad 0.1)." in words
    assert "Left out: full (tbft-bad 0.1: tbft-edge itself has a method of this name)." in words


def test_the_help_without_packages_says_nothing_of_them() -> None:
    """It is in the documentation."""
    assert "other packages" not in run(HOST, "export", "--help").out


@pytest.mark.long
def test_its_method_exports_and_the_bundle_needs_no_package_to_train(
    packages: dict[Path, dict[str, str]], data: Path, tmp_path: Path
) -> None:
    """The device knows no method by name; train step and PyTorch agreed when it was written."""
    path = tmp_path / "bundle"
    ended = run(HOST, *EXPORT_BY, "--method", "tiny", "--out", path, "--json", variables=packages[HOST])
    assert Step(path, ended).json["method"] == "tiny"
    (plan,) = read_manifest(path).plans
    assert (plan.id, plan.method) == ("tiny-frozen-sgd", "tiny")
    out = tmp_path / "run"
    trained = Step(out, run(DEVICE, "train", path, "--data", data, "--out", out, "--epochs", "1", "--json"))
    assert trained.json["method"] == "tiny"


def test_a_method_that_cannot_be_used_is_one_line(packages: dict[Path, dict[str, str]], tmp_path: Path) -> None:
    """And nothing is written."""
    command = (*EXPORT_BY, "--method", "bad", "--out", tmp_path / "bundle")
    refusal = refused(run(HOST, *command, variables=packages[HOST]))
    assert refusal.message == "the method 'bad' of tbft-bad 0.1 cannot be used: ImportError: no libbad.so [2J"
    assert refusal.hint == "update or uninstall tbft-bad"
    assert not (tmp_path / "bundle").exists()
