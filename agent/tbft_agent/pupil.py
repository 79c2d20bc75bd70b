"""A training in the background, from its images to the proof of its candidate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from tbft_agent.adapting.child import BoardError, Commands, StoppedError
from tbft_agent.adapting.energy import Metered, Spent
from tbft_agent.adapting.lesson import Candidate, HeldBackError, Lesson, ask, prove, take
from tbft_agent.adapting.proof import Proof
from tbft_agent.serving.served import Served, serve
from tbft_agent.watching.normal import Normal
from tbft_artifacts.errors import TbftError
from tbft_runtime.data.pictures import read_picture
from tbft_runtime.domains.statistics import FEWEST

# More images say hardly more of what is normal.
_LOOKED_AT = 512


@dataclass(frozen=True)
class Proven:
    """A candidate, loaded, what its images look like to it, how sure it is of them, and what labels say."""

    lesson: Lesson
    candidate: Candidate
    served: Served
    normal: Normal | None
    confidence: float | None
    proof: Proof


@dataclass
class Pupil:
    """One thread at a time, and one command at a time in it, which may use `most_bytes` of memory."""

    on_trained: Callable[[Candidate], None]
    most_bytes: int | None = None
    _commands: Commands = field(init=False)
    _thread: threading.Thread | None = None
    _result: Proven | TbftError | HeldBackError | None = None
    _asked: list[str] | None = None
    _compared: Proof | TbftError | None = None
    _spent: Spent | None = None

    def __post_init__(self) -> None:
        self._commands = Commands(most_bytes=self.most_bytes)

    @property
    def is_busy(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def learn(self, lesson: Lesson, known: Candidate | None = None) -> None:
        """Begin; a candidate that is there already is only proven anew."""
        self._start(lambda: self._learn(lesson, known))

    def choose(self, lesson: Lesson, count: int) -> None:
        """Begin to find the images that are best asked for."""
        self._start(lambda: self._ask(lesson, count))

    def compare(self, lesson: Lesson, answering: Candidate) -> None:
        """Begin to hold the model that answers against that of the lesson, on its images."""
        self._start(lambda: self._compare(lesson, answering))

    def compared(self) -> Proof | TbftError | None:
        """What came of that, once."""
        if self.is_busy:
            return None
        found, self._compared = self._compared, None
        return found

    def result(self) -> Proven | TbftError | HeldBackError | None:
        """What came of it, once; None while it goes on."""
        if self.is_busy:
            return None
        found, self._result = self._result, None
        return found

    def spent(self) -> Spent | None:
        """What the last training took, once: also one that failed, was held back, or was stopped."""
        if self.is_busy:
            return None
        found, self._spent = self._spent, None
        return found

    def asked(self) -> list[str] | None:
        """Digests to ask for, once."""
        if self.is_busy:
            return None
        found, self._asked = self._asked, None
        return found

    def stop(self) -> None:
        """End whatever goes on, and wait for it."""
        self._commands.stop()
        if self._thread is not None:
            self._thread.join()
        self._commands = Commands(most_bytes=self.most_bytes)
        self._result = self._asked = self._compared = None

    def _start(self, work: Callable[[], None]) -> None:
        """Nothing may go on; what came of something earlier, and nobody took, is of no use any more."""
        self._result = self._asked = self._compared = None
        thread = threading.Thread(target=work, name="tbft-edge-pupil", daemon=True)
        thread.start()
        # Not before: whoever stops it waits for it, which only one that was started can be.
        self._thread = thread

    def _learn(self, lesson: Lesson, known: Candidate | None) -> None:
        commands, before = self._commands, self._commands.seconds
        metered: Metered | None = None
        try:
            candidate = known or take(lesson, commands)
            # That of one that is proven anew was heard of when it was trained.
            metered = None if known else candidate.metered
            self.on_trained(candidate)
            proof = prove(lesson, candidate, commands)
            served = serve(candidate.run, lesson.answering_threads)
            normal, confidence = _looked(lesson, served)
            self._result = Proven(lesson, candidate, served, normal, confidence, proof)
        except StoppedError:
            pass
        except HeldBackError as error:
            metered, self._result = error.metered, error
        except TbftError as error:
            self._result = error
        except Exception as error:  # Whatever it is: else nobody would ever hear why nothing came of it.
            words = str(error) or type(error).__name__
            self._result = BoardError(f"what training needs cannot be had: {words}", "free some space, and memory")
        finally:
            self._spent = Spent(commands.seconds - before, metered)

    def _compare(self, lesson: Lesson, answering: Candidate) -> None:
        try:
            self._compared = prove(lesson, answering, self._commands)
        except StoppedError:
            pass
        except TbftError as error:
            self._compared = error
        except Exception as error:  # As above.
            self._compared = BoardError(str(error) or type(error).__name__, "free some space, and memory")

    def _ask(self, lesson: Lesson, count: int) -> None:
        try:
            self._asked = ask(lesson, count, self._commands)
        except StoppedError:
            pass
        except Exception:  # Nothing is asked for then, which is seen, and tried again.
            self._asked = []


def _looked(lesson: Lesson, served: Served) -> tuple[Normal | None, float | None]:
    """What the images of the lesson look like to the candidate, and how sure it is of them on average."""
    images = [*lesson.pool, *lesson.labelled][:_LOOKED_AT]
    pixels = [read_picture(lesson.path(kept), served.preprocessing) for kept in images]
    looked = [found for each in pixels if each is not None for found in served.look(each[np.newaxis])]
    if not looked:
        return None, None
    confidence = float(np.mean([found.confidence for found in looked]))
    if len(looked) < FEWEST:
        return None, confidence
    rows, labels = np.stack([found.numbers for found in looked]), np.array([found.label for found in looked])
    return Normal.learned(rows, labels, len(served.classes), served.prior), confidence
