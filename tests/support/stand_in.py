"""Build and run Dockerfile.arm64 without a registry of images: on a stand-in for its base.

The stand-in is a Debian root for arm64 with Python, imported under the tag that the Dockerfile names,
into a storage folder of its own, so that it is never mistaken for the published image. That proves the
Dockerfile's instructions, the arm64 wheels and the non-root, read-only run; not the published base.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_edge.emulation.cpus import Cpu

TOOLS = ("buildah", "podman", "runc", "mmdebstrap")
BASE_PACKAGES = (
    "base-passwd,bash,ca-certificates,coreutils,dash,libc-bin,libc6,libgcc-s1,libpam-modules,libstdc++6,login,"
    "openssl,passwd,python3,python3-distutils,python3-venv,python3-pip-whl,python3-setuptools-whl,sed,zlib1g"
)
REPOSITORY = Path(__file__).parents[2]
DOCKERFILE = REPOSITORY / "Dockerfile.arm64"
IMAGE = "tbft-edge:arm64"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


# What podman-compose takes beside it: networks with names and published ports, and the first process of a container.
COMPOSE_TOOLS = ("podman-compose", "catatonit", "iptables")


def why_not_composed() -> str | None:
    """Why no compose file can be run here, or None if it can."""
    missing = [tool for tool in COMPOSE_TOOLS if shutil.which(tool) is None]
    if not Path("/usr/lib/podman/netavark").exists():
        missing.append("netavark")
    return f"{', '.join(missing)} not installed" if missing else None


def why_not() -> str | None:
    """Why no image can be built here, or None if it can."""
    if os.geteuid() != 0:
        return "building an image takes root"
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        return f"{', '.join(missing)} not installed"
    if not Path("/proc/sys/fs/binfmt_misc/qemu-aarch64").exists():
        return "the kernel does not hand arm64 programs to QEMU (Debian: qemu-user-static and binfmt-support)"
    return None


@dataclass(frozen=True)
class StandIn:
    """An image builder with its own storage in `folder`, emulating `cpu`."""

    folder: Path
    cpu: Cpu

    def build(self) -> None:
        """Make the stand-in base, and the image of Dockerfile.arm64 on it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._write_settings()
        root = self.folder / "base"
        options = ["--quiet", "--variant=extract", "--arch=arm64", f"--include={BASE_PACKAGES}"]
        self._run(["mmdebstrap", *options, "bookworm", str(root)])
        self._finish_root(root)
        container = self._run(["buildah", *self._storage, "from", "--arch", "arm64", "scratch"]).strip()
        self._run(["buildah", *self._storage, "add", "--quiet", container, str(root), "/"])
        path = "PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        self._run(["buildah", *self._storage, "config", "--env", path, container])
        for tag in self._base_tags():
            self._run(["buildah", *self._storage, "commit", "--quiet", container, tag])
        build = ["bud", "--arch", "arm64", "--pull-never", "--file", str(DOCKERFILE), "--tag", IMAGE]
        self._run(["buildah", *self._storage, *build, str(REPOSITORY)])

    def run(self, arguments: Sequence[str], volumes: Sequence[tuple[Path, str, str]], memory: str) -> str:
        """Run `tbft-edge arguments…` in the image: read-only, without a network, under `memory`."""
        command = ["run", "--rm", "--pull=never", "--arch", "arm64", "--network=none", "--memory", memory]
        command += ["--read-only", "--tmpfs", "/tmp"]
        for here, there, mode in volumes:
            command += ["--volume", f"{here}:{there}:{mode}"]
        return self._run(["podman", *self._storage, *command, IMAGE, *arguments])

    def composed(self, project: Path, *words: str) -> str:
        """`podman-compose words…` for the compose.yaml in `project`, whose images are those that were built here."""
        return self._run(["podman-compose", "--podman-path", str(self._podman()), *words], project)

    def executed(self, container: str, *words: str) -> str:
        """What `words` print that run in a container which is up."""
        return self._run(["podman", *self._storage, "exec", container, *words])

    def _podman(self) -> Path:
        """podman, with this storage."""
        path = self.folder / "podman"
        path.write_text(f'#!/bin/sh\nexec podman {shlex.join(self._storage)} "$@"\n')
        path.chmod(0o755)
        return path

    @property
    def _storage(self) -> list[str]:
        return ["--root", str(self.folder / "storage"), "--runroot", str(self.folder / "run")]

    def _base_tags(self) -> list[str]:
        return sorted({f"docker.io/library/{tag}" for tag in re.findall(r"^FROM (\S+)", DOCKERFILE.read_text(), re.M)})

    def _finish_root(self, root: Path) -> None:
        """What the packages' scripts, which an extracted root did not run, would have made."""
        shutil.copy(root / "usr/share/base-passwd/passwd.master", root / "etc/passwd")
        shutil.copy(root / "usr/share/base-passwd/group.master", root / "etc/group")
        (root / "etc/shadow").touch()
        (root / "usr/local/bin").mkdir(parents=True, exist_ok=True)
        for name in ("python", "python3"):
            (root / "usr/local/bin" / name).symlink_to("/usr/bin/python3.11")
        if not (root / "bin/sh").exists():
            (root / "bin/sh").symlink_to("dash")

    def _write_settings(self) -> None:
        """Container settings for a machine whose control groups and network are not podman's default."""
        (self.folder / "cpuinfo").write_text(self.cpu.cpuinfo())
        (self.folder / "pip.conf").write_text(f"[global]\ncert = {CERTIFICATES}\n")
        volumes = [f"{self.folder / 'cpuinfo'}:/proc/cpuinfo:ro", f"{self.folder / 'pip.conf'}:/etc/pip.conf:ro"]
        if CERTIFICATES.exists():
            volumes.append(f"{CERTIFICATES}:{CERTIFICATES}:ro")
        listed = ", ".join(f'"{volume}"' for volume in volumes)
        (self.folder / "containers.conf").write_text(
            '[containers]\ndefault_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]\nnetns = "host"\n'
            f'volumes = [{listed}]\nenv = ["QEMU_CPU={self.cpu.name}"]\n'
            '[engine]\nruntime = "runc"\ncgroup_manager = "cgroupfs"\nevents_logger = "file"\n'
        )

    def _run(self, command: Sequence[str], folder: Path | None = None) -> str:
        settings = {"CONTAINERS_CONF": str(self.folder / "containers.conf")}
        done = subprocess.run(
            command, env=os.environ | settings, capture_output=True, text=True, check=False, cwd=folder
        )
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:6])} … failed: {done.stderr.strip()[-2000:]}")
        return done.stdout
