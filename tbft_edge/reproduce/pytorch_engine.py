"""The PyTorch engine: the paper's own protocol, each run in a process of its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import msgspec

from tbft_artifacts.errors import TbftError
from tbft_edge.process import answer, run_json
from tbft_edge.reproduce.blocks import MODULES
from tbft_edge.reproduce.engine import Job
from tbft_edge.reproduce.pytorch.request import Request
from tbft_edge.reproduce.trial import Outcome


@dataclass(frozen=True)
class PyTorchEngine:
    """Runs on this Python, which has torch."""

    threads: int

    def run(self, job: Job, _folder: Path) -> Outcome:
        """Fine-tune by the job's protocol. Raises TbftError if the worker fails."""
        if job.protocol is None or job.trial.block is None:
            raise TbftError("the PyTorch engine knows the paper's protocol only", "choose the device engine")
        request = Request(
            weights=str(job.network.weights),
            image_size=job.network.image_size,
            modules=MODULES[job.trial.block],
            protocol=job.protocol,
            train=str(job.data.train),
            validation=str(job.data.validation),
            test=str(job.data.test),
            threads=self.threads,
        )
        worker = [sys.executable, "-m", "tbft_edge.reproduce.pytorch.worker"]
        return answer(run_json(worker, msgspec.json.encode(request)), Outcome)
