"""Which devices may come to the SuperLink: those that are enrolled, by the key of their SuperNode."""

from __future__ import annotations

from collections.abc import Mapping

from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.library import signing_library
from tbft_fleet.host.devices import Devices


def admitted(devices: Devices) -> Mapping[str, bytes]:
    """The keys of their SuperNodes by the names of devices: those that were not revoked, and told of such a key.

    Raises TbftError for a file of a device that is damaged, and for a key that is none.
    """
    found = {each.name: each.enrolment.node_key for each in devices if each.revoked_at is None}
    return {name: node_key_bytes(key, name) for name, key in found.items() if key is not None}


def node_key_bytes(line: str, device: str) -> bytes:
    """A public key, a line of OpenSSH, as a SuperLink stores it. Raises TbftError for what is none on P-384."""
    with signing_library():
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_public_key
    failed, hint = f"the key of the SuperNode of device '{device}' is", "join the device anew, and enrol it"
    try:
        key = load_ssh_public_key(line.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise TbftError(f"{failed} none that can be read", hint) from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP384R1):
        raise TbftError(f"{failed} none on P-384", hint)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
