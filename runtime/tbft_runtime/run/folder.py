"""The folder of a run: its settings, its state, its result, and a lock."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.atomic import atomic_file, clear_disk_errors
from tbft_artifacts.bundle import Bundle, open_bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.flush import flush
from tbft_artifacts.locks import open_lock, take
from tbft_artifacts.rights import PRIVATE_FOLDER, shared_as
from tbft_artifacts.stored_paths import from_stored
from tbft_runtime.run.diagnosis_record import Diagnosis
from tbft_runtime.run.selection_record import Selection
from tbft_runtime.run.settings import Settings
from tbft_runtime.run.state import TrainingState, load_state, save_state

# Of atomic files, and of safetensors, which writes beside the file that it is told to write.
_LEFTOVERS = (".*.tmp", ".tmp??????")


class RunFile(msgspec.Struct, frozen=True):
    """`run.json`: where the bundle is (as `stored_paths` keeps it), what the data was, and the settings.

    `started_at` is what the wall clock said (ISO 8601), a label that may be wrong. `diagnosis` is why the plan was
    chosen, where the device did, and `selection` which channels it trains, where the device chose them.
    """

    bundle: str
    data_fingerprint: str
    started_at: str
    settings: Settings
    diagnosis: Diagnosis | None = None
    selection: Selection | None = None


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
    def report_file(self) -> Path:
        return self.path / "report.json"

    @property
    def page_file(self) -> Path:
        """The report for people."""
        return self.path / "report.html"

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
    def lock_file(self) -> Path:
        """The first file of a run: where it lies, everything in the folder is the run's own."""
        return self.path / ".tbft-edge.lock"

    def create(self) -> bool:
        """Make the folder, for this user alone; False if it was there already, and keeps its rights.

        Raises TbftError if it cannot be written, or holds files that are no run's: a run removes and
        replaces files in its folder.
        """
        with clear_disk_errors(self.path):
            if self.path.is_dir():
                if any(self.path.iterdir()) and not self.lock_file.exists():
                    raise TbftError(f"'{self.path}' is not empty and no run folder", "choose another `out`")
                return False
            self.path.mkdir(mode=PRIVATE_FOLDER, parents=True)
            flush(self.path.parent)
            return True

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
        """What was written when the run began, or None."""
        try:
            return msgspec.json.decode(self.run_file.read_bytes(), type=RunFile)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise TbftError(f"'{self.run_file}' cannot be read: {error}", "start again with another `out`") from error

    def write_run(self, run: RunFile) -> None:
        with atomic_file(self.run_file, mode=self.mode) as temporary:
            temporary.write_bytes(msgspec.json.format(msgspec.json.encode(run), indent=1))

    def read_state(self) -> TrainingState | None:
        return load_state(self.state_file)

    def write_state(self, state: TrainingState) -> None:
        save_state(state, self.state_file)

    def remove_cache(self) -> None:
        shutil.rmtree(self.cache, ignore_errors=True)

    def remove_leftovers(self) -> None:
        """Remove temporary files of a process that was killed; only for whoever has the lock."""
        for folder in (self.path, self.cache):
            for leftover in (found for pattern in _LEFTOVERS for found in folder.glob(pattern)):
                if leftover.is_dir():
                    shutil.rmtree(leftover, ignore_errors=True)
                else:
                    leftover.unlink(missing_ok=True)

    def discard(self, created: bool) -> None:
        """Undo a start that came to nothing, and with `created` the folder too; a tuning stays, in a run folder."""
        shutil.rmtree(self.bundle, ignore_errors=True)
        self.remove_cache()
        self.run_file.unlink(missing_ok=True)
        if self.tuning_file.exists():
            return
        self.lock_file.unlink(missing_ok=True)
        if created:
            with contextlib.suppress(OSError):  # Something else was put there.
                self.path.rmdir()


def open_trained(path: Path, bundle: Path | None = None) -> tuple[Bundle, RunFile, TrainingState]:
    """The bundle, run file and state of the run in `path`; `bundle` says where the bundle is now.

    Raises TbftError if `path` is no run, has not finished an epoch, or the bundle is gone or another.
    """
    folder = RunFolder(path)
    run = folder.read_run()
    state = folder.read_state()
    if run is None:
        raise TbftError(f"'{path}' is no run folder", "give the `out` of 'tbft-edge train'")
    if state is None:
        raise TbftError(
            f"the run in '{path}' has saved no epoch yet", "continue it with 'tbft-edge train' and `resume`"
        )
    try:
        # A bundle that came as an archive lies in the run's folder, wherever that was moved to.
        opened = open_bundle(bundle or (folder.bundle if folder.bundle.exists() else from_stored(run.bundle)))
    except TbftError as error:
        raise TbftError(
            error.message, "put the bundle back where it was; 'tbft-edge finalize' takes another place with `bundle`"
        ) from error
    if opened.manifest.bundle_id != run.settings.bundle_id:
        raise TbftError(
            f"'{opened.folder}' is not the bundle that '{path}' was trained from",
            "put that one back where it was; 'tbft-edge finalize' takes another place with `bundle`",
        )
    return opened, run, state
