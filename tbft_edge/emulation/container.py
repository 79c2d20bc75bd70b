"""Run the container image for arm64 with docker or podman, which emulate through QEMU."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_edge.emulation.cpus import Cpu
from tbft_edge.emulation.guest import UnavailableError
from tbft_edge.process import run_program

IMAGE = "tbft-edge:arm64"
BUILD_HINT = "docker buildx build --platform linux/arm64 -f Dockerfile.arm64 -t tbft-edge:arm64 --load ."
ENGINES = ("docker", "podman")
_RUN = "{} run --rm --platform linux/arm64 --pull=never --network=none --entrypoint python"


@dataclass(frozen=True)
class ContainerEngine:
    """`program` can run the image `IMAGE`."""

    program: str

    def run(
        self, arguments: Sequence[str], cpu: Cpu, *, memory: int | None, volumes: Sequence[tuple[Path, str, str]]
    ) -> str:
        """Run `python arguments…` in the image, without a network; returns what it prints.

        `volumes` are (folder here, folder there, "ro" or "rw"). Raises TbftError if the program fails.
        """
        command = [
            *_RUN.format(self.program).split(),
            "--read-only",
            "--tmpfs",
            "/tmp",
            "--env",
            f"QEMU_CPU={cpu.name}",
        ]
        if memory is not None:
            command += ["--memory", str(memory)]
        for here, there, mode in volumes:
            command += ["--volume", f"{here}:{there}:{mode}"]
        done = run_program([*command, IMAGE, *arguments])
        if done.returncode:
            last = (done.stderr.strip() or "no message").splitlines()[-1]
            hint = "build the image again, or raise --memory"
            raise TbftError(f"{self.program} run failed (exit code {done.returncode}): {last}", hint)
        return done.stdout


def container_engine(program: str) -> ContainerEngine:
    """Raises UnavailableError if `program` is missing, has no engine, or has not built the image."""
    if shutil.which(program) is None:
        raise UnavailableError(f"{program} is not installed")
    if _fails([program, "info"]):
        raise UnavailableError(f"{program} has no engine running")
    if _fails([program, "image", "inspect", IMAGE]):
        raise UnavailableError(f"{program} has no image {IMAGE}; build it with: {BUILD_HINT}")
    if _fails([*_RUN.format(program).split(), IMAGE, "-c", "pass"]):
        raise UnavailableError(f"{program} cannot run arm64 programs here (Debian: qemu-user-static, binfmt-support)")
    return ContainerEngine(program)


def _fails(command: Sequence[str]) -> bool:
    return run_program(command).returncode != 0
