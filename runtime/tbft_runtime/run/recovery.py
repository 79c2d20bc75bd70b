"""What an earlier part of a run left, as far as it is whole, and mended where it is not."""

from __future__ import annotations

from collections.abc import Callable

from tbft_artifacts.atomic import check_replaceable
from tbft_artifacts.errors import TbftError
from tbft_runtime.run.folder import RunFolder
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import DamagedStateError, TrainingState, load_state

Note = Callable[[str], None]


def earlier_part(folder: RunFolder, note: Note) -> TrainingState | None:
    """The state to go on from, with its run; None if none was saved. Only for whoever has the lock.

    A state that is damaged or gone is replaced by the one before, which costs an epoch; a run file by what the state
    says of it; and of the history, lines that are damaged are left out. `note` hears of each. Raises TbftError if
    nothing whole is left, or the parts belong to several runs.
    """
    state = _newest(folder, note)
    if state is None:
        return None
    state.run = _run_of(folder, state, note)
    lost = state.epochs.mend(state.epoch)
    if lost:
        note(f"'{folder.history_file}' was damaged: what it said of {lost} of {state.epoch} epochs is lost")
    return state


def _newest(folder: RunFolder, note: Note) -> TrainingState | None:
    if not folder.has_state:
        return None
    try:
        state, problem = load_state(folder.state_file), f"'{folder.state_file}' is missing"
    except DamagedStateError as error:
        state, problem = None, error.message
        if not folder.previous_file.exists():
            raise
    if state is not None:
        return state
    try:
        state = load_state(folder.previous_file)
    except DamagedStateError as error:
        raise TbftError(f"{problem}; {error.message}", error.hint) from error
    assert state is not None
    if folder.state_file.is_dir():
        # Anything else that is no file, such as a pipe, gives way to one.
        check_replaceable(folder.state_file)
    folder.previous_file.replace(folder.state_file)
    note(f"{problem}; the run goes on from the state before, after epoch {state.epoch}")
    return state


def _run_of(folder: RunFolder, state: TrainingState, note: Note) -> RunFile:
    """What the run file says; what the state does where that cannot be read, and `begin` will write it again."""
    try:
        stored, problem = folder.read_run(), f"'{folder.run_file}' is missing"
    except TbftError as error:
        stored, problem = None, error.message
    if stored is None:
        if state.run is None:
            raise TbftError(problem, "start again with another `out`")
        note(f"{problem}; it is written again, since the state knows what it said")
        return state.run
    if state.run is not None and not stored.is_of_same_run(state.run):
        raise TbftError(
            f"'{folder.state_file}' is of another run than '{folder.run_file}': of plan '{state.run.settings.plan}' "
            f"and bundle {state.run.settings.bundle_id[:12]}",
            "put back the files of one run, or choose another `out`",
        )
    return stored
