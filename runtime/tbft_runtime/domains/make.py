"""Runs -> a bank of domains."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tbft_artifacts.atomic import check_place, check_replaceable
from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.stored_paths import from_stored, stored
from tbft_runtime.domains.bank import check_expected, opened_bundle
from tbft_runtime.domains.file import SUFFIX, Domain, read_bank, write_bank
from tbft_runtime.domains.reader import ChannelReader
from tbft_runtime.domains.record import BankSummary, DomainRecord
from tbft_runtime.domains.statistics import FEWEST, Statistics
from tbft_runtime.graphs.sessions import Tensors, checked_threads
from tbft_runtime.graphs.weights import check_finite, load_weights
from tbft_runtime.inference.batches import in_batches, pixels_of
from tbft_runtime.inference.prediction import Pictures
from tbft_runtime.progress import Progress, Silent
from tbft_runtime.run.base import unlike
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.trained import open_trained, read_trained
from tbft_runtime.training.sparse_rows import merged

# As `tbft_artifacts.structs.Word` has it.
_MOST_LETTERS = 1000


@dataclass(frozen=True)
class _Adapted:
    """A run to be added: the tensors that it changed, what is known of it, and where images of its domain are."""

    changed: Tensors
    plan: str
    accuracy: float | None
    data: Path


def make_bank(
    path: str | os.PathLike[str],
    add: Mapping[str, str | os.PathLike[str]] | None = None,
    data: Mapping[str, str | os.PathLike[str]] | None = None,
    *,
    bundle: str | os.PathLike[str] | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    expect_id: str | None = None,
) -> BankSummary:
    """Put runs of one bundle, each adapted to a domain, into one file, by which `Bank` answers; or say what is in it.

    The file holds what the runs changed, and what their images look like: neither runs nor images are needed again. The
    bundle is. A domain that is in the bank already is replaced.

    Args:
        path: The bank, a file whose name ends in .bank; one that is there is added to.
        add: The run of each domain, by the domain's name; None: nothing is added. One named `source` takes the place of
            the bundle as it came.
        data: Images of a domain, by its name; they need no labels. Of others those that the run was trained on.
        bundle: Where the bundle lies now, a folder or `.tar.gz`, if it was moved since; None: where it was.
        threads: How many threads compute; None: as many as there are cores.
        progress: Hears how many images were looked at; None: nobody does.
        expect_id: The id, all 64 digits, that the bundle must have; None: whichever it has.

    Returns:
        The domains that are in the bank now.

    Raises:
        TbftError: There is no such run, it is one of another bundle or of more classes, the bundle was exported without
            source images, there are too few images, or the bank is damaged. A bank that was there before stays.
        DivergedError: What a run learned, or what the network answers, is no finite number.

    Example:
        >>> from tbft_runtime import make_bank
        >>> bank = make_bank("light.bank", {"night": "run"}, threads=1)
        >>> [domain.name for domain in bank.domains]
        ['night']
    """
    path, add, data = Path(path), dict(add or {}), dict(data or {})
    moved = None if bundle is None else Path(bundle)
    threads, progress = checked_threads(threads), progress or Silent()
    _check_names(path, add, data)
    old = read_bank(path) if os.path.lexists(path) else None
    if not add and moved is None and old is not None:
        check_expected(old, expect_id)
        return old.summary
    check_replaceable(path)
    check_place(path)
    with contextlib.ExitStack() as stack:
        runs, found = {}, None
        if old is not None:
            found = stack.enter_context(opened_bundle(old, expect_id, moved))
        for name, run in add.items():
            found, runs[name] = _opened_run(stack, Path(run), moved, expect_id, found)
        if found is None:
            raise TbftError(f"bank '{path}' does not exist", "begin it with `add`")
        own = load_weights(found)
        reader = ChannelReader.load(found, own, threads)
        domains = {domain.record.name: domain for domain in (old.domains(own, len(reader.covariance)) if old else ())}
        for name, adapted in runs.items():
            where = Path(data[name]) if name in data else adapted.data
            described = _described(where, reader, found, f"images of '{name}'", progress)
            if len(described) < FEWEST:
                raise TbftError(
                    f"{len(described)} images in '{where}' do not tell what domain '{name}' looks like",
                    f"give at least {FEWEST} with `data`, without labels if need be; 128 are better",
                )
            if name in domains:
                progress.note(f"'{name}' was in '{path}' already, and is replaced")
            domains[name] = Domain(
                DomainRecord(name, adapted.plan, len(described), adapted.accuracy),
                Statistics.of(described, reader.covariance),
                adapted.changed,
            )
        write_bank(path, stored(_place(found).absolute()), found.manifest.bundle_id, domains)
    return read_bank(path).summary


def _check_names(path: Path, add: Mapping[str, object], data: Mapping[str, object]) -> None:
    if path.suffix != SUFFIX:
        # Any other name may be that of the bundle, a run or the images.
        raise TbftError(f"'{path}' is no name of a bank", f"give a name that ends in {SUFFIX}")
    for name in data:
        if name not in add:
            raise TbftError(f"`data` names '{name}', which `add` does not", "give the run of that domain, too")
    for name in add:
        if not 0 < len(name) <= _MOST_LETTERS:
            raise TbftError(f"a domain's name has 1 to {_MOST_LETTERS} characters", "choose another name in `add`")


def _opened_run(
    stack: contextlib.ExitStack, run: Path, moved: Path | None, expect_id: str | None, known: Bundle | None
) -> tuple[Bundle, _Adapted]:
    """Its bundle with that one's own weights, and what it changed. Raises TbftError for a run of another bundle."""
    settled, _ = read_trained(RunFolder(run))
    if known is not None and known.manifest.bundle_id != settled.settings.bundle_id:
        raise TbftError(
            f"the run in '{run}' was trained from another bundle than the bank's other domains",
            "make a bank of its own for each bundle",
        )
    if settled.added:
        raise TbftError(
            f"the run in '{run}' has classes that its bundle lacks, and domains of a bank share theirs",
            "export a bundle with those classes, and train it for each domain",
        )
    place = moved if known is None else _place(known)
    begun, settled, state = stack.enter_context(open_trained(run, place, expect_id))
    check_finite(state.best, f"the best state of '{run}'", "train again with a lower `lr`")
    plan, bundle = begun.plan(settled.settings.plan), replace(begun, changed={})
    return known or bundle, _Adapted(
        unlike(merged(plan, load_weights(begun), state.best), bundle),
        plan.id,
        state.after.accuracy if state.after else None,
        from_stored(settled.settings.data),
    )


def _place(bundle: Bundle) -> Path:
    return bundle.shown or bundle.folder


def _described(data: Path, reader: ChannelReader, bundle: Bundle, what: str, progress: Progress) -> np.ndarray:
    """Every image in `data`: (N, 2C)."""
    pictures = Pictures(
        reader.preprocessing,
        bundle.manifest.classes,
        lambda name, problem: progress.note(f"skipped {name}: {problem}"),
    )
    progress.begin(what, 0)
    found = [np.empty((0, len(reader.covariance)))]
    for batch in in_batches(pictures.of([data]), bundle.manifest.shape):
        found.append(reader.look(pixels_of(batch)).described)
        progress.advance(len(batch))
    if pictures.unreadable:
        raise pictures.unreadable[0]
    return np.concatenate(found)
