"""What the agent does once a second: the camera's folder, its decisions, what it tells others."""

from __future__ import annotations

import contextlib
import threading
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tbft_agent.agent import Agent
from tbft_agent.answering import BusyError, UnreadableError
from tbft_agent.camera import Folder
from tbft_agent.metrics import metrics_of
from tbft_artifacts.atomic import atomic_file
from tbft_artifacts.errors import TbftError
from tbft_artifacts.notify import tell, watchdog_seconds

_TICK_SECONDS = 1.0
_METRICS_SECONDS = 15.0


@dataclass
class Round:
    """Runs in a thread of its own from `start` to `stop`; tests call `once`."""

    agent: Agent
    outdated: Callable[[], None] = lambda: None
    """Told, again and again, when the agent should begin anew with another bundle."""
    _camera: Folder | None = None
    _looked: float = -1e9
    _wrote: float = -1e9
    _told: float = -1e9
    _stopped: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, with what `begin` does."""
        self.begin()
        self._thread = threading.Thread(target=self._run, name="tbft-edge-round", daemon=True)
        self._thread.start()

    def begin(self) -> None:
        """Look at the camera's folder: pictures that are in it already are not answered, unless it is to be emptied."""
        if self.agent.core.configured.camera is not None:
            self._do("camera", self._begin_camera)

    def stop(self) -> None:
        """End it, and wait for that."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()

    def once(self) -> None:
        """Look around. What is wrong with one thing keeps nothing else from being done, least of all from answering."""
        steady = self.agent.core.clock.steady()
        camera = self.agent.core.settings.camera
        if camera is not None and steady - self._looked >= camera.every_seconds:
            self._looked = steady
            self._do("camera", self._take_pictures)
        self._do("agent", self.agent.tick)
        if self.agent.is_outdated:
            self.outdated()
        if steady - self._wrote >= _METRICS_SECONDS:
            self._wrote = steady
            self._do("metrics", self._write_metrics)

    def _do(self, what: str, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # Whatever it is, images are still answered, and the next round may do.
            self._say_once(what, error)
        else:
            self.agent.core.troubles.pop(what, None)

    def _run(self) -> None:
        while not self._stopped.is_set():
            self.once()
            # Also of a round with trouble: a folder that is gone is no reason to start anew.
            self._tell_that_it_lives()
            camera = self.agent.core.settings.camera
            self._stopped.wait(min(_TICK_SECONDS, _TICK_SECONDS if camera is None else camera.every_seconds))

    def _begin_camera(self) -> None:
        """Those that came while nothing ran wait in a folder that is emptied. After a crash one of them may be why."""
        camera, settings = self._folder, self.agent.core.settings.camera
        with _told(camera):
            if settings is None or settings.after == "keep":
                camera.begin()
            elif self.agent.core.memory.starts > 1:
                camera.clear()

    @property
    def _folder(self) -> Folder:
        if self._camera is None:
            folder = self.agent.core.configured.camera
            assert folder is not None
            self._camera = Folder(folder)
        return self._camera

    def _take_pictures(self) -> None:
        with _told(self._folder):
            self._answer_pictures(self._folder)

    def _answer_pictures(self, camera: Folder) -> None:
        steady = self.agent.core.clock.steady()
        for shot in camera.news(steady):
            if self._stopped.is_set():
                return
            self._tell_that_it_lives()
            try:
                self.agent.core.answering.answer(shot.content)
            except BusyError:
                camera.later(shot)
                return
            except TbftError:
                # The model gave no answer, and the one before may.
                camera.again(shot, steady)
                raise
            except UnreadableError as error:
                if not camera.again(shot, steady):
                    self.agent.core.journal.write("skipped", f"'{shot.path.name}' is no picture: {error}")
                continue
            settings = self.agent.core.settings.camera
            if settings is not None and settings.after == "delete":
                camera.remove(shot)

    def _tell_that_it_lives(self) -> None:
        steady, every = self.agent.core.clock.steady(), watchdog_seconds()
        if every is not None and steady - self._told >= min(every, _TICK_SECONDS):
            self._told = steady
            tell("WATCHDOG=1")

    def _write_metrics(self) -> None:
        path = self.agent.core.configured.metrics
        if path is not None:
            with contextlib.suppress(TbftError, OSError), atomic_file(path, durable=False) as temporary:
                temporary.write_bytes(metrics_of(self.agent.core))

    def _say_once(self, what: str, error: Exception) -> None:
        words = error.message if isinstance(error, TbftError) else f"{type(error).__name__}: {error}"
        troubles = self.agent.core.troubles
        if words != troubles.get(what):
            troubles[what] = words
            trace = "" if isinstance(error, TbftError | OSError) else traceback.format_exc(limit=-3)
            self.agent.core.journal.write("trouble", words, trace=trace)


@contextlib.contextmanager
def _told(camera: Folder) -> Iterator[None]:
    """Raises TbftError where the folder cannot be read."""
    try:
        yield
    except OSError as error:
        raise TbftError(
            f"the camera's folder '{camera.path}' cannot be read: {error.strerror or error}",
            "make it, or correct `camera.folder`",
        ) from error
