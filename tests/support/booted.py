"""A systemd of its own, for a service that is installed and started for real: in namespaces, on a copy of the root.

Nothing of it is left, or was ever seen outside: what it writes lies in memory, and it has no network but loopback.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from support.commands import DEVICE, ROOT

SYSTEMD = Path("/lib/systemd/systemd")
_TOOLS = ("unshare", "nsenter", "systemctl", "useradd", "mount", "pivot_root")
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_BOOT_SECONDS = 30.0
_BOOT = r"""
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$PLACE"
mkdir "$PLACE/upper" "$PLACE/work" "$PLACE/root"
R=$PLACE/root
mount -t overlay overlay -o "lowerdir=/,upperdir=$PLACE/upper,workdir=$PLACE/work" "$R"
mount -t proc proc "$R/proc"
mount --bind "$R/proc/sys" "$R/proc/sys"; mount -o remount,bind,ro "$R/proc/sys"
mount -t sysfs -o ro sys "$R/sys"
mount -t cgroup2 cgroup2 "$R/sys/fs/cgroup"
mount -t tmpfs -o mode=755 tmpfs "$R/run"
mount -t tmpfs -o mode=755 tmpfs "$R/dev"
mkdir "$R/dev/shm" "$R/dev/pts"
for name in null zero full random urandom tty; do touch "$R/dev/$name"; mount --bind "/dev/$name" "$R/dev/$name"; done
mount -t devpts -o newinstance,ptmxmode=666 devpts "$R/dev/pts"; ln -s pts/ptmx "$R/dev/ptmx"
touch "$R/dev/console"; mount --bind /dev/null "$R/dev/console"
mount -t tmpfs -o mode=1777 tmpfs "$R/tmp"
for path in $SEEN; do
    mkdir -p "$R$path"; mount --bind "$path" "$R$path"; mount -o remount,bind,ro "$R$path"
done
echo 0123456789abcdef0123456789abcdef > "$R/etc/machine-id"
rm -rf "$R"/etc/systemd/system/*.wants
for name in setup clean; do ln -sf /dev/null "$R/etc/systemd/system/systemd-tmpfiles-$name.service"; done
printf '[Unit]\nDefaultDependencies=no\nWants=systemd-journald.service\n' > "$R/etc/systemd/system/alone.target"
cd "$R"; mkdir outside; pivot_root . outside; cd /; umount -l /outside
exec env -i container=unshare PATH="$PATH" "$SYSTEMD" --system --unit=alone.target --log-target=journal
"""
_LOOPBACK = "import fcntl,socket,struct;fcntl.ioctl(socket.socket(),0x8914,struct.pack('16sh14x',b'lo',0x49))"


def why_not() -> str | None:
    """Why none can be booted here, before it is tried."""
    if os.geteuid() != 0:
        return "booting systemd takes root"
    missing = [tool for tool in _TOOLS if shutil.which(tool, path=_PATH) is None]
    if missing or not SYSTEMD.exists():
        return f"{', '.join(missing) or SYSTEMD} not installed"
    return None if _groups() is not None else "control groups of version 2 are not mounted"


def _groups() -> Path | None:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None


@dataclass(frozen=True)
class Booted:
    """Commands run in it by `run`; `pid` is its first process as it is seen from here."""

    pid: int

    def run(self, *words: str | Path, check: bool = True) -> str:
        """What a command prints, words and errors in one."""
        inside = ["env", "-i", f"PATH={_PATH}", "sh", "-c", 'cd / && exec "$@"', "sh", *map(str, words)]
        command = ["nsenter", "-t", str(self.pid), "-a", *inside]
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        assert not check or ended.returncode == 0, (words, ended.stdout)
        return ended.stdout

    def tbft_edge(self, *words: str | Path) -> str:
        return self.run(DEVICE / "python", "-m", "tbft_edge", *words)

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run("systemctl", "show", unit, "--property", name, "--value").strip()


@contextlib.contextmanager
def booted(place: Path) -> Iterator[Booted | None]:
    """One that runs; None where this machine does not let it."""
    top = _groups()
    assert top is not None
    group = top / f"tbft-edge-test-{os.getpid()}"
    seen = {str(path) for path in (ROOT, Path(sys.base_prefix)) if not path.is_relative_to("/usr")}
    variables = {"PATH": _PATH, "PLACE": str(place), "SYSTEMD": str(SYSTEMD), "SEEN": " ".join(sorted(seen))}
    try:
        group.mkdir()
        (group / "cgroup.procs").touch()
    except OSError:
        yield None
        return
    join = f"echo $$ > {shlex.quote(str(group / 'cgroup.procs'))} && exec "
    words = ["unshare", "--fork", "--pid", "--mount", "--uts", "--ipc", "--cgroup", "--net", "sh", "-c", _BOOT]
    process = subprocess.Popen(
        ["sh", "-c", join + shlex.join(words)], env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield _up(group, process)
    finally:
        _end(group, process)


def _up(group: Path, process: subprocess.Popen[bytes]) -> Booted | None:
    ends = time.monotonic() + _BOOT_SECONDS
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError, IndexError):
            found = Booted(int((group / "init.scope" / "cgroup.procs").read_text().split()[0]))
            if found.run("systemctl", "is-system-running", check=False).strip() in ("running", "degraded"):
                found.run(sys.executable, "-c", _LOOPBACK)
                return found
        time.sleep(0.2)
    return None


def _end(group: Path, process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")
    process.kill()
    process.wait()
    folders = sorted((path for path in group.rglob("*") if path.is_dir()), key=lambda path: -len(path.parts))
    for folder in (*folders, group):
        for _ in range(50):  # What was killed is on its way out.
            try:
                folder.rmdir()
                break
            except OSError:
                time.sleep(0.1)
