"""The plans of a bundle: asked of the method, compiled, written, and checked against PyTorch."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import PLANS, Plan
from tbft_export.advice import advised
from tbft_export.blame import compiling, running
from tbft_export.check.exits import check_exits
from tbft_export.check.network import CheckedNetwork
from tbft_export.check.resources import sparing
from tbft_export.check.result import SelfCheck
from tbft_export.check.step import check_bundle
from tbft_export.collecting import collect
from tbft_export.compile.exits import compile_exits
from tbft_export.compile.plan import compile_plan
from tbft_export.compile.request import PlanRequest
from tbft_export.compile.training import FullCosts
from tbft_export.compile.update import optimizer
from tbft_export.exits.network import ExitNetwork
from tbft_export.images import LabelledImages
from tbft_export.methods.method import Network
from tbft_export.methods.registry import plan_training
from tbft_export.options import ExportOptions
from tbft_export.pipeline import PassRunner
from tbft_export.progress import PlanSteps, Progress
from tbft_export.quantization.replace_prefix import replace_prefix
from tbft_export.sources.load import TrainedModel, load_model
from tbft_export.training_plan import TrainingPlan
from tbft_export.write_bundle import write_plan


class Made(NamedTuple):
    """A plan that was written, and how it compared with PyTorch."""

    plan: Plan
    check: SelfCheck


class LeftOut(NamedTuple):
    """A plan, by its id, that cannot be made, why, and what to do about it."""

    plan: str
    reason: str
    hint: str


Maker = Callable[[PlanRequest, PlanSteps], Made]


@dataclass(frozen=True)
class Draft:
    """A bundle in the making: weights and models are in `folder`, and of `manifest` plans and files are missing."""

    folder: Path
    manifest: Manifest
    trained: TrainedModel
    runner: PassRunner


def load_asked(options: ExportOptions, runner: PassRunner) -> TrainedModel:
    """The model of the options. Raises TbftError if it cannot be read."""
    return load_model(
        options.model,
        None if options.weights is None else Path(options.weights),
        len(options.classes) if options.new_head and options.classes else options.class_count,
        options.given_shape,
        runner,
        new_head=options.new_head,
        output=options.output,
    )


def plan_requests(options: ExportOptions, trained: TrainedModel) -> tuple[PlanRequest, ...]:
    """The plans of the method, each with its optimizer."""
    plans = plan_training(options.method, Network(trained.forward, trained.fresh), options.of_method)
    # The first of the sparse ones is the deepest: it scores the layers of all.
    scoring = next((plan for plan in plans if plan.sparse), None)
    return tuple(
        PlanRequest(
            training=plan,
            optimizer=optimizer(
                options.optimizer,
                plan.lr if options.lr is None else options.lr,
                options.momentum,
                options.weight_decay,
            ),
            batch_size=options.batch_size,
            scores=plan is scoring,
            norm_part=options.batch_norm_part,
        )
        for plan in plans
    )


def make_plans(
    requests: Sequence[PlanRequest], make: Maker, folder: Path, progress: Progress, *, keep_going: bool = False
) -> tuple[tuple[Made, ...], tuple[LeftOut, ...]]:
    """All plans, in their order, written into `folder`, and with `keep_going` those that cannot be made.

    Where they are several, an error says in which it came up. Raises TbftError for the first that cannot be made, with
    `keep_going` if none can.
    """
    total = len(requests)
    if total == 1:
        return (make(requests[0], PlanSteps(progress, requests[0].id, 1, 1)),), ()
    made: dict[str, Made] = {}
    left_out = []
    passed_on = False
    # Those that begin at the same parameter behind each other: their checks have a step in common.
    begin = list(dict.fromkeys(request.training.parameters[:1] for request in requests))
    ordered = sorted(requests, key=lambda each: begin.index(each.training.parameters[:1]))
    for number, request in enumerate(ordered, 1):
        # Of sparse plans the first that is made scores the channels of all.
        asked = replace(request, scores=request.scores or (passed_on and bool(request.training.sparse)))
        try:
            made[asked.id] = make(asked, PlanSteps(progress, asked.id, number, total))
            passed_on = passed_on and not asked.scores
        except TbftError as error:
            if not keep_going:
                raise _of_plan(asked, error) from error
            left_out.append(LeftOut(asked.id, error.message, error.hint))
            shutil.rmtree(folder / PLANS / asked.id, ignore_errors=True)
            passed_on = passed_on or asked.scores
    if not made:
        first = left_out[0]
        raise TbftError(f"none of the {total} plans can be made; {first.plan}: {first.reason}", first.hint)
    return tuple(made[each.id] for each in requests if each.id in made), tuple(left_out)


def plan_maker(draft: Draft, requests: Sequence[PlanRequest], images: LabelledImages | None, allow_loss: bool) -> Maker:
    """Makes plans that train parts of the network; int8 prefixes are calibrated with `images`."""
    trained, network = draft.trained, _checked(draft, [request.training for request in requests])
    full_costs = FullCosts(trained.forward, draft.runner)

    def make(request: PlanRequest, steps: PlanSteps) -> Made:
        training = request.training
        steps.begin("compiling the gradient")
        with compiling():
            try:
                compiled = compile_plan(trained.forward, request, draft.runner, full_costs)
            except TbftError as error:
                raise advised(error, trained, training) from error
            write_plan(compiled, draft.folder)
        collect()
        # Still with the prefix in float32, so that the gradients of the suffix have to be PyTorch's.
        steps.begin("checking a train step against PyTorch")
        with running(), sparing():
            check = check_bundle(network, compiled.plan, masked=training.masked)
        if training.prefix != "int8":
            return Made(compiled.plan, check)
        assert images is not None
        steps.begin("quantising the prefix")
        return Made(replace_prefix(compiled, images, allow_loss, draft.folder), check)

    return make


def exit_maker(draft: Draft, exits: ExitNetwork) -> Maker:
    """Makes plans that personalise the `exits` of the network."""
    full_costs = FullCosts(exits.base, draft.runner)
    network = _checked(draft, ())

    def make(request: PlanRequest, steps: PlanSteps) -> Made:
        assert request.training.exits is not None
        way = request.training.exits.personalisation
        steps.begin("compiling the exits")
        with compiling():
            compiled = compile_exits(exits, request, draft.runner, full_costs)
            write_plan(compiled, draft.folder)
        collect()
        steps.begin("checking a train step against PyTorch")
        with running(), sparing():
            check = check_exits(network, compiled.plan, exits, way)
        return Made(compiled.plan, check)

    return make


def _of_plan(request: PlanRequest, error: TbftError) -> TbftError:
    hint = f"{error.hint}; or leave out what cannot be made with `keep_going`"
    return TbftError(f"plan {request.id}: {error.message}", hint)


def _checked(draft: Draft, plans: Sequence[TrainingPlan]) -> CheckedNetwork:
    """What the checks of all plans share."""
    trained = draft.trained
    return CheckedNetwork(
        draft.folder, draft.manifest, trained.forward, trained.reference, trained.classes, tuple(plans)
    )
