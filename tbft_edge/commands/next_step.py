"""What to do after a diagnosis, as a command that can be copied."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tbft_edge.console import quoted

if TYPE_CHECKING:
    from tbft_runtime.run.diagnosis_record import Diagnosis

# Pictures to label first: more tell hardly more of which there are.
_ASKED = 20


def next_step(diagnosis: Diagnosis, bundle: Path, data: Path, base: Path | None) -> str:
    """The advised way, with the bundle and the data that were looked at; `base` is the run that it goes on from."""
    advice = diagnosis.advice
    way = "train" if advice is None else advice.way
    if way == "nothing":
        return "nothing: leave the model as it is"
    looked_at, begun = f"{quoted(bundle)} --data {quoted(data)}", "" if base is None else f" --from {quoted(base)}"
    if way in ("learn", "train") and not diagnosis.labelled:
        if not any(candidate.drift == "output" for candidate in diagnosis.candidates):
            return "label some of each class, and diagnose again"
        return f"tbft-edge diagnose {looked_at} --ask {_ASKED}, label these, and diagnose again"
    if way == "learn":
        return f"tbft-edge learn {looked_at}{begun} --out run"
    without = "" if way == "train" else " --labels none"
    checked = f" --check-labels {advice.check}" if advice is not None and advice.check else ""
    return f"tbft-edge train {looked_at} --plan {quoted(diagnosis.plan)}{without}{checked}{begun} --out run"
