"""Lines of an external meter: nothing that it sends breaks us, and its clock is trusted for its pace only."""

from __future__ import annotations

import contextlib
import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tbft_runtime.meters.meter import MeterError, Sample
from tbft_runtime.meters.stream import Clock, Columns, Reading, Stream, parse_header, parse_reading


def _feed_all(stream: Stream, chunks: list[bytes], arrival: float = 100.0) -> list[Sample]:
    samples = []
    for chunk in chunks:
        with contextlib.suppress(MeterError):
            samples += stream.feed(chunk, arrival)
    return samples


def _cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[begin:end] for begin, end in itertools.pairwise(edges)]


@pytest.mark.parametrize(
    "line", ["1.5,3.25", "1.5;3.25", "1.5\t3.25", " 1.5   3.25 ", '"1.5", "3.25",ok', "15e-1,+3.25"]
)
def test_separators(line: str) -> None:
    """Comma, semicolon, tab or blanks; what stands behind is left out."""
    assert parse_reading(line, Columns()) == Reading(1.5, 3.25)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "1.5",
        "1.5,",
        ",3",
        "1.5,-3",
        "nan,1",
        "1,inf",
        "1,1e999",
        "1_0,2",
        "1,5;2,5",
        "12:30:01,3",
        "watts,1",
        "１,２",
    ],
)
def test_garbage(line: str) -> None:
    """Not two finite numbers, or power that flows back; a comma as decimal sign must not become a separator."""
    assert parse_reading(line, Columns()) is None


@pytest.mark.parametrize(
    ("line", "columns"),
    [
        ("seconds,watts", Columns(0, 1)),
        ('"Time";"Volts";"Watts"', Columns(0, 2)),
        ("watts\tseconds", Columns(1, 0)),
        ("time;volts, mean;watts", Columns(0, 2)),
        ("seconds,volts", None),
        ("1.5,3.25", None),
    ],
)
def test_headers(line: str, columns: Columns | None) -> None:
    """Both columns must be named."""
    assert parse_header(line) == columns


def test_a_header_places_the_columns() -> None:
    """As a spreadsheet would write it, with the mark of its encoding."""
    samples = Stream().feed("\ufeffvolts,watts,time\r\n5.1,4.5,10\r\n5.1,4.7,11\r\n".encode(), 50.0)
    assert [sample.value for sample in samples] == [4.5, 4.7]


def test_comments_say_nothing_and_garbage_is_counted() -> None:
    """Readings beside garbage are taken; garbage alone is an error that shows it."""
    stream = Stream()
    assert len(stream.feed(b"# started\n\n1,4.5\noops\n2,4.6\n", 50.0)) == 2
    assert stream.garbage == 1
    with pytest.raises(MeterError, match="oops"):
        stream.feed(b"oops\n", 51.0)
    assert stream.garbage == 2


def test_half_a_line_at_the_beginning_is_not_taken_for_a_whole_one() -> None:
    """Of `1234.5,4.5`, somebody who comes late sees `4.5,4.5`."""
    stream = Stream()
    stream.skip_line()
    assert [sample.value for sample in stream.feed(b"4.5,4.5\n1235.5,4.6\n", 50.0)] == [4.6]


@given(st.lists(st.binary(max_size=40) | st.sampled_from([b"\n", b"1,2\n", b"9.5;3\r\n", b"# x\n", b"\xff\xfe"])))
def test_nothing_that_comes_breaks_it(chunks: list[bytes]) -> None:
    """Whatever the bytes: finite watts that are not negative, at times that never go back and never lie ahead."""
    stream, arrival, latest = Stream(), 0.0, -math.inf
    for chunk in chunks:
        arrival += 0.1
        with contextlib.suppress(MeterError):
            for sample in stream.feed(chunk, arrival):
                assert latest <= sample.seconds <= arrival
                assert 0 <= sample.value < math.inf
                latest = sample.seconds


@given(
    st.binary(max_size=200) | st.from_regex(rb"([0-9,;. \n#-]|watts|seconds|time)*"), st.lists(st.integers(0, 10**6))
)
def test_it_does_not_matter_how_the_bytes_are_cut(data: bytes, places: list[int]) -> None:
    """The same samples and the same count of garbage."""
    whole, pieces = Stream(), Stream()
    assert _feed_all(pieces, _cut(data, places)) == _feed_all(whole, [data])
    assert pieces.garbage == whole.garbage


def test_noise_without_a_line_end_does_not_fill_the_memory() -> None:
    """A megabyte of it is one line of garbage, however it came; what follows is read."""
    stream = Stream()
    for _ in range(1000):
        assert stream.feed(b"1" * 1000, 50.0) == []
    assert len(stream._partial) < 10_000
    assert len(stream.feed(b",2\n3,4\n", 51.0)) == 1
    assert stream.garbage == 1


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(st.floats(0.001, 2), st.floats(0, 0.5)), min_size=1, max_size=50),
)
def test_the_smallest_delay_places_readings(start: float, steps: list[tuple[float, float]]) -> None:
    """However late lines arrive, each is placed no later than its arrival, and right but for the smallest delay."""
    clock, now, smallest, latest = Clock(), 1000.0, math.inf, -math.inf
    for step, delay in steps:
        now += step
        # Lines arrive in their order: none before the one ahead of it.
        latest = max(now + delay, latest)
        smallest = min(smallest, latest - now)
        placed = clock.place(now + start, latest)
        assert now - 1e-6 <= placed <= latest
    settled = latest + 1
    assert clock.place(settled + start, settled + 9) == pytest.approx(settled + smallest, abs=1e-6)


def test_a_meter_that_starts_again_begins_a_new_time() -> None:
    """Its clock jumps back to 0; nothing goes back with us."""
    clock = Clock()
    before = [clock.place(own, 50.0 + own) for own in (1000.0, 1001.0)]
    after = [clock.place(own, 1060.0 + own) for own in (0.0, 1.0)]
    assert before == [1050.0, 1051.0]
    assert after == [1060.0, 1061.0]


def test_a_meter_whose_clock_is_set_forward_stays_in_the_present() -> None:
    """An hour ahead is no hour of energy."""
    clock = Clock()
    assert clock.place(10.0, 100.0) == 100.0
    assert clock.place(3611.0, 101.0) == 101.0
    assert clock.place(3612.0, 102.3) == 102.0


def test_a_clock_that_stands_still_is_said() -> None:
    """Swapped columns, or a stamp that never changes: lines come, but none says when it was measured."""
    stream = Stream()
    assert stream.feed(b"100,6\n", 1.0)
    stream.feed(b"100,6\n", 3.0)
    with pytest.raises(MeterError, match=r"time does not go on: '100,6'"):
        stream.feed(b"100,6\n", 4.0)
    assert stream.feed(b"101,6\n", 4.1)
    # A clock of whole seconds stands still for less long.
    for arrival in (4.2, 4.4, 4.8, 5.0):
        stream.feed(b"101,6\n", arrival)
