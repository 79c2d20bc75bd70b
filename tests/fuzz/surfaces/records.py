"""run.json, tuning.json and report.json: odd values, broken bytes, depths without end."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_file, change_json, nested, to_json

_FORMATS = ("table", "markdown", "csv", "json", "html")


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """One of the three."""
    return rng.choice((_run_file, _tuning, _report, _report))(desk, rng, folder)


def _broken(path: Path, rng: Random) -> str:
    content = path.read_bytes()
    kind = rng.random()
    if kind < 0.1:
        changed = nested(rng)
        path.write_bytes(changed.value)
    elif kind < 0.3:
        changed = change_file(content, rng)
        path.write_bytes(changed.value)
    else:
        changed = change_json(json.loads(content), rng)
        path.write_bytes(to_json(changed.value))
    return f"{path.name}: {changed.what}"


def _run_file(desk: Desk, rng: Random, folder: Path) -> Case:
    if rng.random() < 0.6:
        shutil.copytree(desk.half, folder / "run")
        return commands.resume(_broken(folder / "run" / "run.json", rng), desk)
    shutil.copytree(desk.run, folder / "run")
    what = _broken(folder / "run" / "run.json", rng)
    if rng.random() < 0.5:
        return Case(
            what, ("finalize", "run", "--out", "model.onnx", "--allow-worse", "--json"), outputs=("model.onnx",)
        )
    return commands.any_of_model(what, desk, "run", rng)


def _tuning(desk: Desk, rng: Random, folder: Path) -> Case:
    shutil.copytree(desk.tuned, folder / "run")
    what = _broken(folder / "run" / "tuning.json", rng)
    return commands.train(what, desk, str(desk.bundle()), "--batch-size", "4")


def _report(desk: Desk, rng: Random, folder: Path) -> Case:
    shutil.copytree(desk.run, folder / "run")
    what = _broken(folder / "run" / "report.json", rng)
    runs = ["run"] if rng.random() < 0.6 else rng.choice((["run", str(desk.run)], [str(desk.resumed), "run"]))
    form = rng.choice(_FORMATS)
    how = ("--json",) if form == "json" else ("--format", form)
    accepted = rng.choice(((), ("--allow-different", "--allow-throttled")))
    return Case(what, ("report", *runs, *how, *accepted))
