"""Many cases, a batch on each core; each is made from the seed and its number alone."""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import pkgutil
import random
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np

from fuzz import child, traces, verdict
from fuzz.desk import Desk
from fuzz.surfaces import SURFACES

# Of a failing case, larger files are told of and not kept: the case can be made again.
_KEPT_BYTES = 32 << 20
_WITH_COMMANDS = ("tbft_artifacts", "tbft_runtime", "tbft_edge.commands", "tbft_edge.facts", "tbft_edge.pages")
_MORE = ("tbft_edge.tables", "tbft_edge.progress")


class Finding(msgspec.Struct, frozen=True):
    """A case, and what is wrong with it; nothing, mostly."""

    case: str
    what: str
    command: str
    problems: list[str]
    seconds: float
    code: int


@dataclass(frozen=True)
class Plan:
    """Which cases: ids such as `manifests-000123`, of which the number counts within the surface."""

    seed: int
    ids: Sequence[str]


@dataclass(frozen=True)
class Suite:
    """Where cases are made, and where those are kept that failed."""

    desk: Desk
    scratch: Path
    kept: Path
    seed: int
    seen: set[str] = field(default_factory=set)

    def try_case(self, case_id: str) -> Finding:
        """Make the case, run its command, and judge."""
        surface, _, _ = case_id.rpartition("-")
        room = child.Room(self.scratch / case_id)
        room.make()
        try:
            rng = random.Random(f"{self.seed}/{case_id}")
            case = SURFACES[surface].make(self.desk, rng, room.work)
            before = traces.listing(room.path)
            self._keep_input(room, case_id)
            outcome = child.run(case.arguments, room)
            found = verdict.problems(case, outcome, before, room)
            if found:
                self._keep(room, case_id)
                verdict.saved(self.kept / case_id / "case.txt", case, found, outcome)
            else:
                self._forget(case_id)
            shown = f"tbft-edge {' '.join(map(ascii, case.arguments))}"
            return Finding(case_id, ascii(case.what)[1:-1], shown, found, outcome.seconds, outcome.code)
        finally:
            shutil.rmtree(room.path, ignore_errors=True)

    def _keep_input(self, room: child.Room, case_id: str) -> None:
        """As it was before the command ran, which may change it."""
        _copy(room.work, self.kept / case_id / "input")

    def _keep(self, room: child.Room, case_id: str) -> None:
        for path in (room.out, room.err):
            with contextlib.suppress(OSError):
                shutil.copy(path, self.kept / case_id / path.name)

    def _forget(self, case_id: str) -> None:
        shutil.rmtree(self.kept / case_id, ignore_errors=True)


def _copy(source: Path, target: Path) -> None:
    """Files, folders, links and pipes as they are; of what is large, its size."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        there = target / path.name
        if path.is_symlink():
            there.symlink_to(path.readlink())
        elif path.is_dir():
            _copy(path, there)
        elif not path.is_file():
            os.mkfifo(there)
        elif path.stat().st_size > _KEPT_BYTES:
            there.with_name(f"{there.name}.size").write_text(f"{path.stat().st_size} bytes, not kept\n")
        else:
            shutil.copy2(path, there)


def preload() -> None:
    """Import what commands import when they run, so that each child starts with it."""
    for name in (*_WITH_COMMANDS, *_MORE):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(getattr(package, "__path__", []), f"{name}."):
            with contextlib.suppress(ImportError):  # Commands of the host need more than a device has.
                importlib.import_module(module.name)
    from PIL import Image

    Image.init()
    np.random.default_rng(0).random()
    gc.collect()
    gc.freeze()


def chosen(cases: int, only: Sequence[str] | None = None) -> list[str]:
    """The ids of so many cases, of each surface as many as its weight says, in turns."""
    names = list(only or SURFACES)
    total = sum(SURFACES[name].weight for name in names)
    shares = {name: max(1, round(cases * SURFACES[name].weight / total)) for name in names}
    ids = [(number / shares[name], f"{name}-{number:06}") for name in names for number in range(shares[name])]
    return [case_id for _, case_id in sorted(ids)]


def findings(suite: Suite, ids: Sequence[str], cores: int) -> Iterator[Finding]:
    """Try the cases, in a process per core, and tell of each as it ends."""
    readers, workers = [], []
    for core in range(cores):
        reader, writer = os.pipe()
        worker = os.fork()
        if worker == 0:
            os.close(reader)
            _work(suite, ids[core::cores], writer)
        os.close(writer)
        readers.append(os.fdopen(reader, "rb"))
        workers.append(worker)
    try:
        yield from _read(readers)
    finally:
        for worker in workers:
            os.waitpid(worker, 0)


def _work(suite: Suite, ids: Sequence[str], writer: int) -> None:
    """Never returns."""
    code = 1
    try:
        with os.fdopen(writer, "wb") as pipe:
            for case_id in ids:
                pipe.write(msgspec.json.encode(suite.try_case(case_id)) + b"\n")
                pipe.flush()
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BrokenPipeError:
        code = 1
    except BaseException:
        import traceback

        sys.stderr.write(traceback.format_exc())
    finally:
        os._exit(code)


def _read(readers: list[object]) -> Iterator[Finding]:
    import selectors

    with selectors.DefaultSelector() as selector:
        for reader in readers:
            selector.register(reader, selectors.EVENT_READ)  # type: ignore[arg-type]
        while selector.get_map():
            for key, _ in selector.select():
                line = key.fileobj.readline()  # type: ignore[union-attr]
                if line:
                    yield msgspec.json.decode(line, type=Finding)
                else:
                    selector.unregister(key.fileobj)
