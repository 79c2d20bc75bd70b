"""The plan that trains the last layer alone, before which its features are."""

from __future__ import annotations

from tbft_artifacts.bundle import Bundle
from tbft_artifacts.errors import TbftError
from tbft_artifacts.plan import Plan
from tbft_artifacts.source import LinearHead
from tbft_runtime.heads.stored import trains_only


def head_plan(bundle: Bundle) -> tuple[Plan, LinearHead]:
    """The plan that trains the last layer alone, and the layer. Raises TbftError for a bundle that has none."""
    shown = bundle.shown or bundle.folder
    head = bundle.manifest.head or None
    if head is None or head.bias is None:
        raise TbftError(
            f"bundle '{shown}' does not say that its last layer is a linear one with a bias",
            "export the network again, with torch.nn.Linear as its last layer",
        )
    for plan in bundle.manifest.plans:
        if trains_only(plan, head) and plan.prefix_is_fixed:
            return plan, head
    raise TbftError(
        f"bundle '{shown}' has no plan that trains the last layer alone, before which features are looked at",
        "export it with `drift` all, or `drift` output",
    )
