"""A checksum inside its own file, and one inside JSON: every bit that flips is noticed."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.damages import flipped
from tbft_artifacts.errors import TbftError
from tbft_artifacts.sealed import is_as_sealed, sealed
from tbft_artifacts.stamp import UNSTAMPED, Stamp

KEY = b'"sha256":"'
LARGE = 1 << 20


class Record(msgspec.Struct):
    rate: float
    name: str
    steps: dict[str, int]
    content: bytes


@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("before", [0, 10, LARGE - 5, LARGE, 2 * LARGE - 3])
@pytest.mark.parametrize("after", [0, 10, LARGE + 1])
def test_the_digits_are_those_of_the_whole_file(last: bool, before: int, after: int, tmp_path: Path) -> None:
    """As anybody can calculate them, wherever in a large file they stand."""
    path = tmp_path / "file"
    path.write_bytes(b"a" * before + KEY + UNSTAMPED.encode() + b'"' + b"b" * after)
    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    Stamp(KEY, last).put(path)
    assert path.read_bytes() == b"a" * before + KEY + expected.encode() + b'"' + b"b" * after
    assert Stamp(KEY, last).fits(BytesIO(path.read_bytes()))


@given(st.binary(max_size=30), st.binary(max_size=30), st.data())
def test_every_flipped_bit_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, before: bytes, after: bytes, data: st.DataObject
) -> None:
    """In the content, the digits or the key: then the file does not fit, or says nothing of itself any more."""
    path = tmp_path_factory.mktemp("stamp") / "file"
    path.write_bytes(before + KEY + UNSTAMPED.encode() + b'"' + after)
    Stamp(KEY, last=True).put(path)
    content = path.read_bytes()
    bit = data.draw(st.integers(0, 8 * len(content) - 1))
    path.write_bytes(flipped(content, bit))
    is_in_key = len(before) <= bit // 8 < len(before) + len(KEY) + 1
    assert not Stamp(KEY, last=True).fits(BytesIO(path.read_bytes()))
    assert is_in_key or Stamp(KEY, last=True).fits(BytesIO(path.read_bytes())) is False


@pytest.mark.parametrize("content", [b"", b"plain", b'{"sha256":""}'])
def test_a_file_without_digits_says_nothing(content: bytes) -> None:
    """It is of a version, or a program, that put none there."""
    assert Stamp(KEY, last=False).fits(BytesIO(content)) is None


RECORDS = st.builds(
    Record,
    rate=st.floats(allow_nan=False, allow_infinity=False),
    name=st.text(),
    steps=st.dictionaries(st.text(max_size=3), st.integers(-(2**63), 2**63), max_size=3),
    content=st.binary(max_size=9),
)


@given(RECORDS)
def test_sealed_json_is_the_record(record: Record) -> None:
    """Readers that know nothing of the seal find what they always found; laid out otherwise it still fits."""
    content = sealed(record)
    assert msgspec.json.decode(content, type=Record) == record
    assert is_as_sealed(content)
    assert is_as_sealed(msgspec.json.format(content, indent=-1))
    assert is_as_sealed(msgspec.json.encode(record)) is None


@given(RECORDS, st.data())
def test_a_flipped_bit_in_sealed_json_changes_nothing_unseen(record: Record, data: st.DataObject) -> None:
    """It is no JSON any more, does not fit its seal, or still says the same; a broken name of the seal is no seal."""
    content = sealed(record)
    changed = flipped(content, data.draw(st.integers(0, 8 * len(content) - 1)))
    try:
        fits = is_as_sealed(changed)
        found = msgspec.json.decode(changed, type=Record)
    except (TbftError, msgspec.DecodeError, UnicodeDecodeError):
        return
    assert fits is False or found == record


@pytest.mark.parametrize(
    "content",
    [b'{"zz": 1234567890123456789012345678901234567890, "sha256": ""}', b"[" * 200_000, b"\xff", b"", b'{"a": 1e999}'],
    ids=["40 digits", "nested", "no UTF-8", "empty", "no number"],
)
def test_what_cannot_be_read_is_not_as_sealed(content: bytes) -> None:
    """Also where a reader knows nothing of the field that it is in: its file is ignored, or damaged."""
    assert is_as_sealed(content) is False
