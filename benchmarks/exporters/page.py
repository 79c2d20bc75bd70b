"""The results of files as a page of Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.exporters.files import FILES
from benchmarks.exporters.results import Tried
from benchmarks.zoo.page import reasons

_HEAD = """# Files of exporters

`make exporters` writes networks of torchvision (64 px, ten classes, seeded weights) as `.onnx` files: with
`torch.onnx.export(module, (images,), path, dynamo=…, opset_version=…)` and nothing else said, and in other forms that
people have. It takes each through the real commands: `export --drift all --keep-going`, `train` for an epoch of ten
steps of 8 images for the head and the last stage, `finalize`, and `predict`. Files in which the compiler reads the same
graph, weights included, are one row, and trained once. *Opset* is the one that was asked for; dynamo's exporter writes
none below 18.

- *plans*: how many the bundle has
- *base*: the largest difference between the bundle's logits and those of ONNX Runtime on each file as it was written,
  as a part of the largest logit, on 40 images; a QDQ file rounds its logits and cuts them off where its calibration
  ended, which a bundle does not
- *head*, *last stage*: validation loss before and after training
- *finalized*: the largest difference between probabilities of the trained run and of its finalized model
"""
_COLUMNS = ("network", "file", "opset", "plans", "base", "head", "last stage", "finalized")


def written(tried: Mapping[str, Tried]) -> str:
    """The whole page, in the order of the files."""
    known = [tried[file.name] for file in FILES if file.name in tried]
    rows = [(each, [each, *(other for other in known if other.as_file == each.name)]) for each in known]
    rows = [(each, files) for each, files in rows if not each.as_file]
    counts = [
        sum(len(files) for each, files in rows if not each.refused and each.trained(drift))
        for drift in ("output", "feature")
    ]
    lines = [
        _HEAD,
        f"Of {len(known)} files {counts[0]} train their head, {counts[1]} that and their last stage.\n",
        f"| {' | '.join(_COLUMNS)} |",
        "|" + "---|" * len(_COLUMNS),
        *(_row(each, files) for each, files in rows),
        *reasons([each for each, _ in rows]),
        *_untried(tried),
    ]
    return "\n".join(lines).rstrip() + "\n"


def _row(tried: Tried, files: Sequence[Tried]) -> str:
    if tried.refused:
        results = ["no"] * 5
    else:
        plans = [tried.trained(drift) for drift in ("output", "feature")]
        losses = ["no" if plan is None else f"{plan.loss_before:.2f} → {plan.loss_after:.2f}" for plan in plans]
        finalized = max((plan.difference for plan in plans if plan is not None), default=0.0)
        base = max(each.difference for each in files)
        results = [str(len(tried.exported)), f"{base:.1g}", *losses, f"{finalized:.1g}"]
    return f"| {' | '.join([tried.network, tried.form, _opsets(files), *results])} |"


def _opsets(files: Sequence[Tried]) -> str:
    numbers = [each.opset for each in files]
    whole = numbers == list(range(numbers[0], numbers[-1] + 1))
    return f"{numbers[0]} to {numbers[-1]}" if whole and len(numbers) > 1 else ", ".join(map(str, numbers))


def _untried(tried: Mapping[str, Tried]) -> list[str]:
    names = [file.name for file in FILES if file.name not in tried]
    return ["", "## Not tried yet", "", ", ".join(names)] if names else []
