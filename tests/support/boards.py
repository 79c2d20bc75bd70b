"""Boards that Ansible reaches: an sshd for each, on loopback unless they have a network; without one, mere folders."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from support.commands import DEVICE, ROOT, surroundings
from support.peaks import family
from support.services import free_port

ANSIBLE = ROOT / ".venv" / "ansible" / "bin"
_RECAP = re.compile(r"^(\S+)\s+: (ok=\d+ .*)$", re.MULTILINE)
_PATIENCE = 20.0
# SHLVL: else Debian's bash reads the ~/.bashrc of whoever runs this for every command, which a board has not.
_SSHD = """Port {port}
ListenAddress {address}
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
StrictModes no
PermitRootLogin prohibit-password
SetEnv SHLVL=1
Subsystem sftp internal-sftp
"""
_CONFIG = """[defaults]
host_key_checking = False
retry_files_enabled = False
forks = 3
remote_tmp = {home}/tmp
[ssh_connection]
pipelining = True
control_path_dir = {sockets}
ssh_args = -o ControlMaster=auto -o ControlPersist=60s
    -o UserKnownHostsFile=/dev/null -o IdentitiesOnly=yes -o ConnectTimeout=5
"""


@dataclass(frozen=True)
class Played:
    """How a playbook ended: what was said, and what came of each host."""

    code: int
    said: str

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        return {
            name: {word.partition("=")[0]: int(word.partition("=")[2]) for word in counts.split()}
            for name, counts in _RECAP.findall(self.said)
        }


@dataclass(frozen=True)
class Spot:
    """Where a board is: address and port (None: any free one) of its sshd, and what a command there begins with."""

    address: str = "127.0.0.1"
    port: int | None = None
    enter: tuple[str, ...] = ()


@dataclass
class Boards:
    """Three of them in `folder`, by their names, with the program of `environment`; those in `off` do not answer.

    All are of the group porch but those in `groups`, and on loopback but those in `spots`.
    """

    folder: Path
    names: tuple[str, ...] = ("pi1", "pi2", "pi3")
    environment: Path = DEVICE.parent
    spots: Mapping[str, Spot] = field(default_factory=dict)
    groups: Mapping[str, str] = field(default_factory=dict)
    off: set[str] = field(default_factory=set)
    ports: dict[str, int] = field(default_factory=dict)
    daemons: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def start(self, name: str, within: Sequence[str] = ()) -> None:
        """Let an sshd answer for a board, at the port that it has, or gets; `within` are words that begin it."""
        spot = self.spot(name)
        if name not in self.ports:
            (self.folder / name).mkdir(exist_ok=True)
            self.ports[name] = spot.port or free_port()
            _set_up(self.folder / name, self.folder / "id.pub", spot.address, self.ports[name])
        words = [*spot.enter, *within, sshd() or "sshd", "-D", "-e", "-f", str(self.folder / name / "sshd_config")]
        self.daemons[name] = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        _wait_for((spot.address, self.ports[name]), self.daemons[name])

    def spot(self, name: str) -> Spot:
        """Where a board is."""
        return self.spots.get(name, Spot())

    def cut(self, name: str) -> None:
        """What a board's lost power ends: its sshd, and all that this began."""
        for pid, _ in reversed(family(self.daemons[name].pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.daemons.pop(name).wait()

    def stop(self) -> None:
        """End the sshd of each, and what connections to it left there."""
        for name in [*self.daemons]:
            self.cut(name)

    def state(self, name: str) -> Path:
        """The board's own folder."""
        return self.folder / name / "tbft" / "fleet"

    def runs(self) -> dict[str, int]:
        """Which release runs on each board; 0 where there is none yet."""
        found = {}
        for name in self.names:
            pointer = self.state(name) / "releases" / "current"
            found[name] = int(pointer.read_text()) if pointer.exists() else 0
        return found

    def last_update(self, name: str) -> dict[str, Any]:
        """What a board notes of the release that it took or gave back last."""
        found: dict[str, Any] = json.loads((self.state(name) / "update.json").read_text(encoding="utf-8"))
        return found

    def inventory(self, images: dict[str, Path]) -> Path:
        """What Ansible is told of them; where there is no sshd, a board that is off is looked for at a closed port."""
        hosts = {}
        for name in self.names:
            ssh = {
                "ansible_host": self.spot(name).address,
                "ansible_port": self.ports.get(name) if name not in self.off else free_port(),
                "ansible_user": getpass.getuser(),
                "ansible_ssh_private_key_file": str(self.folder / "id"),
            }
            local = {"ansible_connection": "local"}
            hosts[name] = {
                **(ssh if self.ports or name in self.off else local),
                "device_prefix": str(self.folder / name / "program"),
                "device_state": str(self.state(name)),
                "device_images": str(images[name]),
                "device_group": self.groups.get(name, "porch"),
            }
        shared = {
            "ansible_python_interpreter": str(self.environment / "bin" / "python"),
            "ansible_async_dir": str(self.folder / "home" / "async"),
            "device_service": False,
            "device_controller": str(self.environment / "bin" / "tbft-edge"),
        }
        path = self.folder / "inventory.json"
        path.write_text(json.dumps({"all": {"hosts": hosts, "vars": shared}}))
        return path

    def play(
        self, name: str, inventory: Path, variables: dict[str, object], heard: Callable[[str], None] | None = None
    ) -> Played:
        """A playbook of the collection, as somebody would run it; `heard` is told each line as it comes."""
        command = [ANSIBLE / "ansible-playbook", "-i", inventory, f"tbft.edge.{name}", "-e", json.dumps(variables)]
        told = {
            "ANSIBLE_COLLECTIONS_PATH": str(self.folder / "collections"),
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_NOCOLOR": "1",
            "LC_ALL": "C.UTF-8",
        }
        said = []
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=surroundings(told)
        ) as process:
            assert process.stdout is not None
            with _ending(process):
                for line in process.stdout:
                    said.append(line)
                    if heard is not None:
                        heard(line.rstrip())
        return Played(process.returncode, "".join(said))


@contextlib.contextmanager
def boards(
    folder: Path,
    environment: Path = DEVICE.parent,
    spots: Mapping[str, Spot] = MappingProxyType({}),
    groups: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Boards]:
    """Each with the program of one of this machine's environments, and the collection installed beside them."""
    found = Boards(folder, environment=environment, spots=spots, groups=groups)
    galaxy = [ANSIBLE / "ansible-galaxy", "collection", "install", ROOT / "ansible", "-p", folder / "collections"]
    told = surroundings({"ANSIBLE_HOME": str(folder / "home"), "LC_ALL": "C.UTF-8"})
    subprocess.run(galaxy, check=True, capture_output=True, env=told)
    for name in found.names:
        program = folder / name / "program"
        program.mkdir(parents=True)
        (program / "venv").symlink_to(environment)
        found.state(name).parent.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        # Not in `folder`: the name of a socket has 107 characters at most.
        sockets = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        (folder / "ansible.cfg").write_text(_CONFIG.format(sockets=sockets, home=folder / "home"))
        if sshd() is not None:
            stack.callback(found.stop)
            _key(folder / "id")
            for name in found.names:
                found.start(name)
        yield found


def sshd() -> str | None:
    """The program, where that and `ssh` are installed."""
    found = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/sbin")
    return found if shutil.which("ssh") is not None else None


@contextlib.contextmanager
def _ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Whoever leaves before its end ends it: Popen itself would wait."""
    try:
        yield
    except BaseException:
        process.terminate()
        raise


def _set_up(folder: Path, allowed: Path, address: str, port: int) -> None:
    """What an sshd for whoever runs the tests needs."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    _key(folder / "host")
    shutil.copy(allowed, folder / "authorized_keys")
    (folder / "sshd_config").write_text(_SSHD.format(address=address, port=port, folder=folder))


def _wait_for(address: tuple[str, int], process: subprocess.Popen[bytes]) -> None:
    ends = time.monotonic() + _PATIENCE
    while time.monotonic() < ends:
        assert process.poll() is None, "sshd ended"
        with contextlib.suppress(OSError), socket.create_connection(address, timeout=1):
            return
        time.sleep(0.05)
    raise AssertionError(f"no sshd at {address} in {_PATIENCE} s")


def _key(path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
