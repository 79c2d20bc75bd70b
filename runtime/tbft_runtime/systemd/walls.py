"""What a service may not do, whatever it is told (systemd.exec(5))."""

from __future__ import annotations

from pathlib import Path

from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.syntax import settings, word


def walls() -> list[str]:
    """ONNX Runtime writes no code of its own: on ARM, too, none of its memory is both written and executed."""
    return settings(
        NoNewPrivileges="yes",
        CapabilityBoundingSet="",
        AmbientCapabilities="",
        ProtectKernelTunables="yes",
        ProtectKernelModules="yes",
        ProtectKernelLogs="yes",
        ProtectControlGroups="yes",
        ProtectClock="yes",
        ProtectHostname="yes",
        ProtectProc="invisible",
        RestrictAddressFamilies="AF_INET AF_INET6 AF_UNIX",
        RestrictNamespaces="yes",
        RestrictRealtime="yes",
        RestrictSUIDSGID="yes",
        LockPersonality="yes",
        MemoryDenyWriteExecute="yes",
        RemoveIPC="yes",
        KeyringMode="private",
        SystemCallArchitectures="native",
        SystemCallFilter=["@system-service", "~@privileged"],
        SystemCallErrorNumber="EPERM",
    )


def file_system(places: Places) -> list[str]:
    """All of it is read only, but for what the service writes; what is hidden is bound there where it is needed."""
    return [
        *settings(ProtectSystem="strict", ProtectHome="tmpfs" if places.is_in_homes else "yes", PrivateTmp="yes"),
        *settings(ReadWritePaths=_words(places.written, places.state)),
        *settings(BindPaths=_words(places.bound_to_write, places.state)),
        *settings(BindReadOnlyPaths=_words(places.bound_to_read, places.state)),
    ]


def devices(paths: tuple[str, ...]) -> list[str]:
    """Those of `paths`, and no others."""
    if not paths:
        return settings(PrivateDevices="yes")
    return [
        "# Power and throttling are told by devices.",
        *settings(DevicePolicy="closed", DeviceAllow=[f"{word(device)} rw" for device in paths]),
    ]


def _words(paths: list[Path], state: Path) -> list[str]:
    """A minus stands before what may lack: the program says so itself, or waits, as for a stick that is unplugged."""
    return [word(str(path) if path == state else f"-{path}") for path in paths]
