"""What ONNX Runtime writes about the runs of a traced graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.regular import read_at_most

_KERNEL = "_kernel_time"
_RUN = "model_run"
# Some steps of some hundred operators are a few MB.
_LIMIT = 256 * MIB


class _Arguments(msgspec.Struct):
    """What is said of an event; only kernels have an operator."""

    op_name: str = ""


class _Event(msgspec.Struct):
    """An entry of the file: it began `ts` microseconds after the session, and took `dur`."""

    cat: str
    name: str
    ts: int
    dur: int
    args: _Arguments

    @property
    def is_run(self) -> bool:
        return self.cat == "Session" and self.name == _RUN

    @property
    def is_kernel(self) -> bool:
        return self.cat == "Node" and self.name.endswith(_KERNEL)


@dataclass(frozen=True, slots=True)
class Kernel:
    """One time that a node was computed."""

    node: str
    operator: str
    microseconds: int


@dataclass(frozen=True)
class KernelTrace:
    """The kernels of `steps` steps, and for how long one of the graph's runs was under way."""

    steps: int
    kernels: tuple[Kernel, ...]
    run_microseconds: int


def read_trace(path: Path, warm_up: int, steps: int) -> KernelTrace:
    """The trace of a graph that took part in `warm_up` steps, which are left out, and then in `steps`.

    Each step has the same number of runs, and ends before the next one begins. Raises TbftError for a
    file that is damaged, or does not hold all steps.
    """
    events = decode(
        read_at_most(path, _LIMIT),
        list[_Event],
        _LIMIT,
        failed=f"ONNX Runtime's trace '{path.name}' is damaged",
        hint="is the disk full?",
    )
    runs = sorted((event.ts, event.ts + event.dur) for event in events if event.is_run)
    in_step, rest = divmod(len(runs), warm_up + steps)
    if rest or not in_step:
        raise TbftError(
            f"ONNX Runtime's trace '{path.name}' holds {len(runs)} runs of {warm_up + steps} train steps",
            "profile with a smaller `batch_size`",
        )
    measured = runs[warm_up * in_step :]
    kernels = tuple(
        Kernel(event.name.removesuffix(_KERNEL), event.args.op_name, event.dur)
        for event in events
        if event.is_kernel and event.ts >= measured[0][0]
    )
    return KernelTrace(steps, kernels, _covered(measured))


def _covered(spans: Sequence[tuple[int, int]]) -> int:
    """How much time lies in at least one of the spans (begin, end), in the order of their begins."""
    total = 0
    reached = spans[0][0]
    for begin, end in spans:
        total += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return total
