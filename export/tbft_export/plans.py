"""The plans of a bundle: asked of the method, compiled, written, and checked against PyTorch."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from tbft_artifacts.errors import TbftError
from tbft_artifacts.manifest import Manifest
from tbft_artifacts.plan import Plan
from tbft_export.blame import compiling, running
from tbft_export.check.exits import check_exits
from tbft_export.check.network import CheckedNetwork
from tbft_export.check.resources import one_thread
from tbft_export.check.result import SelfCheck
from tbft_export.check.step import check_bundle
from tbft_export.compile.exits import compile_exits
from tbft_export.compile.plan import compile_plan
from tbft_export.compile.request import PlanRequest
from tbft_export.compile.update import optimizer
from tbft_export.exits.network import ExitNetwork
from tbft_export.images import LabelledImages
from tbft_export.methods.method import Network
from tbft_export.methods.registry import plan_training
from tbft_export.options import ExportOptions
from tbft_export.pipeline import PassRunner
from tbft_export.quantization.replace_prefix import replace_prefix
from tbft_export.sources.load import TrainedModel
from tbft_export.training_plan import TrainingPlan
from tbft_export.write_bundle import write_plan


class Made(NamedTuple):
    """A plan that was written, and how it compared with PyTorch."""

    plan: Plan
    check: SelfCheck


Maker = Callable[[PlanRequest], Made]


@dataclass(frozen=True)
class Draft:
    """A bundle in the making: weights and models are in `folder`, and of `manifest` plans and files are missing."""

    folder: Path
    manifest: Manifest
    trained: TrainedModel
    runner: PassRunner


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
        )
        for plan in plans
    )


def make_plans(requests: Sequence[PlanRequest], make: Maker) -> tuple[Made, ...]:
    """All plans, in their order. Where they are several, an error says in which it came up."""
    made: dict[str, Made] = {}
    # Those that begin at the same parameter behind each other: their checks have a step in common.
    begin = list(dict.fromkeys(request.training.parameters[:1] for request in requests))
    for request in sorted(requests, key=lambda each: begin.index(each.training.parameters[:1])):
        with _naming(request) if len(requests) > 1 else contextlib.nullcontext():
            made[request.id] = make(request)
    return tuple(made[request.id] for request in requests)


def plan_maker(draft: Draft, requests: Sequence[PlanRequest], images: LabelledImages | None, allow_loss: bool) -> Maker:
    """Makes plans that train parts of the network; int8 prefixes are calibrated with `images`."""
    trained, network = draft.trained, _checked(draft, [request.training for request in requests])

    def make(request: PlanRequest) -> Made:
        training = request.training
        with compiling():
            compiled = compile_plan(trained.forward, request, draft.runner)
            write_plan(compiled, draft.folder)
        # Still with the prefix in float32, so that the gradients of the suffix have to be PyTorch's.
        with running(), one_thread():
            check = check_bundle(network, compiled.plan, masked=training.masked)
        if training.prefix != "int8":
            return Made(compiled.plan, check)
        assert images is not None
        return Made(replace_prefix(compiled, images, allow_loss, draft.folder), check)

    return make


def exit_maker(draft: Draft, exits: ExitNetwork) -> Maker:
    """Makes plans that personalise the `exits` of the network."""
    network = _checked(draft, ())

    def make(request: PlanRequest) -> Made:
        assert request.training.exits is not None
        way = request.training.exits.personalisation
        with compiling():
            compiled = compile_exits(exits, request, draft.runner)
            write_plan(compiled, draft.folder)
        with running(), one_thread():
            check = check_exits(network, compiled.plan, exits, way)
        return Made(compiled.plan, check)

    return make


def _checked(draft: Draft, plans: Sequence[TrainingPlan]) -> CheckedNetwork:
    """What the checks of all plans share."""
    trained = draft.trained
    return CheckedNetwork(
        draft.folder, draft.manifest, trained.forward, trained.reference, trained.classes, tuple(plans)
    )


@contextlib.contextmanager
def _naming(request: PlanRequest) -> Iterator[None]:
    try:
        yield
    except TbftError as error:
        raise TbftError(f"plan {request.id}: {error.message}", error.hint) from error
