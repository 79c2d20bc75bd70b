"""What is trained: all that the compiler is told of a method."""

from __future__ import annotations

from dataclasses import dataclass

from tbft_artifacts.manifest import PrefixKind
from tbft_artifacts.plan import BatchNormPolicy, Drift
from tbft_export.exits.depths import Depth
from tbft_export.exits.personalisation import Personalisation


@dataclass(frozen=True)
class Exits:
    """Classifiers at some depths of a frozen network and behind the whole of it, and how they learn."""

    depths: tuple[Depth, ...]
    personalisation: Personalisation


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained, and with which backward: all that the compiler is told of a method.

    `label` begins the id of the plan, `blocks` name the modules that hold `parameters`, for people. With `masked`
    the gradient of hard-swish and ReLU6 is dX = dY * 1[x > 0]. `sparse` names weights of convolutions of which the
    device trains the output channels that it chooses, beside `parameters`. With `exits` those are trained, and no
    parameter of the network. `lr` is the default learning rate.
    """

    method: str
    label: str
    drift: Drift | None
    blocks: tuple[str, ...]
    parameters: tuple[str, ...]
    policy: BatchNormPolicy
    lr: float
    prefix: PrefixKind = "float32"
    masked: bool = False
    sparse: tuple[str, ...] = ()
    exits: Exits | None = None
