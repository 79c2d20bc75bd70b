"""What of this machine the units of rounds depend on, and what makes what they need."""

from __future__ import annotations

import grp
import pwd
from pathlib import Path

from tbft_artifacts.errors import TbftError
from tbft_fleet.device.place import Place
from tbft_fleet.host.folder import open_fleet
from tbft_fleet.rounds.flower import check_version
from tbft_fleet.rounds.services import NODE, SUPERLINK, Staying, to_install
from tbft_fleet.rounds.supernode import Superlink
from tbft_runtime.systemd.access import Account, groups_for, groups_of, names_of
from tbft_runtime.systemd.here import both, code, fingerprint, firmware, plain
from tbft_runtime.systemd.places import Places
from tbft_runtime.systemd.steps import UNITS, USER, Plan, Step, account, given_to_user, user_and_folder

# Lower ones are root's, whose rights the service has not.
_FIRST_PORT, _LAST_PORT = 1024, 65535


def node_to_install(state: Path, superlink: Superlink, units: Path = UNITS) -> Plan:
    """A board that takes part in rounds from its start.

    Raises TbftError where Flower is not there in its version, for a folder that is no board's, and where the services'
    user could not read what it has to.
    """
    check_version()
    # Neither systemd nor chown follows a link to it.
    place, certificate = Place(state.resolve()), superlink.certificate.absolute()
    images = place.device.images
    if not certificate.is_file():
        raise TbftError(
            f"there is no certificate '{certificate}'", "copy ca.crt from the fleet's folder, rounds/ca.crt"
        )
    read = [certificate, *([] if images is None else [Path(images)]), *code()]
    places = Places(plain(place.folder), both(read), ())
    who, throttling = account(), firmware()
    is_own = who.user is not None and place.folder.stat().st_uid == who.user
    staying = Staying(
        name=NODE,
        what="takes part in its fleet's rounds",
        words=("node", str(places.state), "--superlink", superlink.address, "--certificate", str(certificate)),
        user=USER,
        group=USER,
        places=places,
        fingerprint=fingerprint(certificate),
        groups=names_of(groups_for(who, places.reads, ()) | groups_of(throttling)),
        throttling=throttling,
        is_behind=True,
    )
    given = [] if is_own else [given_to_user(places.state)]
    return to_install(
        staying,
        (*user_and_folder(places.state, made=False), *given),
        f"'{places.state}' with the board's key and its releases stays, for the user {USER} alone",
        units,
    )


def superlink_to_install(folder: Path, listen: str, port: int, units: Path = UNITS) -> Plan:
    """A host that lets devices in from its start, as the user whose the fleet is.

    Raises TbftError where Flower is not there in its version, for a folder that is no fleet's or is root's, and for an
    address that no such service could listen at.
    """
    check_version()
    fleet = open_fleet(folder.resolve())
    _check_port(listen)
    owner = fleet.folder.stat()
    if owner.st_uid == 0:
        raise TbftError(
            f"'{fleet.folder}' is root's, and nothing of root's should listen to a network",
            f"give it to a user of its own: chown -R USER '{fleet.folder}'",
        )
    user, group = _user(owner.st_uid), _group(owner.st_gid)
    state = plain(fleet.folder) / "rounds"
    staying = Staying(
        name=SUPERLINK,
        what="lets its fleet's devices in to rounds",
        words=("superlink", str(state.parent), "--listen", listen, "--port", str(port)),
        user=user,
        group=group,
        places=Places(state, both([state.parent, *code()]), ()),
        fingerprint=fingerprint(),
        groups=names_of(groups_for(Account(owner.st_uid, owner.st_gid), both(code()), ())),
        hidden=(state.parent / "keys",),
    )
    made = ("install", "-d", "-m", "0700", "-o", user, "-g", group, "--", str(state))
    return to_install(
        staying,
        () if state.is_dir() else (Step(run=made),),
        f"'{state.parent}' stays {user}'s; its keys are hidden from the service",
        units,
    )


def _check_port(listen: str) -> None:
    host, _, port = listen.rpartition(":")
    if not host or not (port.isascii() and port.isdecimal()) or not _FIRST_PORT <= int(port[:6]) <= _LAST_PORT:
        raise TbftError(
            f"`listen` '{listen}' is no HOST:PORT with a port of {_FIRST_PORT} to {_LAST_PORT}",
            "give the address that devices know, such as 10.0.0.1:8443",
        )


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
