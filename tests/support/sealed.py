"""A board with an /etc, /run and /var/lib of its own, on which root installs services: this machine's stay as they are.

Its sshd, and all that Ansible begins there, are in a mount namespace; what they write is seen in a folder from outside.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from support.boards import Boards, sshd
from support.commands import DEVICE, ROOT
from support.systemctl import Systemctl

_TOOLS = ("unshare", "mount", "useradd", "su", "ssh")
# Where Python or the clone lie in the home of root they are shown to the services' user, too.
_SEAL = r"""set -e
cp -a /etc "$PLACE/etc"
mkdir -p "$PLACE/etc/systemd/system" "$PLACE/lib" "$PLACE/seen"
rm -rf "$PLACE"/etc/systemd/system/tbft-edge-* "$PLACE/etc/tbft-edge"
mount --bind "$PLACE/etc" /etc
mount --bind "$PLACE/lib" /var/lib
mount --bind "$PLACE/tools" /usr/local/sbin
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/systemd/system /run/sshd
for path in $SEEN; do mkdir -p "$PLACE/seen$path"; mount --bind "$path" "$PLACE/seen$path"; done
mount -t tmpfs -o mode=755 tmpfs /root
for path in $SEEN; do mkdir -p "$path"; mount --bind "$PLACE/seen$path" "$path"; done
grep -q ^tbft-edge: /etc/passwd || useradd --system --user-group --no-create-home --shell /usr/sbin/nologin tbft-edge
install -d -m 0700 -o tbft-edge /var/lib/tbft-edge /var/lib/tbft-edge/program
ln -s "$PROGRAM" /var/lib/tbft-edge/program/venv
exec "$@"
"""


def why_not() -> str | None:
    """Why there can be none here."""
    if os.geteuid() != 0:
        return "installing services takes root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing or sshd() is None:
        return f"{', '.join(missing) or 'sshd'} not installed"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return None if tried.returncode == 0 else "this machine gives out no namespaces"


@dataclass(frozen=True)
class Sealed:
    """One that runs; `place` is where its folders are seen from here."""

    place: Path
    port: int
    systemctl: Systemctl

    @property
    def etc(self) -> Path:
        return self.place / "etc"

    @property
    def own(self) -> Path:
        """What is /var/lib/tbft-edge there."""
        return self.place / "lib" / "tbft-edge"

    def unit(self, name: str) -> Path:
        return self.etc / "systemd" / "system" / name


def sealed(boards: Boards, name: str, place: Path) -> Sealed:
    """Begin it as the board `name`, for as long as the others run; the program is in /var/lib/tbft-edge/program."""
    tools = Systemctl(place / "tools", Path("/etc/systemd/system"))
    tools.put()
    seen = sorted({str(path) for path in (ROOT, Path(sys.base_prefix)) if not path.is_relative_to("/usr")})
    told = {"PLACE": str(place), "SEEN": " ".join(seen), "PROGRAM": str(DEVICE.parent)}
    words = [f"{key}={value}" for key, value in told.items()]
    boards.start(name, within=["env", *words, "unshare", "--mount", "sh", "-c", _SEAL, "sh"])
    return Sealed(place, boards.ports[name], tools)
