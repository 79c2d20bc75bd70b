"""Hold the gradient graph that takes targets against PyTorch."""

from __future__ import annotations

import torch

from tbft_artifacts.names import LABELS
from tbft_export.check.compiled import in_onnxruntime
from tbft_export.check.measure import KINK, kernel_errors
from tbft_export.check.plan_step import PlanStep
from tbft_export.check.result import Worst
from tbft_export.check.written import Checked, Written, check_written


def check_targets(step: PlanStep) -> Checked:
    """Compare loss, logits, every gradient and every batch-norm average of one step with targets, in ONNX Runtime.

    What is behind the loss is what the graph with labels has, whose formulas were followed in float64; they are here,
    too, only where float32 is off: a wrong formula is off by more than what float32 may lose. Raises DisagreementError.
    """
    network, plan = step.network, step.plan
    feeds = {name: value for name, value in step.feeds.items() if name != LABELS}
    graph = Written(
        network.folder, plan.targets, feeds | network.targets.feeds, step.answers, f"the targets of plan {plan.id}"
    )
    exact, rounded = (step.in_pytorch(dtype, soft=True) for dtype in (torch.float64, torch.float32))
    found = graph.read(in_onnxruntime(graph.folder, graph.name, graph.feeds))
    kernel = Worst.among(kernel_errors(found, exact, rounded), exact.gradients)
    if kernel.error <= 1:
        return Checked(Worst("", 0.0), kernel, 0)
    return check_written(
        graph,
        exact,
        rounded,
        lambda: [step.in_pytorch(torch.float64, kink, soft=True) for kink in (-KINK, KINK)],
    )
