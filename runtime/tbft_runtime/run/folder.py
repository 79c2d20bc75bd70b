"""The folder of a run: its settings, its state, its result, and a lock."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tbft_artifacts.atomic import clear_disk_errors, is_full_disk, replace_if_other
from tbft_artifacts.decode import MIB, decode
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.locks import open_lock, take
from tbft_artifacts.regular import read_at_most
from tbft_artifacts.rights import PRIVATE_FOLDER, shared_as
from tbft_artifacts.sealed import is_as_sealed, sealed
from tbft_artifacts.temporary import remove_all
from tbft_runtime.run.run_file import RunFile
from tbft_runtime.run.state import (
    DamagedStateError,
    TrainingState,
    history_of,
    load_state,
    previous_of,
    save_state,
)

# Of atomic files, and of safetensors, which writes beside the file that it is told to write.
_LEFTOVERS = (".*.tmp", ".tmp??????")
_START_AGAIN = "start again with another `out`"
# What a device saw of its images, and which channels of which layers it chose, is a few MB in a deep network.
_RUN_LIMIT = 16 * MIB


@dataclass(frozen=True)
class RunFolder:
    """Where a run keeps what must survive a pulled plug."""

    path: Path

    @property
    def run_file(self) -> Path:
        return self.path / "run.json"

    @property
    def state_file(self) -> Path:
        return self.path / "state.safetensors"

    @property
    def previous_file(self) -> Path:
        """The state before that one: a damaged state costs an epoch."""
        return previous_of(self.state_file)

    @property
    def history_file(self) -> Path:
        """The epochs, a line each."""
        return history_of(self.state_file)

    @property
    def is_run(self) -> bool:
        """Whether a run began here, as far as names tell."""
        return self.run_file.exists() or self.has_state

    @property
    def has_state(self) -> bool:
        """Whether there is something to go on from, whole or not."""
        return self.state_file.exists() or self.previous_file.exists()

    @property
    def has_epochs(self) -> bool:
        """Whether there is something to lose: a state, or the history of one that is gone."""
        return self.has_state or (self.history_file.is_file() and self.history_file.stat().st_size > 0)

    @property
    def report_file(self) -> Path:
        return self.path / "report.json"

    @property
    def page_file(self) -> Path:
        return self.path / "report.html"

    @property
    def base_file(self) -> Path:
        """Tensors that the run began with instead of its bundle's, if it went on from another run."""
        return self.path / "base.safetensors"

    @property
    def moments_file(self) -> Path:
        """Moments of the bundle's source domain and of what was learned, by which a later run knows its classes."""
        return self.path / "moments.safetensors"

    @property
    def tuning_file(self) -> Path:
        """What `tune` measured, before the run or without one."""
        return self.path / "tuning.json"

    @property
    def cache(self) -> Path:
        """Prepared images and boundary activations; can be made again."""
        return self.path / "cache"

    @property
    def bundle(self) -> Path:
        """Where a bundle that came as an archive is unpacked."""
        return self.path / "bundle"

    @property
    def fresh_bundle(self) -> Path:
        """Where it is unpacked before it takes that place; a leftover, if the process is killed."""
        return self.path / ".bundle.fresh.tmp"

    @property
    def lock_file(self) -> Path:
        """The first file of a run."""
        return self.path / ".tbft-edge.lock"

    def create(self) -> bool:
        """Make the folder, for this user alone; False if it was there already, and keeps its rights.

        Raises TbftError if it cannot be written, or holds files that are no run's: a run removes and
        replaces files in its folder.
        """
        with clear_disk_errors(self.path):
            if self.path.is_dir():
                if any(self.path.iterdir()) and not self._is_marked():
                    raise TbftError(f"'{self.path}' is not empty and no run folder", "choose another `out`")
                return False
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True)
            flush(self.path.parent)
            return True

    def _is_marked(self) -> bool:
        """Whether everything in the folder is a run's own: files of any other program may have the same names.

        The lock is not enough: copies leave hidden files out.
        """
        if self.lock_file.exists():
            return True
        for read in (self.read_run, lambda: load_state(self.state_file), lambda: load_state(self.previous_file)):
            with contextlib.suppress(TbftError):
                if read() is not None:
                    return True
        return False

    @contextlib.contextmanager
    def taken(self, note: Callable[[str], None]) -> Iterator[None]:
        """Make the folder if need be, and keep other processes out; a start that comes to nothing leaves nothing.

        Raises TbftError as `create` and `lock` do.
        """
        created = self.create()
        with self.lock(note):
            self.remove_leftovers()
            try:
                yield
            except Exception:
                if not self.has_epochs:
                    self.discard(created)
                raise

    @contextlib.contextmanager
    def lock(self, note: Callable[[str], None] = lambda _: None) -> Iterator[None]:
        """Keep a second process out; `note` is told where the file system has no locks.

        Raises TbftError if another process has the folder.
        """
        with clear_disk_errors(self.path):
            file = open_lock(self.lock_file, self.mode)
        try:
            is_ours = take(file)
            if is_ours is None:
                note(f"'{self.path}' lies where files cannot be locked: let no other process train in it")
            elif not is_ours:
                raise TbftError(f"another process is training in '{self.path}'", "wait, or choose another `out`")
            yield
        finally:
            os.close(file)

    @property
    def mode(self) -> int:
        """The mode of the run's own files: for whoever may enter its folder."""
        return shared_as(self.path)

    def read_run(self) -> RunFile | None:
        """What was written when the run began, or None. Raises TbftError if it is damaged."""
        failed = f"'{self.run_file}' cannot be read"
        try:
            content = read_at_most(self.run_file, _RUN_LIMIT)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise TbftError(f"{failed}: {error.strerror}", _START_AGAIN) from error
        run = decode(content, RunFile, _RUN_LIMIT, failed=failed, hint=_START_AGAIN)
        if is_as_sealed(content) is False:
            raise TbftError(f"'{self.run_file}' is damaged: its content is not what was written", _START_AGAIN)
        return run

    def run_of(self, state: TrainingState | None) -> RunFile | None:
        """What the run file says, or None; what the state does where that is damaged, gone or of another run."""
        known = None if state is None else state.run
        try:
            stored = self.read_run()
        except TbftError:
            if known is None:
                raise
            return known
        return known if known is not None and (stored is None or not stored.is_of_same_run(known)) else stored

    def write_run(self, run: RunFile) -> None:
        replace_if_other(self.run_file, sealed(run), mode=self.mode)

    def read_state(self) -> TrainingState | None:
        """What was saved last, or None.

        Raises TbftError if it is damaged or gone, even where the state before is not: whoever asks for the weights of
        a run must not get other ones.
        """
        try:
            state, problem = load_state(self.state_file), f"'{self.state_file}' is missing"
        except DamagedStateError as error:
            if not self.previous_file.exists():
                raise
            state, problem = None, error.message
        if state is None and self.previous_file.exists():
            raise TbftError(
                problem, "go on with 'tbft-edge train' and `resume`: it takes the state before, which costs an epoch"
            )
        return state

    def write_state(self, state: TrainingState) -> None:
        """Save it; where the disk is too full for three of them, without the one before. Raises TbftError."""
        try:
            save_state(state, self.state_file)
        except TbftError as error:
            if not is_full_disk(error) or not self.previous_file.exists():
                raise
            self.previous_file.unlink()
            save_state(state, self.state_file)

    def remove_cache(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove temporary files of a process that was killed; only for whoever has the lock."""
        for folder in (self.path, self.cache):
            for pattern in _LEFTOVERS:
                remove_all(folder, pattern)

    def renew_bundle(self) -> None:
        """Put the fresh bundle in the place of the one that is there, whatever that is."""
        old = self.path / ".bundle.old.tmp"
        with clear_disk_errors(self.bundle):
            if os.path.lexists(self.bundle):
                self.bundle.rename(old)
            self.fresh_bundle.rename(self.bundle)
        self.remove_leftovers()

    def discard(self, created: bool) -> None:
        """Undo a start that came to nothing, and with `created` the folder too; a tuning stays, in a run folder."""
        shutil.rmtree(self.bundle, ignore_errors=True)
        self.remove_leftovers()
        self.remove_cache()
        self.run_file.unlink(missing_ok=True)
        self.history_file.unlink(missing_ok=True)
        self.base_file.unlink(missing_ok=True)
        self.moments_file.unlink(missing_ok=True)
        if self.tuning_file.exists():
            return
        self.lock_file.unlink(missing_ok=True)
        if created:
            with contextlib.suppress(OSError):  # Something else was put there.
                self.path.rmdir()
