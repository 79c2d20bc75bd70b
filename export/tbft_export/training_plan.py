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
    """What is trained, and with which backward: all that the compiler is told of a method."""

    method: str
    """Its name."""
    label: str
    """What the id of the plan begins with."""
    drift: Drift | None
    """What the plan answers, if it answers a drift."""
    blocks: tuple[str, ...]
    """The modules that hold `parameters`, for people."""
    parameters: tuple[str, ...]
    """Tensors that are trained as a whole."""
    policy: BatchNormPolicy
    """What batch norms do meanwhile."""
    lr: float
    """The default learning rate."""
    prefix: PrefixKind = "float32"
    """Arithmetic of what lies before the first of them."""
    masked: bool = False
    """Whether the gradient of hard-swish and ReLU6 is dX = dY * 1[x > 0]."""
    sparse: tuple[str, ...] = ()
    """Weights of convolutions of which the device trains the output channels that it chooses, too."""
    exits: Exits | None = None
    """Classifiers that are trained instead of any parameter of the network."""
