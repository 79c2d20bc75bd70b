"""Read protobuf messages strictly, and write fields, without the protobuf package.

A message is a list of fields, each a key (field number and wire type) and a value. Read strictly: what a parser might
understand in two ways (a field twice that may be there once, a number that does not fit, a type that a field has not)
is refused, so that nobody else reads something else in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_FIXED_SIZES = {FIXED64: 8, FIXED32: 4}
_WITH_SIZE = (BYTES, VARINT)
_REPEATED = 1 << 8
# Which wire types a field may have, one bit each, and whether it may be there again.
NUMBER, TEXT, FLOAT = 1 << VARINT, 1 << BYTES, 1 << FIXED32
TEXTS = TEXT | _REPEATED
NUMBERS, FLOATS, DOUBLES = (1 << wire | 1 << BYTES | _REPEATED for wire in (VARINT, FIXED32, FIXED64))
Schema = Mapping[int, int]

# More of them in one message would keep a device busy for minutes.
MOST_FIELDS = 200_000
_MOST_BITS = 63

# (field number, wire type, value of a number or where the content begins, where it ends)
Field = tuple[int, int, int, int]


def fields(content: bytes, start: int, end: int) -> Iterator[Field]:
    """The fields of the message `content[start:end]`. Raises ValueError if it is none."""
    position = start
    while position < end:
        key, position = varint(content, position, end)
        number, wire = key >> 3, key & 7
        if wire == BYTES:
            size, begin = varint(content, position, end)
            position = begin + size
            value = begin
        elif wire == VARINT:
            value, position = varint(content, position, end)
        elif wire in _FIXED_SIZES:
            value, position = position, position + _FIXED_SIZES[wire]
        else:
            raise ValueError(f"unknown wire type {wire}")
        if position > end:
            raise ValueError("the file ends in the middle of a field")
        yield number, wire, value, position


def message(content: bytes, start: int, end: int, schema: Schema, what: str) -> list[Field]:
    """The fields of a message of `what`, which are those of `schema`. Raises ValueError for any other, or too many."""
    found: list[Field] = []
    seen = 0
    # What `fields` does, written out: a network has a million of them.
    position = start
    while position < end:
        key = content[position]
        position += 1
        if key > 0x7F:
            key, position = varint(content, position - 1, end)
        number, wire = key >> 3, key & 7
        allowed = schema.get(number, 0)
        if not allowed >> wire & 1:
            raise ValueError(f"field {number} of {what} is none that is known")
        if not allowed & _REPEATED:
            if seen >> number & 1:
                raise ValueError(f"field {number} of {what} is there twice")
            seen |= 1 << number
        if wire in _WITH_SIZE:
            value = content[position] if position < end else 0x80
            if value > 0x7F:
                value, position = varint(content, position, end)
            else:
                position += 1
            if wire == BYTES:
                value, position = position, position + value
        else:
            value, position = position, position + _FIXED_SIZES[wire]
        if position > end:
            raise ValueError("the file ends in the middle of a field")
        found.append((number, wire, value, position))
    if len(found) > MOST_FIELDS:
        raise ValueError(f"{what} has more than {MOST_FIELDS:,} parts")
    return found


def varint(content: bytes, position: int, end: int) -> tuple[int, int]:
    """A number of at most 64 bits, and where it ends. Raises ValueError if there is none."""
    result = shift = 0
    while True:
        if position >= end or shift > _MOST_BITS:
            raise ValueError("the file ends in the middle of a number")
        byte = content[position]
        result |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            if result >> 64:
                raise ValueError("a number has more than 64 bits")
            return result, position
        shift += 7


def signed(value: int) -> int:
    """The number of an int64 or int32 field."""
    return value - (1 << 64) if value >> _MOST_BITS else value


def numbers(content: bytes, field: Field) -> Iterator[int]:
    """The numbers of a field that may hold several."""
    _, wire, value, end = field
    if wire == VARINT:
        yield signed(value)
        return
    position = value
    while position < end:
        found, position = varint(content, position, end)
        yield signed(found)


def number_field(number: int, value: int) -> bytes:
    """A serialized field that holds a non-negative integer."""
    return _varint(number << 3 | VARINT) + _varint(value)


def bytes_field(number: int, content: bytes) -> bytes:
    """A serialized field that holds bytes, a string or a message."""
    return _varint(number << 3 | BYTES) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
