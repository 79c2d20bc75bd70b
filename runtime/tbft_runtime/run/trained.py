"""A run that saved something: its bundle, with what it began from, and its state, held against each other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from tbft_artifacts.archive import opened
from tbft_artifacts.bundle import Bundle, bundle_id
from tbft_artifacts.errors import TbftError
from tbft_artifacts.signing.trust import UntrustedError
from tbft_artifacts.stored_paths import from_stored
from tbft_runtime.run.base import continued
from tbft_runtime.run.check_run import check_selection, check_settings, check_state
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import TrainingState

_PUT_BACK = "put the bundle back where it was; 'tbft-edge finalize' takes another place with `bundle`"
_REPAIR = (
    "'tbft-edge train ARCHIVE' with `resume`, where ARCHIVE is the .tar.gz that it came as, unpacks it again; "
    "'tbft-edge finalize' takes it with `bundle`"
)


@contextlib.contextmanager
def open_trained(
    path: Path, bundle: Path | None = None, expect_id: str | None = None
) -> Iterator[tuple[Bundle, RunFile, TrainingState]]:
    """The bundle, run file and state of the run in `path`; `bundle` says where the bundle is now.

    The bundle has the weights that the run began with. The files of one that is an archive are there for as long as
    the `with` block lasts. Raises TbftError if `path` is no run, has not finished an epoch, or the bundle is gone or
    another, or not the expected one.
    """
    folder = RunFolder(path)
    run, state = read_trained(folder)
    if expect_id is not None and bundle_id(expect_id) != run.settings.bundle_id:
        raise TbftError(
            f"the run in '{path}' began with bundle {run.settings.bundle_id}, and not the one that `expect_id` says",
            "do not trust it, or give the id that 'tbft-edge export' printed for its bundle",
        )
    # A bundle that came as an archive lies in the run's folder, wherever that was moved to.
    unpacked = bundle is None and os.path.lexists(folder.bundle)
    with contextlib.ExitStack() as stack:
        try:
            place = bundle or (folder.bundle if unpacked else from_stored(run.bundle))
            found = stack.enter_context(opened(place, expect_id))
        except TbftError as error:
            of_a_folder = error.hint if isinstance(error, UntrustedError) else _PUT_BACK
            raise TbftError(error.message, _REPAIR if unpacked else of_a_folder) from error
        if found.manifest.bundle_id != run.settings.bundle_id:
            raise TbftError(f"'{place}' is not the bundle that '{path}' was trained from", _PUT_BACK)
        yield as_begun(found, folder, run, state), run, state


def read_trained(folder: RunFolder) -> tuple[RunFile, TrainingState]:
    """What a run says and saved. Raises TbftError if the folder is no run's, or no epoch was saved yet."""
    state = folder.read_state()
    run = folder.run_of(state)
    if run is None:
        raise TbftError(f"'{folder.path}' is no run folder", "give the `out` of 'tbft-edge train'")
    if state is None:
        raise TbftError(
            f"the run in '{folder.path}' has saved no epoch yet", "continue it with 'tbft-edge train' and `resume`"
        )
    return run, state


def as_begun(bundle: Bundle, folder: RunFolder, run: RunFile, state: TrainingState) -> Bundle:
    """The run's bundle with the weights and classes that it began with.

    Raises TbftError for a run or state that do not fit it.
    """
    bundle = bundle.with_classes(run.added)
    check_settings(run.settings, bundle, folder.path)
    plan = bundle.plan(run.settings.plan)
    if run.selection is not None:
        check_selection(run.selection, plan, folder.path)
        plan = plan.with_channels(run.selection.channels)
    check_state(state, bundle.manifest, plan, run, folder.path)
    return continued(bundle, folder, run)
