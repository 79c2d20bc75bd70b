"""Comparisons of methods that never ran, for tests of what is made of them. Both environments."""

from __future__ import annotations

import random
from typing import Any

import msgspec

from support.hostile import EVIL
from support.hostile import LONG as ENDLESS
from support.odd_reports import HOSTILE, LONG
from tbft_edge.compare.pareto import Offer, on_front
from tbft_edge.compare.results import COSTS, FORMAT, EntryResult, Figures, Front, Results


def made_up_figures(accuracy: float = 0.75, seconds: float = 20.0, seed: int = 0, **changes: Any) -> Figures:
    """A run on a board with a meter that draws 5 W."""
    figures = Figures(
        seed=seed,
        plan="feature-block-sgd",
        trained_parameters=277_440,
        parameter_bytes=1_109_760,
        step_flops=54_400_000,
        activation_bytes=180_000,
        accuracy_before=0.25,
        accuracy_after=accuracy,
        epochs=10,
        seconds=seconds,
        joules=5 * seconds,
        covered=1.0,
        peak_memory_bytes=int(90e6 + 1e6 * seconds),
        idle_memory_bytes=70_000_000,
        inference_ms=1.25,
    )
    return msgspec.structs.replace(figures, **changes)


def made_up_entry(name: str, *runs: Figures, **changes: Any) -> EntryResult:
    """An entry with these runs, of a bundle of its own."""
    measured = bool(runs) and all(run.joules is not None for run in runs)
    entry = EntryResult(
        name=name,
        method="tbft",
        drift="feature",
        bundle=f"{name}.tar.gz",
        bundle_id="b" * 64,
        model="resnet26",
        plan="feature-block-sgd",
        blocks=("layer3",),
        energy="measured" if measured else "unavailable",
        meter="pmic" if measured else None,
        runs=runs,
        failed=() if runs else ("the loss of epoch 2 is no number",),
        notes=(),
    )
    return msgspec.structs.replace(entry, **changes)


def made_up_methods(*entries: EntryResult, **changes: Any) -> Results:
    """Entries compared on validation images; without any: three that ended well, and one that diverged."""
    entries = entries or (
        made_up_entry("last-layer", made_up_figures(0.6, 2.0), drift="output", notes=("the meter is a toy",)),
        made_up_entry("tbft", made_up_figures(0.85, 20.0)),
        made_up_entry(
            "full", made_up_figures(0.8, 60.0), method="full", drift=None, blocks=("conv1", "layer1", "layer2", "fc")
        ),
        made_up_entry("hasty"),
    )
    results = Results(
        format=FORMAT,
        data="photos.npz (0123456789abcdef)",
        test=None,
        test_images=80,
        train_images=320,
        image_size="32 px",
        seed=0,
        repeats=max(1, *(len(entry.runs) for entry in entries)),
        epochs=10,
        val_fraction=0.2,
        threads=4,
        meter="auto",
        board="Raspberry Pi 5 Model B Rev 1.0",
        versions={"tbft-edge": "0.1.0", "onnxruntime": "1.22.0"},
        entries=entries,
        fronts=tuple(_front(cost, entries) for cost in COSTS),
        notes=(),
    )
    return msgspec.structs.replace(results, **changes)


def odd_comparisons() -> dict[str, Results]:
    """By what is odd about each; the names are those of their pages."""
    return {
        "methods": made_up_methods(),
        "methods-repeated": made_up_methods(*(_repeated(f"plan-{n}-block-sgd", n) for n in range(5))),
        "methods-many": made_up_methods(*(_repeated(f"feature-layer{n}-block-sgd", n) for n in range(24))),
        "methods-without-meter": made_up_methods(made_up_entry("blind", made_up_figures(joules=None))),
        "methods-all-alike": made_up_methods(
            *(made_up_entry(f"copy-{n}", made_up_figures(1.0, 5.0)) for n in range(6))
        ),
        "methods-far-apart": made_up_methods(
            made_up_entry("quick", made_up_figures(0.0, 0.001)), made_up_entry("slow", made_up_figures(0.01, 9e5))
        ),
        "methods-hostile-names": _named(HOSTILE),
        "methods-long-names": _named(LONG),
        "methods-harmful-names": _named(EVIL + ENDLESS),
    }


def _repeated(name: str, seed: int) -> EntryResult:
    draw = random.Random(seed)
    accuracy, seconds = draw.uniform(0.5, 0.9), draw.uniform(5, 60)
    runs = [
        made_up_figures(accuracy + draw.uniform(-0.02, 0.02), seconds * draw.uniform(0.9, 1.1), seed=repeat)
        for repeat in range(3)
    ]
    return made_up_entry(name, *runs)


def _named(name: str) -> Results:
    """A stranger chose every name that can be chosen."""
    changes: dict[str, Any] = {"method": name, "bundle": name, "model": name, "blocks": (name,), "notes": (name,)}
    entries = (
        made_up_entry(name, made_up_figures(plan=name), **changes),
        made_up_entry(f"{name} again", made_up_figures(0.9, 30.0), **changes),
        made_up_entry(f"{name} failed", failed=(name,)),
    )
    return made_up_methods(*entries, data=name, test=name, meter=name, board=name, versions={name: name}, notes=(name,))


def _front(cost: Any, entries: tuple[EntryResult, ...]) -> Front:
    known = [entry for entry in entries if entry.runs]
    prices = [entry.spread(cost) for entry in known]
    if None in prices:
        return Front(cost=cost, entries=(), unavailable="there is no meter")
    offers = [Offer(entry.spread("accuracy_after").median, price.median) for entry, price in zip(known, prices)]  # type: ignore[union-attr]  # noqa: B905
    return Front(cost=cost, entries=tuple(e.name for e, best in zip(known, on_front(offers), strict=True) if best))
