"""Run the trials that are not in the cache yet, several at a time."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tbft_edge.reproduce.bundles import Bundles, plan_for
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.engine import Engine, Job
from tbft_edge.reproduce.identity import identity, key_of
from tbft_edge.reproduce.protocol import Protocol
from tbft_edge.reproduce.shared_data import SharedData
from tbft_edge.reproduce.trial import Engine as EngineName
from tbft_edge.reproduce.trial import Outcome, Record, Trial

# Long ones first: what is left for one core at the end of a case is short then.
_LONGEST_FIRST = ("full", "block1", "block2", "block3", "fc", None)


@dataclass(frozen=True)
class Planned:
    """A trial, its case, its protocol if it is the paper's, and what decides its outcome."""

    case: Case
    trial: Trial
    protocol: Protocol | None
    words: dict[str, str]

    @property
    def key(self) -> str:
        return key_of(self.words)


@dataclass(frozen=True)
class TrialEnded:
    """`done` of `total` trials that had to be run; `seconds` since the first began."""

    done: int
    total: int
    seconds: float
    trial: Trial
    outcome: Outcome


@dataclass(frozen=True)
class Runner:
    """`jobs` trials at a time in `engines`; data and runs lie in `work` while they are needed.

    Outcomes of another `meter`, or of none, are others: they lack its joules.
    """

    engines: Mapping[EngineName, Engine]
    bundles: Bundles
    cache: OutcomeCache
    work: Path
    jobs: int
    meter: str = "none"

    def plan(self, case: Case, trial: Trial, protocol: Protocol | None) -> Planned:
        """Find what decides the outcome; for the device that takes its bundle, which is exported if need be."""
        if trial.engine == "pytorch":
            return Planned(case, trial, protocol, identity(case, trial, protocol, None, None))
        bundle = self.bundles.bundle(case.network, trial.recipe, protocol)
        plan = None if trial.block is None else plan_for(bundle, trial.block)
        words = identity(case, trial, protocol, plan, bundle)
        return Planned(case, trial, protocol, words if self.meter == "none" else words | {"meter": self.meter})

    def minutes(self, planned: Sequence[Planned], trial_seconds: float | None) -> float | None:
        """About how long `run` will take, where a trial takes `trial_seconds`; None where that is not known."""
        return None if trial_seconds is None else len(self._missing(planned)) * trial_seconds / self.jobs / 60

    def run(self, planned: Sequence[Planned], on_trial: Callable[[TrialEnded], None]) -> list[Record]:
        """A record per trial, in order. Raises TbftError as soon as one fails; what others gave is kept."""
        missing = self._missing(planned)
        began = time.perf_counter()
        # Closed at once, whatever ends the loop: what waits for a core must not begin after Ctrl-C.
        with closing(self._outcomes(list(missing.values()))) as ended:
            for done, (one, outcome) in enumerate(ended, start=1):
                on_trial(TrialEnded(done, len(missing), time.perf_counter() - began, one.trial, outcome))
        return [Record(trial=one.trial, outcome=self._known(one)) for one in planned]

    def _missing(self, planned: Sequence[Planned]) -> dict[str, Planned]:
        """Those that are not in the cache; of several that are one and the same, the last one."""
        return {one.key: one for one in planned if self.cache.find(one.key) is None}

    def _known(self, one: Planned) -> Outcome:
        outcome = self.cache.find(one.key)
        assert outcome is not None
        return outcome

    def _outcomes(self, missing: Sequence[Planned]) -> Generator[tuple[Planned, Outcome], None, None]:
        """As trials end; those on the same data follow each other."""
        self.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="trials-", dir=self.work))
        try:
            with ThreadPoolExecutor(self.jobs) as pool:
                futures: dict[Future[Outcome], Planned] = {}
                for _, same_data in itertools.groupby(missing, lambda one: (one.case.data_id, one.trial.size)):
                    group = sorted(same_data, key=lambda one: _LONGEST_FIRST.index(one.trial.block))
                    load = partial(group[0].case.load, group[0].trial.size)
                    data = SharedData(load, folder / f"data-{len(futures)}", len(group))
                    futures |= {pool.submit(self._run_one, one, data, folder): one for one in group}
                try:
                    for future in as_completed(futures):
                        yield futures[future], future.result()
                finally:
                    pool.shutdown(cancel_futures=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run_one(self, one: Planned, data: SharedData, folder: Path) -> Outcome:
        """Its outcome is kept here: when another trial fails, nobody asks for it any more, and it took minutes."""
        known = self.cache.find(one.key)
        own = Path(tempfile.mkdtemp(dir=folder))
        try:
            if known is not None:  # Another run that shares the folder was quicker.
                return known
            engine = self.engines[one.trial.engine]
            job = Job(one.trial, one.case.network, data.files(), one.protocol, one.case.seen)
            outcome = engine.run(job, own)
            self.cache.keep(one.key, one.words, outcome)
            return outcome
        finally:
            shutil.rmtree(own, ignore_errors=True)
            data.release()
