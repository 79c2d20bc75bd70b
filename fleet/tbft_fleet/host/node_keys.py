"""The keys by which a SuperLink knows the SuperNodes of devices: each is one on P-384, and of one device alone."""

from __future__ import annotations

from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.library import signing_library
from tbft_fleet.files.enrolment import Enrolment
from tbft_fleet.host.devices import Devices


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


def readable_node_key(line: str, device: str) -> bytes | None:
    """The same of a device that is enrolled; None where the disk spoiled it, which is no other device's trouble."""
    try:
        return node_key_bytes(line, device)
    except TbftError:
        return None


def check_node_key(devices: Devices, enrolment: Enrolment) -> None:
    """Raises TbftError for a key that no SuperLink takes, at which it would let nobody in any more.

    That is one that cannot be read, or another device's: whoever names that sends this device away.
    """
    if enrolment.node_key is None:
        return
    own = node_key_bytes(enrolment.node_key, enrolment.device)
    for other in devices:
        line = other.enrolment.node_key
        if line is None or other.revoked_at is not None or other.name == enrolment.device:
            continue
        if readable_node_key(line, other.name) == own:
            raise TbftError(
                f"the enrolment of device '{enrolment.device}' names the key of the SuperNode of device '{other.name}'",
                "of a card that was copied, join the copy anew; else look at where the enrolment comes from",
            )
