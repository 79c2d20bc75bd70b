"""What can be trained all the same, where a plan cannot be made."""

from __future__ import annotations

from tbft_artifacts.errors import TbftError
from tbft_export.compile.differentiable import untrainable
from tbft_export.methods.method import MethodOptions, Network
from tbft_export.methods.registry import plan_training
from tbft_export.pipeline import PassRunner
from tbft_export.sources.load import TrainedModel
from tbft_export.training_plan import TrainingPlan


def advised(error: TbftError, trained: TrainedModel, training: TrainingPlan) -> TbftError:
    """`error` with what else can be trained in its hint, if layers of the model are at fault."""
    if not untrainable(trained.forward, training, PassRunner()):
        return error
    works = trainable_targets(trained)
    told = f"of this model {' and '.join(works)} can be trained" if works else "nothing of this model can be trained"
    return TbftError(error.message, f"{error.hint}; {told}")


def trainable_targets(trained: TrainedModel) -> list[str]:
    """The drifts for which the model can be trained as it is, and the stages, each as the option that asks for it."""
    plans = plan_training("tbft", Network(trained.forward, trained.fresh), MethodOptions(drift="all"))
    usual = {plan.drift: plan for plan in plans}  # The last of a drift is what it calls for by itself.
    return [
        f"`drift` {plan.drift}" if plan is usual[plan.drift] else f"`blocks` {', '.join(plan.blocks)}"
        for plan in plans
        if not untrainable(trained.forward, plan, PassRunner())
    ]
