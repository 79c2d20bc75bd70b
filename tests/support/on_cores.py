"""Work on many things, in a process per core, whatever that work forks itself."""

from __future__ import annotations

import os
import selectors
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, TypeVar

import msgspec

_Thing = TypeVar("_Thing")
_Result = TypeVar("_Result", bound=msgspec.Struct)


def each(
    work: Callable[[_Thing], _Result], things: Sequence[_Thing], cores: int, kind: type[_Result]
) -> Iterator[_Result]:
    """What `work` makes of each thing, as it is done; the processes are forked from this one.

    Raises RuntimeError if one of them ended before its work did.
    """
    readers: list[BinaryIO] = []
    workers = []
    for core in range(cores):
        reader, writer = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(reader)
            _work(work, things[core::cores], writer)
        os.close(writer)
        readers.append(os.fdopen(reader, "rb"))
        workers.append(worker)
    codes = []
    try:
        yield from _results(readers, kind)
    except BaseException:
        for worker in workers:
            os.kill(worker, signal.SIGTERM)
        raise
    finally:
        codes = [os.waitstatus_to_exitcode(os.waitpid(worker, 0)[1]) for worker in workers]
    if any(codes):
        raise RuntimeError("a process that did a part of the work ended early")


def _work(work: Callable[[_Thing], _Result], things: Sequence[_Thing], writer: int) -> None:
    """Never returns."""
    code = 1
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    try:
        with os.fdopen(writer, "wb") as pipe:
            for thing in things:
                pipe.write(msgspec.json.encode(work(thing)) + b"\n")
                pipe.flush()
        code = 0
    except KeyboardInterrupt:
        pass
    except BaseException:
        sys.stderr.write(traceback.format_exc())
        sys.stderr.flush()
    finally:
        os._exit(code)


def _results(readers: Sequence[BinaryIO], kind: type[_Result]) -> Iterator[_Result]:
    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ, reader)
        while selector.get_map():
            for key, _ in selector.select():
                # A line is written at once, and shorter than a pipe: it is there as a whole.
                line = key.data.readline()
                if line:
                    yield msgspec.json.decode(line, type=kind)
                else:
                    selector.unregister(key.fileobj)
