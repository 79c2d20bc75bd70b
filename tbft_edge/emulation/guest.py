"""A folder with what an emulated process needs: a Debian root, ARM wheels, and this very code."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tbft_edge.console import say

# Debian's release decides the guest's Python.
RELEASE = "bookworm"
PYTHON_VERSION = "3.11"
ROOT_PACKAGES = "libc6,libstdc++6,libgcc-s1,zlib1g,openssl,python3,python3-distutils"
OUR_PACKAGES = ("tbft_edge", "tbft_runtime", "tbft_artifacts")
DEVICE_REQUIREMENTS = ("onnxruntime", "numpy", "pillow", "safetensors", "msgspec", "typer", "rich", "click")
# The newest C library that wheels may ask for on a 64-bit Raspberry Pi OS of this release.
PLATFORMS = ("manylinux_2_28_aarch64", "manylinux_2_17_aarch64")


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
    """Make the guest in `cache`, or reuse what is there; our own code is always copied anew.

    The wheels have the versions that are installed here. Raises UnavailableError if a tool is missing or fails.
    """
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
    code = cache / "code"
    _copy_code(code)
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
                *(sys.executable, "-m", "pip", "install", "--quiet", "--no-compile", "--target", str(temporary)),
                *("--only-binary=:all:", "--no-deps", "--implementation", "cp", "--python-version", PYTHON_VERSION),
                *("--abi", f"cp{PYTHON_VERSION.replace('.', '')}", "--abi", "abi3", "--abi", "none"),
                *platforms,
                *versions,
            ],
            "pip",
        )


def _copy_code(code: Path) -> None:
    shutil.rmtree(code, ignore_errors=True)
    code.mkdir(parents=True)
    for name in OUR_PACKAGES:
        spec = importlib.util.find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        shutil.copytree(Path(spec.origin).parent, code / name, ignore=shutil.ignore_patterns("__pycache__"))
    version = metadata.version("tbft-edge")
    information = code / f"tbft_edge-{version}.dist-info"
    information.mkdir()
    (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: tbft-edge\nVersion: {version}\n")


def installed_versions() -> list[str]:
    """`name==version` of the device's requirements and all they require, as installed here."""
    found: dict[str, str] = {}
    waiting = list(DEVICE_REQUIREMENTS)
    while waiting:
        name = waiting.pop()
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            if name in DEVICE_REQUIREMENTS:
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
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        raise UnavailableError(f"{name} failed: {last}")
