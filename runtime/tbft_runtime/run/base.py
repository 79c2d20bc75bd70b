"""The weights a run begins with where those are not its bundle's own: kept in its folder, laid over the bundle."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save_file

from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.bundle import Bundle, file_entry
from tbft_artifacts.decode import MIB
from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import WEIGHTS
from tbft_artifacts.plan import PREDICT, Plan
from tbft_artifacts.regular import help_with, read_at_most
from tbft_runtime.graphs.graph_file import bundle_graph
from tbft_runtime.graphs.sessions import Tensors
from tbft_runtime.graphs.weights import check_finite
from tbft_runtime.run.base_record import Base
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import Arrays, disk_error

_PUT_BACK = "put the file back, or start again with another `out`"
_NAMED = 3


def continued(bundle: Bundle, folder: RunFolder, run: RunFile) -> Bundle:
    """The run's bundle with the weights that the run began with: whoever computes with it computes with those.

    `bundle` has the run's classes already.

    Raises TbftError if they are damaged, gone, or none of this bundle.
    """
    if run.base is None:
        return bundle
    path = folder.base_file
    try:
        content = read_at_most(path, _limit(bundle))
    except FileNotFoundError as error:
        raise TbftError(f"'{path}' is missing, with which the run in '{folder.path}' began", _PUT_BACK) from error
    except OSError as error:
        raise TbftError(f"'{path}' cannot be read: {error.strerror}", _PUT_BACK) from error
    if hashlib.sha256(content).hexdigest() != run.base.sha256:
        raise TbftError(f"'{path}' is damaged: its content is not what the run began with", _PUT_BACK)
    return dataclasses.replace(bundle, changed=_fitting(content, bundle, path, _PUT_BACK))


def keep_base(tensors: Tensors, folder: RunFolder) -> str:
    """Write what a run begins with into its folder; the sha256 (hex) of the file. Raises TbftError if it cannot."""
    path = folder.base_file
    with atomic_file(path, mode=folder.mode) as temporary:
        try:
            save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, temporary)
        except SafetensorError as error:
            raise disk_error(error, path) from error
        return file_entry(temporary).sha256


def read_weights(path: Path, bundle: Bundle) -> Arrays:
    """The tensors of a `.safetensors` file, each in the place of one of the bundle.

    Raises TbftError for a file that cannot be read, and for tensors that are none of the bundle's, or of other shapes
    or types.
    """
    hint = f"give some of the tensors in {WEIGHTS} of the bundle, named and shaped as there"
    limit = _limit(bundle)
    try:
        content = read_at_most(path, limit)
    except OSError as error:
        raise TbftError(f"'{path}' cannot be read: {error.strerror}", help_with(error)) from error
    if len(content) > limit:
        raise TbftError(f"'{path}' has more than {limit:,} bytes, and the bundle's weights fewer", hint)
    return _fitting(content, bundle, path, hint)


def unlike(tensors: Tensors, bundle: Bundle) -> Arrays:
    """Those of the bundle's `tensors` that are not as in its own file of weights."""
    own = dataclasses.replace(bundle, changed={}).load_weights()
    return {name: value for name, value in tensors.items() if not _is_same(value, own[name])}


def check_reaches(bundle: Bundle, plan: Plan, base: Base) -> None:
    """Raises TbftError if training `plan` would lose something of what `bundle` is to go on from.

    Integers of an int8 prefix are the bundle's, and exits stand beside the head: what was trained there, the whole
    model of another plan does not see.
    """
    other = None if base.plan is None else bundle.plan(base.plan)
    if other is not None and other.id != plan.id and (other.exits or plan.exits):
        raise TbftError(
            f"'{base.shown}' trained plan '{other.id}', from which plan '{plan.id}' cannot go on: one of them has "
            "exits of its own",
            f"go on with `plan` {other.id}",
        )
    if plan.predict == PREDICT:
        return
    parts = (plan.predict, plan.suffix, *map(plan.prefix_in, plan.prefix_forms))
    read = {name for part in parts for name in bundle_graph(bundle, part).checked.external}
    lost = [name for name in bundle.changed if name not in read]
    if lost:
        prefix = "; its int8 prefix keeps the bundle's own" if plan.int8 else ""
        raise TbftError(
            f"plan '{plan.id}' does not use {some_of(lost)} of '{base.shown}'{prefix}",
            "choose another `plan`, or export again from a model that has them",
        )


def check_tensor(name: str, value: np.ndarray, own: np.ndarray) -> str | None:
    """What is wrong with `value` in the place of the bundle's tensor `own`; None if it fits."""
    if value.dtype != own.dtype:
        return f"'{name}' as {value.dtype}, and the bundle has {own.dtype}"
    if value.shape != own.shape:
        return f"'{name}' in shape {value.shape}, and the bundle has {own.shape}"
    return None


def _fitting(content: bytes, bundle: Bundle, path: Path, hint: str) -> Arrays:
    """The tensors of a file, all of which have their places in the bundle. Raises TbftError."""
    try:
        tensors = load(content)
    except (SafetensorError, UnicodeError, KeyError, TypeError, ValueError) as error:
        raise TbftError(f"'{path}' is no safetensors file that can be read: {error}", hint) from error
    own = dataclasses.replace(bundle, changed={}).load_weights()
    strange = [name for name in tensors if name not in own]
    if strange:
        raise TbftError(f"'{path}' has {some_of(strange)}, which the bundle lacks", hint)
    for fault in _faults(tensors, own):
        raise TbftError(f"'{path}' has {fault}", hint)
    check_finite(tensors, f"'{path}'", hint)
    return tensors


def _faults(tensors: Tensors, own: Tensors) -> Iterator[str]:
    for name, value in tensors.items():
        fault = check_tensor(name, value, own[name])
        if fault is not None:
            yield fault


def _is_same(value: np.ndarray, own: np.ndarray) -> bool:
    return value.shape == own.shape and value.tobytes() == own.tobytes()


def _limit(bundle: Bundle) -> int:
    """Bytes that its tensors, a head for more classes, and what their file says of them have at most."""
    return 2 * bundle.manifest.files[WEIGHTS].bytes + 16 * MIB


def some_of(names: list[str]) -> str:
    """The first of many names, and how many more there are."""
    shown = ", ".join(f"'{name}'" for name in names[:_NAMED])
    return shown if len(names) <= _NAMED else f"{shown} and {len(names) - _NAMED} more"
