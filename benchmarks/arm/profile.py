"""Where the instructions of a train step go: `python -m benchmarks.arm.profile BUNDLE [BATCH_SIZE] [FORM]`.

Device environment; an emulated Cortex-A72. By operator, and by layer; each kernel's instructions are exact but for
what tracing itself executes in it, of which the smallest kernel's are taken off.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tbft_artifacts.bundle import open_bundle
from tbft_edge.emulation.cpus import CPUS
from tbft_edge.emulation.guest import cache_folder, prepare_guest
from tbft_edge.emulation.qemu_user import qemu_user
from tbft_edge.process import answer
from tbft_edge.tables.table import Table, show

Kernel = tuple[str, str, str, int]
SHOWN = 20
_TRACED = Path(__file__).with_name("traced.py")


def main(folder: str, batch_size: str = "4", form: str | None = None) -> None:
    """Trace, and print two tables."""
    plan = open_bundle(Path(folder)).plan()
    cache = cache_folder()
    emulator = qemu_user(prepare_guest(cache), cache)
    # -P: its neighbours must not stand before the modules of the guest.
    words = ["-P", str(_TRACED), str(Path(folder).resolve()), batch_size, form or plan.gradient_forms[0]]
    kernels = answer(emulator.run(words, CPUS["cortex-a72"], count=True, clock=True).stdout, list[Kernel])
    tracing = min(kernel[3] for kernel in kernels)
    for title, place in (("operator", 0), ("layer", 1)):
        columns = [title, "millions", "share", "kernels"]
        show(Table(f"Instructions by {title}", columns, rows(kernels, place, tracing), numbers=True))


def rows(kernels: Sequence[Kernel], place: int, tracing: int) -> list[list[str]]:
    """Sums over the kernels that have the same word at `place`, largest first; all of them last."""
    sums: Counter[str] = Counter()
    calls: Counter[str] = Counter()
    for kernel in kernels:
        name = str(kernel[place])
        sums[name] += kernel[3] - tracing
        calls[name] += 1
    total = sum(sums.values())
    found = [
        [name, f"{count / 1e6:.2f}", f"{count / total:.1%}", str(calls[name])]
        for name, count in sums.most_common(SHOWN)
    ]
    return [*found, ["all", f"{total / 1e6:.2f}", "100 %", str(len(kernels))]]


if __name__ == "__main__":
    main(*sys.argv[1:])
