"""Run the trials that are not in the cache yet, several at a time."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from tbft_edge.reproduce.bundles import Bundles, plan_for
from tbft_edge.reproduce.cache import OutcomeCache
from tbft_edge.reproduce.case import Case
from tbft_edge.reproduce.engine import DataFiles, Engine, Job, write_parts
from tbft_edge.reproduce.identity import identity, key_of
from tbft_edge.reproduce.protocol import Protocol
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
class Progress:
    """`done` of `total` trials that had to be run; `seconds` since the first began."""

    done: int
    total: int
    seconds: float
    trial: Trial
    outcome: Outcome


@dataclass(frozen=True)
class Runner:
    """`jobs` trials at a time in `engines`; data and runs lie in `work` while they are needed."""

    engines: Mapping[EngineName, Engine]
    bundles: Bundles
    cache: OutcomeCache
    work: Path
    jobs: int

    def plan(self, case: Case, trial: Trial, protocol: Protocol | None) -> Planned:
        """Find what decides the outcome; for the device that takes its bundle, which is exported if need be."""
        if trial.engine == "pytorch":
            return Planned(case, trial, protocol, identity(case, trial, protocol, None, None))
        bundle = self.bundles.bundle(case.network, trial.recipe, protocol)
        plan = None if trial.block is None else plan_for(bundle, trial.block)
        return Planned(case, trial, protocol, identity(case, trial, protocol, plan, bundle))

    def run(self, planned: Sequence[Planned], on_trial: Callable[[Progress], None]) -> list[Record]:
        """A record per trial, in order. Raises TbftError as soon as one fails; what others gave is kept."""
        missing = {one.key: one for one in planned if self.cache.find(one.key) is None}
        began = time.perf_counter()
        done = itertools.count(1)
        same_data = itertools.groupby(missing.values(), lambda one: (one.case.name, one.case.data_id, one.trial.size))
        for _, group in same_data:
            # Closed at once, whatever ends the loop: what waits for a core must not begin after Ctrl-C.
            with closing(self._run_group(list(group))) as ended:
                for one, outcome in ended:
                    on_trial(Progress(next(done), len(missing), time.perf_counter() - began, one.trial, outcome))
        return [Record(trial=one.trial, outcome=self._known(one)) for one in planned]

    def _known(self, one: Planned) -> Outcome:
        outcome = self.cache.find(one.key)
        assert outcome is not None
        return outcome

    def _run_group(self, group: Sequence[Planned]) -> Generator[tuple[Planned, Outcome], None, None]:
        """Trials on the same data, as they end."""
        self.work.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(prefix="case-", dir=self.work))
        try:
            trial = group[0].trial
            data = write_parts(group[0].case.load(trial.size), folder / "data")
            ordered = sorted(group, key=lambda one: _LONGEST_FIRST.index(one.trial.block))
            with ThreadPoolExecutor(self.jobs) as pool:
                futures = {pool.submit(self._run_one, one, data, folder): one for one in ordered}
                try:
                    for future in as_completed(futures):
                        yield futures[future], future.result()
                finally:
                    pool.shutdown(cancel_futures=True)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _run_one(self, one: Planned, data: DataFiles, folder: Path) -> Outcome:
        """Its outcome is kept here: when another trial fails, nobody asks for it any more, and it took minutes."""
        known = self.cache.find(one.key)
        if known is not None:  # Another run that shares the folder was quicker.
            return known
        own = Path(tempfile.mkdtemp(dir=folder))
        try:
            outcome = self.engines[one.trial.engine].run(Job(one.trial, one.case.network, data, one.protocol), own)
        finally:
            shutil.rmtree(own, ignore_errors=True)
        self.cache.keep(one.key, one.words, outcome)
        return outcome
