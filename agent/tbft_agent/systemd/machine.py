"""What of this machine a unit depends on."""

from __future__ import annotations

from pathlib import Path

from tbft_agent.settings import Configured
from tbft_agent.systemd.unit import Machine
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.program import program
from tbft_fleet.device.place import Place
from tbft_runtime.systemd.access import check_owner, groups_for, groups_of, names_of
from tbft_runtime.systemd.here import both, code, fingerprint, firmware, plain
from tbft_runtime.systemd.places import STATE, Places
from tbft_runtime.systemd.steps import account


def this_machine(configured: Configured) -> Machine:
    """Raises TbftError for a configuration that no service could run by, and for places that it could not use."""
    _check_homes(configured)
    meter = _meter_path(configured.settings.adapt.meter)
    # Neither systemd nor chown follows a link to it.
    of_fleet = None if configured.device is None else Place(configured.device.resolve())
    places = _places(configured, meter, of_fleet)
    if places.state.is_symlink():
        raise TbftError(f"`state` '{places.state}' is a link, which the agent would not follow", "name where it leads")
    devices = firmware() + _device(meter)
    who = account()
    given = None if of_fleet is None or of_fleet.folder.stat().st_uid == who.user else of_fleet.folder
    read = [path for path in (*places.reads, *_model_files(configured.bundle)) if not _is_below(path, given)]
    groups = groups_for(who, read, [path for path in places.writes if not _is_below(path, given)])
    if places.state != STATE:
        check_owner(who, places.state)
    return Machine(
        program=program(),
        places=places,
        groups=names_of(groups | groups_of(devices)),
        devices=devices,
        weights=_weights(configured.bundle),
        fingerprint=fingerprint(configured.file),
        given=given,
        is_online=of_fleet is not None and any("://" in place for place in _named(of_fleet)),
    )


def _is_below(path: Path, folder: Path | None) -> bool:
    return folder is not None and path.resolve().is_relative_to(folder)


def _named(of_fleet: Place) -> list[str]:
    """Folders and addresses of which a device of a fleet knows."""
    device = of_fleet.device
    return [place for place in (device.carrier, device.images, device.results) if place is not None]


def _check_homes(configured: Configured) -> None:
    said = configured.settings
    paths = {"bundle": said.bundle, "state": said.state, "metrics_file": said.metrics_file or ""}
    if said.camera is not None:
        paths["camera.folder"] = said.camera.folder
    for name, path in paths.items():
        if path.startswith("~"):
            raise TbftError(f"`{name}` '{path}' is another folder to the user of a service", "write the whole path")


def _places(configured: Configured, meter: Path | None, of_fleet: Place | None) -> Places:
    camera, metrics = configured.camera, configured.metrics
    deletes = configured.settings.camera is not None and configured.settings.camera.after == "delete"
    reads = [configured.file, configured.bundle, *code()]
    writes = [] if metrics is None else [metrics.parent]
    if camera is not None:
        (writes if deletes else reads).append(camera)
    if meter is not None and not _device(meter):
        reads.append(meter)
    if of_fleet is not None:
        writes.append(of_fleet.folder)
        # A stick need not be there now.
        reads += [Path(place) for place in _named(of_fleet) if "://" not in place and Path(place).exists()]
    state = plain(configured.state)
    linked = {configured.state.resolve()} - {state}
    return Places(state, both(reads), tuple(sorted(linked | set(both(writes)))))


def _meter_path(meter: str) -> Path | None:
    """The file or device of a meter that is named with one."""
    path = Path(meter.partition(":")[2].partition("@")[0])
    if meter.startswith(("csv:", "line:", "estimate:")):
        if not path.is_absolute():
            raise TbftError(f"`adapt.meter` '{meter}' has no whole path, which a service needs", "write it out")
        return path
    return None


def _device(path: Path | None) -> tuple[str, ...]:
    return () if path is None or not path.is_relative_to("/dev") else (str(path),)


def _model_files(bundle: Path) -> list[Path]:
    return sorted(bundle.rglob("*")) if bundle.is_dir() else []


def _weights(bundle: Path) -> int:
    """Bytes; of an archive, that of all of it."""
    return (bundle / WEIGHTS if bundle.is_dir() else bundle).stat().st_size
