"""How the graphs of a run are executed."""

from __future__ import annotations

import platform

import msgspec

from tbft_artifacts.plan import ConvolutionForm, Plan
from tbft_artifacts.structs import Images, PrefixImages

# Larger parts are hardly faster in a forward pass, and take more memory.
PREFIX_IMAGES = 16
EVALUATION_BATCH = 32
X86 = ("x86_64", "AMD64")


class Execution(msgspec.Struct, frozen=True, kw_only=True):
    """How the graphs run: what changes time and memory, and results only by rounding."""

    micro_batch: Images
    """Images that go through the gradient graph at once on each thread, at most, where statistics are fixed."""
    gradient_form: ConvolutionForm
    """How the gradient graph writes its convolutions."""
    prefix_form: ConvolutionForm | None
    """The same of the prefix; None: there is none."""
    spinning: bool
    """Whether threads wait for work without sleeping."""
    prefix_images: PrefixImages = PREFIX_IMAGES
    """Images that go through the prefix at once on each thread, at most, where statistics are fixed."""
    evaluation_images: Images = EVALUATION_BATCH
    """Images that are evaluated at once on each thread, at most."""
    statistics_images: Images | None = None
    """Images of a batch by which batch norms are re-estimated, at most; None: as many as in a step."""


def default_execution(plan: Plan) -> Execution:
    """What the host thought best for a Raspberry Pi, but for x86, where ONNX Runtime packs frozen filters for Conv."""
    is_x86 = platform.machine() in X86
    prefix_form = None
    if plan.prefix_forms:
        prefix_form = plan.prefix_forms[-1 if is_x86 else 0]
    return Execution(
        micro_batch=plan.micro_batch,
        gradient_form=plan.gradient_forms[-1 if is_x86 and _is_mostly_frozen(plan) else 0],
        prefix_form=prefix_form,
        spinning=False,
    )


def _is_mostly_frozen(plan: Plan) -> bool:
    """Whether most of what the gradient graph computes has frozen filters: those need the gradient of their input only.

    Of a trained layer the backward pass takes twice the operations of the forward pass, of a frozen one as many.
    """
    return 2 * plan.cost.backward_flops < 3 * plan.cost.forward_flops


def why_not_executed(execution: Execution, plan: Plan) -> str | None:
    """Why the graphs of `plan` cannot be executed so, where other plans or hands wrote it; None if they can."""
    if execution.gradient_form not in plan.gradient_forms:
        return f"the gradient graph in the form {execution.gradient_form}"
    if (execution.prefix_form is None) == plan.has_prefix:
        return "a prefix" if execution.prefix_form else "no prefix"
    if execution.prefix_form is not None and execution.prefix_form not in plan.prefix_forms:
        return f"the prefix in the form {execution.prefix_form}"
    return None
