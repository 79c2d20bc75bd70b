"""The PyTorch engine: the paper's own protocol and methods of others, each run in a process of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_edge.process import answer, run_json
from tbft_edge.reproduce.baselines import BASELINES, Baseline
from tbft_edge.reproduce.blocks import MODULES
from tbft_edge.reproduce.engine import Job
from tbft_edge.reproduce.pytorch.request import AdaptRequest, FineTuneRequest, Request
from tbft_edge.reproduce.trial import Outcome


@dataclass(frozen=True)
class PyTorchEngine:
    """Runs on this Python, which has torch."""

    threads: int

    def run(self, job: Job, _folder: Path) -> Outcome:
        """Fine-tune by the job's protocol, or adapt by a baseline. Raises TbftError if the worker fails."""
        baseline = BASELINES.get(job.trial.recipe)
        request = self._fine_tuning(job) if baseline is None else self._adaptation(job, baseline)
        worker = [sys.executable, "-P", "-m", "tbft_edge.reproduce.pytorch.worker"]
        return answer(run_json(worker, msgspec.json.encode(request)), Outcome)

    def _adaptation(self, job: Job, baseline: Baseline) -> Request:
        return AdaptRequest(
            weights=str(job.network.weights),
            image_size=job.network.image_size,
            baseline=baseline,
            pool=str(job.data.train),
            test=str(job.data.test),
            seen=job.seen,
            seed=job.trial.repeat,
            threads=self.threads,
        )

    def _fine_tuning(self, job: Job) -> Request:
        if job.protocol is None or job.trial.block is None or job.data.validation is None:
            raise TbftError("the PyTorch engine knows no other training with labels", "choose the device engine")
        return FineTuneRequest(
            weights=str(job.network.weights),
            image_size=job.network.image_size,
            modules=MODULES[job.trial.block],
            protocol=job.protocol,
            train=str(job.data.train),
            validation=str(job.data.validation),
            test=str(job.data.test),
            threads=self.threads,
        )
