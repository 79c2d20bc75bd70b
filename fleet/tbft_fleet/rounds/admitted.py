"""Which devices may come to the SuperLink: those that are enrolled, by the key of their SuperNode."""

from __future__ import annotations

from collections.abc import Mapping

from tbft_fleet.host.devices import Devices
from tbft_fleet.host.node_keys import readable_node_key


def admitted(devices: Devices) -> Mapping[str, bytes]:
    """The keys of their SuperNodes by the names of devices: those that were not revoked, and told of such a key.

    One whose record or key is damaged is not let in. Raises TbftError where no record can be read.
    """
    found = {each.name: each.enrolment.node_key for each in devices if each.revoked_at is None}
    keys = {name: readable_node_key(line, name) for name, line in found.items() if line is not None}
    return {name: key for name, key in keys.items() if key is not None}


def not_taken(device: str) -> str:
    """What is said of one whose key the SuperLink refuses."""
    return (
        f"the SuperLink does not take the key of '{device}', which it had before; "
        "remove rounds/node.key on that device, join it anew, and enrol it"
    )
