"""Run what was written for one train step, and compare it with PyTorch."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch

from tbft_artifacts.names import BATCH_SUFFIX, LABELS, LOGITS
from tbft_artifacts.plan import Plan
from tbft_export.check.answers import answers_in, answers_of
from tbft_export.check.compiled import each_in_onnxruntime
from tbft_export.check.measure import KINK, Answers, kernel_errors
from tbft_export.check.network import CheckedNetwork
from tbft_export.check.plan_step import PlanStep
from tbft_export.check.result import SelfCheck, Worst, kernel_disagreement, worst_of
from tbft_export.check.sparse import fisher_answers, scores_in
from tbft_export.check.targets import check_targets
from tbft_export.check.written import Checked, Written, check_written


def check_bundle(network: CheckedNetwork, plan: Plan, *, masked: bool = False) -> SelfCheck:
    """Compare loss, every gradient and every batch-norm average of one step with PyTorch, in every form of the graphs.

    `masked`: PyTorch's backward of ReLU6 and hard-swish is a mask, as the plan's is. Of sparse layers the rows of
    randomly chosen channels are trained, and what scores the channels is compared, too.

    Three comparisons say whose a mistake is. The module with its graph (`trace`), in float64. The formulas: the written
    graphs followed in float64 with torch.autograd in float64, where nothing rounds and kinks fall on the same side. The
    kernels: ONNX Runtime's float32 with that float64, within what PyTorch's float32 loses.

    Raises DisagreementError for one that fails, and TbftError if PyTorch itself has nothing to compare with.
    """
    trained = [*(each.name for each in plan.parameters), *(each.weight for each in plan.sparse_layers)]
    network.trace.require(trained, network.trained)
    step = PlanStep(network, plan, masked)
    forward = _check_forward(step)
    checked = [
        check_written(
            Written(
                network.folder, plan.gradient_in(form), step.feeds, step.answers, f"the {form} form of plan {plan.id}"
            ),
            step.exact,
            step.rounded,
            lambda: step.beside_kinks,
        )
        for form in plan.gradient_forms
    ]
    if plan.soft_targets:
        checked.append(check_targets(step))
    if plan.sparse_layers and (network.folder / plan.fisher).exists():
        checked.append(_check_scores(step))
    return SelfCheck(
        trace=network.trace.largest,
        formulas=worst_of(each.formula for each in checked),
        kernels=worst_of([forward, *(each.kernel for each in checked)]),
        zero_gradients=step.exact.zeros,
        adopted=sum(each.adopted for each in checked),
    )


def _check_forward(step: PlanStep) -> Worst:
    """The prefix in each of its forms, and what is behind it, in ONNX Runtime: logits, or loss and averages."""
    network, plan, tensors = step.network, step.plan, step.network.tensors
    starts = [{plan.boundary.name: each[plan.boundary.name]} for each in step.prefixes]
    if plan.has_prefix and not plan.prefix_is_fixed:
        exact, rounded = network.passed(plan.batch_statistics)
        norms = [norm for norm in network.norms(plan.batch_statistics) if norm.mean + BATCH_SUFFIX in step.prefixes[0]]
        feeds = [{**step.feeds, plan.boundary.name: each[plan.boundary.name]} for each in step.prefixes]
        outputs = each_in_onnxruntime(network.folder, plan.gradient, feeds)
        founds = [
            answers_in(before | after, (), norms, network.tensors)
            for before, after in zip(step.prefixes, outputs, strict=True)
        ]
        wanted = tuple(answers_of(each, norms, tensors) for each in (exact, rounded))
    else:
        exact, rounded = network.passed(())
        founds = [_logits(found[LOGITS]) for found in each_in_onnxruntime(network.folder, plan.suffix, starts)]
        wanted = _logits(exact.logits), _logits(rounded.logits)
    kernel = worst_of(Worst.among(kernel_errors(found, wanted[0], wanted[1]), wanted[0].gradients) for found in founds)
    if not kernel.error <= 1:
        raise kernel_disagreement(f"the forward pass of plan {plan.id}", kernel)
    return kernel


def _logits(logits: np.ndarray) -> Answers:
    return Answers(0.0, {}, {LOGITS: logits})


def _check_scores(step: PlanStep) -> Checked:
    """Fisher information of the channels."""
    plan, network = step.plan, step.network
    scores = partial(fisher_answers, plan, step.behind, step.start, network.batch.labels)
    feeds = {plan.boundary.name: step.start, LABELS: network.batch.labels}
    return check_written(
        Written(network.folder, plan.fisher, feeds, partial(scores_in, plan), f"plan {plan.id}"),
        scores(torch.float64),
        scores(torch.float32),
        lambda: [scores(torch.float64, kink) for kink in (-KINK, KINK)],
    )
