"""A device takes a task only as the fleet signed it, with the very tensors that it names."""

from __future__ import annotations

import msgspec
import pytest
from securesystemslib.signer import CryptoSigner

from support.made_up_rounds import task
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.envelope import sign
from tbft_artifacts.signing.statement import Statement
from tbft_fleet.files.task import PREDICATE_TYPE
from tbft_fleet.rounds.parcel import Parcel
from tbft_fleet.rounds.tasks import signed_task, verify_task

SIGNER = CryptoSigner.generate_ed25519()
KEYS = [SIGNER.public_key]
TASK = task("a" * 64, "output-frozen-sgd")


@pytest.mark.parametrize("base", [None, b"tensors"])
def test_what_the_fleet_signed_is_taken(base: bytes | None) -> None:
    """With the tensors to begin with, and without."""
    asked = verify_task(signed_task(TASK, base, SIGNER), KEYS)
    assert asked.task == TASK
    assert asked.base == base


def test_another_key_signs_no_tasks() -> None:
    """Whoever reaches a SuperLink may send whatever he likes."""
    stranger = CryptoSigner.generate_ed25519()
    with pytest.raises(TbftError, match="none of the 1 keys that are trusted"):
        verify_task(signed_task(TASK, None, stranger), KEYS)


@pytest.mark.parametrize("tensors", [b"", b"others"])
def test_tensors_are_those_that_were_signed(tensors: bytes) -> None:
    """Neither others, nor none."""
    parcel = signed_task(TASK, b"tensors", SIGNER)
    with pytest.raises(TbftError, match="not those that it names"):
        verify_task(Parcel(parcel.envelope, tensors), KEYS)


def test_no_tensors_come_with_a_task_that_names_none() -> None:
    with pytest.raises(TbftError, match="not those that it names"):
        verify_task(Parcel(signed_task(TASK, None, SIGNER).envelope, b"some"), KEYS)


def test_what_the_fleet_signed_as_something_else_is_no_task() -> None:
    """Such as a bundle, by the same key."""
    statement = Statement(subject=(), predicate_type="other", predicate=msgspec.Raw(msgspec.json.encode(TASK)))
    with pytest.raises(TbftError, match="is no task"):
        verify_task(Parcel(sign(statement, SIGNER)), KEYS)


@pytest.mark.parametrize("changed", [{"epochs": 100_000}, {"epochs": 0}, {"seconds": 1}, {"id": "../x"}])
def test_a_task_stays_within_bounds(changed: dict[str, object]) -> None:
    """Also one that was signed: a stolen key must not keep a fleet at work for weeks."""
    stated = msgspec.json.encode({**msgspec.to_builtins(TASK), **changed})
    statement = Statement(subject=(), predicate_type=PREDICATE_TYPE, predicate=msgspec.Raw(stated))
    with pytest.raises(TbftError, match="the task cannot be read"):
        verify_task(Parcel(sign(statement, SIGNER)), KEYS)
