"""A folder with what an emulated process needs: a Debian root, ARM wheels, and this very code."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tbft_artifacts.locks import open_lock, take
from tbft_artifacts.rights import BY_UMASK
from tbft_edge.console import say
from tbft_edge.process import run_program

# Debian's release decides the guest's Python.
RELEASE = "bookworm"
PYTHON_VERSION = "3.11"
ROOT_PACKAGES = "libc6,libstdc++6,libgcc-s1,zlib1g,openssl,python3,python3-distutils"
OUR_PACKAGES = ("tbft_edge", "tbft_agent", "tbft_fleet", "tbft_runtime", "tbft_artifacts")
DEVICE_REQUIREMENTS = ("onnxruntime", "numpy", "pillow", "safetensors", "msgspec", "typer", "rich", "click")
# The newest C library that wheels may ask for on a 64-bit Raspberry Pi OS of this release.
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64")

# How long code that was copied may be in use.
CODE_SECONDS = 24 * 3600


class UnavailableError(Exception):
    """One way of emulating does not work here; the message says why."""


@dataclass(frozen=True)
class Guest:
    """`root` is a Debian file system for arm64, `packages` holds wheels, `code` our packages."""

    root: Path
    packages: Path
    code: Path

    @property
    def python(self) -> Path:
        return self.root / "usr" / "bin" / f"python{PYTHON_VERSION}"

    @property
    def starter(self) -> Path:
        """Beside it, where Python finds its library: what starts it under the emulator."""
        return self.python.with_name("python-emulated")


def cache_folder() -> Path:
    """Where guests are kept: `TBFT_EDGE_CACHE`, or below the user's cache folder."""
    if "TBFT_EDGE_CACHE" in os.environ:
        return Path(os.environ["TBFT_EDGE_CACHE"])
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "tbft-edge"


def prepare_guest(cache: Path) -> Guest:
    """Make the guest in `cache`, or reuse what is there: one process at a time, others wait.

    The wheels have the versions that are installed here. Raises UnavailableError if a tool is missing or fails.
    """
    cache.mkdir(parents=True, exist_ok=True)
    file = open_lock(cache / "lock", BY_UMASK)
    try:
        take(file, wait=True)
        return _prepare(cache)
    finally:
        os.close(file)


def _prepare(cache: Path) -> Guest:
    versions = installed_versions()
    key = hashlib.sha256(repr(versions).encode()).hexdigest()[:12]
    root = cache / f"root-{RELEASE}"
    packages = cache / f"packages-{key}"
    if not root.exists():
        say(f"making an arm64 Debian {RELEASE} root in {root}")
        _make_root(root)
    if not packages.exists():
        say(f"downloading arm64 wheels into {packages}")
        _install_packages(packages, versions)
    ours = _our_packages()
    code = cache / f"code-{_digest(ours)}"
    if not code.exists():
        _remove_older_code(cache)
        _copy_code(ours, code)
    return Guest(root, packages, code)


def _make_root(root: Path) -> None:
    tool = shutil.which("mmdebstrap")
    if tool is None:
        raise UnavailableError("mmdebstrap is not installed (Debian: apt-get install mmdebstrap)")
    # Only unpacked, not configured: nothing in it has to run but Python.
    options = ["--quiet", "--variant=extract", "--arch=arm64", f"--include={ROOT_PACKAGES}"]
    with _complete(root) as temporary:
        _run([tool, *options, RELEASE, str(temporary)], "mmdebstrap")
        (temporary / "proc").mkdir(exist_ok=True)


def _install_packages(packages: Path, versions: Sequence[str]) -> None:
    with _complete(packages) as temporary:
        platforms = [word for name in PLATFORMS for word in ("--platform", name)]
        _run(
            [
                *(sys.executable, "-P", "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(temporary)),
                *("--only-binary=:all:", "--no-deps", "--implementation", "cp", "--python-version", PYTHON_VERSION),
                *("--abi", f"cp{PYTHON_VERSION.replace('.', '')}", "--abi", "abi3", "--abi", "none"),
                *platforms,
                *versions,
            ],
            "pip",
        )


def _our_packages() -> list[Path]:
    """The folders of our packages, wherever they are installed."""
    return [Path(str(importlib.import_module(name).__file__)).parent for name in OUR_PACKAGES]


def _digest(packages: Sequence[Path]) -> str:
    """Of every file of our packages: another process may be running what was copied before a change."""
    digest = hashlib.sha256()
    for package in packages:
        for path in sorted(each for each in package.rglob("*") if each.is_file() and each.parent.name != "__pycache__"):
            content = path.read_bytes()
            digest.update(f"{path.relative_to(package.parent)} {len(content)} ".encode() + content)
    return digest.hexdigest()[:12]


def _remove_older_code(cache: Path) -> None:
    """What was copied longer ago than any emulated process runs."""
    for older in cache.glob("code-*"):
        if time.time() - older.stat().st_mtime > CODE_SECONDS:
            shutil.rmtree(older)


def _copy_code(packages: Sequence[Path], code: Path) -> None:
    with _complete(code) as temporary:
        for package in packages:
            shutil.copytree(package, temporary / package.name, ignore=shutil.ignore_patterns("__pycache__"))
        version = metadata.version("tbft-edge")
        information = temporary / f"tbft_edge-{version}.dist-info"
        information.mkdir()
        (information / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: tbft-edge\nVersion: {version}\n", encoding="utf-8"
        )


def installed_versions(requirements: Sequence[str] = DEVICE_REQUIREMENTS) -> list[str]:
    """`name==version` of requirements, the device's by default, and all they require, as installed here."""
    found: dict[str, str] = {}
    waiting = list(requirements)
    while waiting:
        name = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name in requirements:
                raise UnavailableError(f"package '{name}' is not installed here; use the device environment") from None
            continue
        canonical = distribution.metadata["Name"].lower().replace("_", "-")
        if canonical in found:
            continue
        found[canonical] = distribution.version
        for requirement in distribution.requires or ():
            words = requirement.partition(";")
            if "extra" not in words[2]:
                waiting.append(_project_name(words[0]))
    return sorted(f"{name}=={version}" for name, version in found.items())


def _project_name(requirement: str) -> str:
    """`numpy` of `numpy>=1.26 ; python_version > "3"`."""
    name = requirement.strip()
    for character in "[<>=!~ (":
        name = name.partition(character)[0]
    return name


@contextlib.contextmanager
def _complete(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when the block ends well: an interrupted one is made again."""
    temporary = folder.with_name(f"{folder.name}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    yield temporary
    temporary.rename(folder)


def _run(command: Sequence[str], name: str) -> None:
    done = run_program(command)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UnavailableError(f"{name} failed: {last}")
