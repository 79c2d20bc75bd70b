"""A wheelhouse as somebody would make one for boards without a network, and wheels of releases to come."""

from __future__ import annotations

import re
import subprocess
import sys
import zipfile
from pathlib import Path

from support.commands import ROOT

_TIMEOUT = 600


def wheelhouse(folder: Path, extras: str = "device,fleet") -> str | None:
    """Wheels of this package and of all that it needs, for this machine; why there are none where pip has no index."""
    needed = ["--only-binary=:all:", "--constraint", ROOT / "constraints.txt", f"tbft-edge[{extras}]"]
    for words in (
        ["wheel", "--no-deps", "--wheel-dir", folder, ROOT],
        ["download", "--find-links", folder, "--dest", folder, *needed],
    ):
        command = [sys.executable, "-m", "pip", *words, "--quiet"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_TIMEOUT)
        if done.returncode:
            return done.stderr.strip().splitlines()[-1]
    return None


def of_version(wheel: Path, version: str, *, needs: str | None = None, keywords: str | None = None) -> Path:
    """The same wheel beside it, or in its place, under a version; with another need, or other keywords."""
    name, old, *tags = wheel.name.split("-")
    with zipfile.ZipFile(wheel) as source:
        content = {each: source.read(each) for each in source.namelist()}
    before, after = f"{name}-{old}.dist-info/", f"{name}-{version}.dist-info/"
    lines = [f"Version: {version}", *([f"Requires-Dist: {needs}"] if needs else [])]
    told = re.sub(
        r"^Version: .*$", "\n".join(lines), content[f"{before}METADATA"].decode(), count=1, flags=re.MULTILINE
    )
    if keywords:
        told = re.sub(r"^Keywords: .*$", f"Keywords: {keywords}", told, count=1, flags=re.MULTILINE)
    content[f"{before}METADATA"] = told.encode()
    content[f"{before}RECORD"] = content[f"{before}RECORD"].replace(before.encode(), after.encode())
    made = wheel.with_name("-".join([name, version, *tags]))
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as target:
        for each, data in content.items():
            target.writestr(each.replace(before, after), data)
    return made


def bare(folder: Path) -> Path:
    """A Python such as Debian's: without pip, and without packages."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder / "bin" / "python"
