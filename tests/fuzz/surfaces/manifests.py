"""Manifests with odd values, and hashes that fit: signed by whoever made the bundle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from fuzz import commands
from fuzz.case import Case
from fuzz.desk import Desk
from fuzz.mutations import change_json, found, nested, paths
from fuzz.rehash import copy_bundle, write_manifest
from support.hostile import EVIL, LONG
from tbft_artifacts.manifest import MANIFEST

_BUNDLES = (
    "feature-frozen",
    "output-frozen",
    "feature-batch",
    "input-batch",
    "feature-int8",
    "all-drifts",
    "tinytrain",
)


def make(desk: Desk, rng: Random, folder: Path) -> Case:
    """A value made odd, or a kind of lie that no single value tells."""
    name = rng.choice(_BUNDLES)
    bundle = folder / "bundle"
    manifest = copy_bundle(desk.bundle(name), bundle)
    if rng.random() < 0.03:
        deep = nested(rng)
        (bundle / MANIFEST).write_bytes(deep.value)
        return commands.any_of_bundle(f"{name}: {deep.what}", desk, "bundle", rng)
    if rng.random() < 0.2:
        what = rng.choice(_LIES)(manifest, rng)
        write_manifest(bundle, manifest)
    else:
        files = manifest["files"]
        places = [path for path in paths(manifest) if path[0] != "files" or rng.random() < 0.05]
        changed = change_json(manifest, rng, places)
        write_manifest(bundle, changed.value, list_files=False)
        what, manifest = changed.what, {**changed.value, "files": files}
    case = commands.any_of_bundle(f"{name}: {what}", desk, "bundle", rng)
    return replace(case, learns_from="bundle") if case.command == "train" and _learns(manifest) else case


def _learns(manifest: dict[str, Any]) -> bool:
    """Whether training has to change something: no rate is so low that float32 may not see it."""
    try:
        return all(1e-4 < plan["optimizer"]["lr"] < 1 and not plan.get("sparse") for plan in manifest["plans"])
    except (LookupError, TypeError, AttributeError):
        return False


def _sizes(manifest: dict[str, Any], rng: Random) -> str:
    """Images of another size, said everywhere alike."""
    size = rng.choice((0, -8, 1, 7, 9, 224, 1024, 40_000, 2**31, 2**62))
    manifest["image_size"] = size
    for step in manifest["preprocessing"]:
        if "size" in step:
            step["size"] = size
    return f"images of {size} px"


def _classes(manifest: dict[str, Any], rng: Random) -> str:
    """More, fewer, equal, endless or unprintable names."""
    kinds: dict[str, list[str]] = {
        "one": ["ant"],
        "none": [],
        "equal": ["ant"] * 4,
        "five": ["ant", "bee", "cat", "dog", "eel"],
        "unprintable": [EVIL, "b\nforged\tline\t99.9%", "\x1b[31m", LONG],
        "blank": ["", " ", "\u200b", "\t"],
        "traversing": ["..", ".", "/", "../x"],
        "many": [str(number) for number in range(200_000)],
    }
    name = rng.choice(sorted(kinds))
    manifest["classes"] = kinds[name]
    return f"classes: {name}"


def _steps(manifest: dict[str, Any], rng: Random) -> str:
    """Preprocessing without, with too much, or in another order."""
    steps = manifest["preprocessing"]
    match rng.randrange(5):
        case 0:
            steps.clear()
        case 1:
            steps.pop(rng.randrange(len(steps)))
        case 2:
            steps.extend(steps * 200)
        case 3:
            rng.shuffle(steps)
        case _:
            values = rng.choice(([0.0] * 3, [1e308] * 3, [1e-40] * 3, [float("nan")] * 3, [0.5], [], [-1.0] * 3))
            steps[-1][rng.choice(("mean", "std"))] = values
    return f"preprocessing: {[step.get('type') for step in steps][:8]}, {steps[-1] if steps else ''}"


def _plan(manifest: dict[str, Any], rng: Random) -> str:
    """A number or a list of a plan that training counts on."""
    plan = rng.choice(manifest["plans"])
    names = ("micro_batch", "batch_size", "gradient_forms", "gradient_memory", "prefix_forms", "prefix_memory")
    name = rng.choice((*names, "batch_statistics", "parameters", "boundary", "blocks", "cost"))
    value: Any = rng.choice((0, -1, 2**31, 2**62, 1, 10**6))
    if name == "boundary":
        value = {
            "name": rng.choice((plan["boundary"]["name"], "nothing")),
            "shape": rng.choice(([], [2**32, 2**32], [0], [-1, 8, 8], [1])),
        }
    elif isinstance(plan[name], list):
        value = rng.choice(([], plan[name] * 2, plan[name][::-1]))
    elif isinstance(plan[name], dict):
        value = dict.fromkeys(plan[name], value)
    plan[name] = value
    return f"{name} of {plan['id']}: {str(value)[:60]}"


def _optimizer(manifest: dict[str, Any], rng: Random) -> str:
    """An optimizer that is none, or has other inputs than its graph."""
    optimizer = rng.choice(manifest["plans"])["optimizer"]
    name = rng.choice(sorted(optimizer))
    before = optimizer[name]
    if isinstance(before, list):
        optimizer[name] = rng.choice(([], [*before, "nothing"], before * 2, ["x"], [EVIL]))
    elif isinstance(before, float):
        optimizer[name] = rng.choice((0.0, -1.0, 1e38, 1e308, float("nan"), float("inf"), 1e-320))
    else:
        optimizer[name] = rng.choice(("sgd", "adam", "adamw", "lion"))
    return f"optimizer: {name} {optimizer[name]!r:.60}"


def _ids(manifest: dict[str, Any], rng: Random) -> str:
    """Plans of odd or equal names."""
    plans = manifest["plans"]
    plan = rng.choice(plans)
    if rng.random() < 0.3:
        plans.append(dict(plan))
        return "a plan twice"
    plan["id"] = rng.choice(("", ".", "..", "../..", "/etc", "x" * 5000, EVIL, "a/b", "-x", "plan\0"))
    return f"plan {plan['id']!r:.40}"


def _listed(manifest: dict[str, Any], rng: Random) -> str:
    """Files that nobody has."""
    plan = rng.choice(manifest["plans"])
    path = rng.choice(sorted(path for path in paths(plan) if isinstance(found(plan, path), str)))
    parent = found(plan, path[:-1])
    parent[path[-1]] = "nothing-of-that-name"
    return f"{'.'.join(map(str, path))} names nothing"


_LIES = (_sizes, _classes, _steps, _plan, _plan, _optimizer, _ids, _listed)
