"""JSON of strangers, and TOML, become a value or one error, and no more of a file is read than it may have."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_artifacts.decode import decode, decode_toml
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most

LIMIT = 1 << 20


class Counted(msgspec.Struct):
    name: str
    count: int
    part: float = 0.0


def read(content: bytes, limit: int = LIMIT) -> Counted:
    return decode(content, Counted, limit, failed="'it' cannot be read", hint="copy it again")


DAMAGED = {
    "nothing": b"",
    "cut": b'{"name": "a", "cou',
    "no UTF-8": b'{"name": "caf\xe9", "count": 1}',
    "another type": b"[]",
    "null": b"null",
    "another field": b'{"name": "a"}',
    "nested deeply": b"[" * 200_000,
    "nested deeply where nobody looks": b'{"other": ' + b'{"a":' * 200_000,
    "not a number": b'{"name": "a", "count": 1, "part": NaN}',
    "infinity": b'{"name": "a", "count": 1, "part": 1e999}',
    "a number of 70 bits": b'{"name": "a", "count": 1180591620717411303424}',
    "a number of 5,000 digits": b'{"name": "a", "count": ' + b"9" * 5000 + b"}",
    "a fraction of 5,000 digits": b'{"name": "a", "count": 1, "part": ' + b"9" * 5000 + b"}",
    "half a surrogate": b'{"name": "\\ud800", "count": 1}',
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_what_is_damaged_is_one_error(content: bytes) -> None:
    with pytest.raises(TbftError) as caught:
        read(content)
    assert caught.value.message.startswith("'it' cannot be read: ")
    assert caught.value.hint == "copy it again"


@given(st.binary(max_size=40), st.integers(0, 30))
def test_damage_of_any_kind_is_a_value_or_one_error(damage: bytes, place: int) -> None:
    content = b'{"name": "a", "count": 1, "part": 0.5}'
    try:
        found = read(content[:place] + damage + content[place + len(damage) :])
    except TbftError:
        return
    assert isinstance(found, Counted)


def test_what_is_longer_than_allowed_is_refused_unread() -> None:
    """Not even its syntax is looked at."""
    content = b'{"name": "a", "count": 1}'
    assert read(content, len(content)) == Counted("a", 1)
    with pytest.raises(TbftError, match="more than 1 MiB"):
        read(b"[" * (LIMIT + 1))


TOML = {
    "cut": b"name =",
    "no UTF-8": b'name = "caf\xe9"',
    "another field": b"count = 1",
    "nested deeply": b"name = " + b"[" * 100_000,
    "infinity": b'name = "a"\ncount = inf',
    "a number of 70 bits": b'name = "a"\ncount = 1180591620717411303424',
    "a number of 5,000 digits": b'name = "a"\ncount = ' + b"9" * 5000,
    "a day that is none": b'name = "a"\ncount = 2026-02-30',
    "too long": b"#" * (LIMIT + 1),
}


@pytest.mark.parametrize("content", TOML.values(), ids=TOML)
def test_settings_that_are_damaged_are_one_error(content: bytes) -> None:
    """What people write is read as what strangers do."""
    with pytest.raises(TbftError) as caught:
        decode_toml(content, Counted, LIMIT, failed="'it' cannot be read", hint="mend it")
    assert caught.value.message.startswith("'it' cannot be read: ")


def test_a_field_is_not_named_as_an_option_is() -> None:
    """In backticks a command would print its own flag instead: `--plan`, of a file that has no flags."""

    class Closed(msgspec.Struct, forbid_unknown_fields=True):
        pass

    for read_closed, content in ((decode, b'{"plan": 1}'), (decode_toml, b"plan = 1")):
        with pytest.raises(TbftError, match="unknown field 'plan'"):
            read_closed(content, Closed, LIMIT, failed="'it' cannot be read", hint="mend it")


def test_of_a_file_no_more_is_read_than_it_may_have(tmp_path: Path) -> None:
    """A sparse file of a terabyte takes no memory; one byte beyond the limit says that there is more."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert len(read_at_most(path, 1000)) == 1001


def test_pipes_and_devices_are_no_files(tmp_path: Path) -> None:
    """A pipe nobody writes to would be waited for, and zeros never end."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(OSError, match=r"no regular file|Is a directory"):
            read_at_most(path, 1000)
