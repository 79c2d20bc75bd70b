"""Files that several trials read: made when the first one needs them, removed after the last one."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable
from pathlib import Path

from tbft_edge.reproduce.case import Parts
from tbft_edge.reproduce.engine import DataFiles, write_parts


class SharedData:
    """The data of one case in `folder`, for `users` trials. Trials of other cases go on while it is made."""

    def __init__(self, load: Callable[[], Parts], folder: Path, users: int) -> None:
        self._load = load
        self._folder = folder
        self._users = users
        self._files: DataFiles | None = None
        self._lock = threading.Lock()

    def files(self) -> DataFiles:
        """Make them, or wait until another trial has. Raises TbftError for data that do not fit."""
        with self._lock:
            if self._files is None:
                self._files = write_parts(self._load(), self._folder)
            return self._files

    def release(self) -> None:
        """A trial is over; the last one removes the files."""
        with self._lock:
            self._users -= 1
            if not self._users:
                shutil.rmtree(self._folder, ignore_errors=True)
