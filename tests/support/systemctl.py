"""A stand-in for `systemctl` where no systemd runs: it notes what it is told, and which units are enabled and run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_SCRIPT = """#!/bin/sh
# A unit that is not there, as it is written, can be neither enabled nor begun.
cd "{folder}" || exit 1
[ "$1" = show ] || echo "$*" >> told
for name; do :; done
case "$*" in
    daemon-reload) rm -rf read && mkdir read && cp "{units}"/tbft-edge-* read/ 2>/dev/null; exit 0 ;;
    show*)
        [ -e "active/$name" ] && echo ActiveState=active || echo ActiveState=inactive
        [ -e "enabled/$name" ] && echo UnitFileState=enabled || echo UnitFileState=disabled
        cmp -s "{units}/$name" "read/$name" && echo NeedDaemonReload=no || echo NeedDaemonReload=yes ;;
    disable*) rm -f "enabled/$name" "active/$name" ;;
    *)
        cmp "{units}/$name" "read/$name" >&2 || exit 1
        [ "$1" = enable ] && touch "enabled/$name"
        [ "$1" = enable ] && [ "$2" != --now ] || touch "active/$name" ;;
esac
"""


@dataclass(frozen=True)
class Systemctl:
    """It lies in `folder`, which belongs into a PATH, and is about the units in `units`."""

    folder: Path
    units: Path

    def put(self) -> None:
        for name in ("", "active", "enabled", "read"):
            (self.folder / name).mkdir()
        script = self.folder / "systemctl"
        script.write_text(_SCRIPT.format(folder=self.folder, units=self.units))
        script.chmod(0o755)

    def told(self) -> list[str]:
        """What it was told to change since the last time that somebody asked here."""
        file = self.folder / "told"
        found = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return found

    def runs(self, name: str) -> bool:
        """Whether a unit was begun, and begins with the machine."""
        return (self.folder / "active" / name).exists() and (self.folder / "enabled" / name).exists()
