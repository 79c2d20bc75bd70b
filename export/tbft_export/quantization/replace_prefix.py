"""A written plan with a prefix in float32 -> the same plan with an int8 one."""

from __future__ import annotations

from pathlib import Path

import msgspec

from tbft_artifacts.plan import Plan
from tbft_export.compile.request import CompiledPlan
from tbft_export.graph.sessions import Session
from tbft_export.images import LabelledImages, batches
from tbft_export.pipeline import check_standard
from tbft_export.quantization.measure import check_loss, compare
from tbft_export.quantization.quantize import join, quantize_prefix
from tbft_export.quantization.split import split
from tbft_export.write_bundle import write_graph


def replace_prefix(compiled: CompiledPlan, images: LabelledImages, allow_loss: bool, folder: Path) -> Plan:
    """Quantise the prefix that was written into `folder`; the plan returned says how the two compare.

    The whole model with the new prefix is written beside it: evaluated, predicted with and finalized is
    what was trained on. Raises TbftError if it loses too much accuracy, unless `allow_loss`.
    """
    parts = split(len(images.labels))
    exact = Session(folder, compiled.plan.prefix)
    suffix = Session(folder, compiled.plan.suffix)

    prefix = quantize_prefix(compiled.prefixes["direct"], map(images.images, batches(parts.calibration)))
    check_standard(prefix)
    write_graph(prefix, folder, compiled.plan.prefix)
    int8 = compare(exact, Session(folder, compiled.plan.prefix), suffix, images, parts)
    if not allow_loss:
        check_loss(int8)
    plan = msgspec.structs.replace(compiled.plan, int8=int8)
    write_graph(join(prefix, compiled.suffix), folder, plan.predict)
    return plan
