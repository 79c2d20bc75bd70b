"""Small packages that bring a meter or a method, installed beside tbft-edge."""

from __future__ import annotations

import json
import subprocess
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def pyproject(name: str, version: str, **groups: Mapping[str, str]) -> str:
    """What its author writes; `meters` and `methods` map names to what their entry points name."""
    lines = ["[project]", f'name = "{name}"', f'version = "{version}"']
    for group, entries in groups.items():
        lines += ["", f'[project.entry-points."tbft_edge.{group}"]']
        lines += [f"{json.dumps(entry)} = {json.dumps(value)}" for entry, value in entries.items()]
    return "\n".join(lines)


def lay_out(folder: Path, project: str, modules: Mapping[str, str]) -> Path:
    """Write into `folder` what a build makes of a pyproject.toml: the modules, and a .dist-info, which is returned."""
    declared = tomllib.loads(project)["project"]
    name, version = declared["name"], declared["version"]
    sections = [
        "\n".join([f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items())])
        for group, entries in declared["entry-points"].items()
    ]
    record = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    record.mkdir(parents=True)
    (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (record / "WHEEL").write_text("Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    (record / "entry_points.txt").write_text("\n\n".join(sections) + "\n")
    for module, code in modules.items():
        (folder / f"{module}.py").write_text(code)
    files = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    (record / "RECORD").write_text("".join(f"{file},,\n" for file in [*files, f"{record.name}/RECORD"]))
    return record


def pip_install(environment: Path, project: str, modules: Mapping[str, str], target: Path, work: Path) -> None:
    """Have pip of an environment install the package into the folder `target`, from a wheel and without network."""
    record = lay_out(work / "unpacked", project, modules)
    wheel = work / f"{record.name.removesuffix('.dist-info')}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path in (work / "unpacked").rglob("*"):
            archive.write(path, path.relative_to(work / "unpacked"))
    command = [environment / "python", "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-compile"]
    subprocess.run([*command, "--disable-pip-version-check", "--target", target, wheel], check=True, timeout=120)
