"""Methods of others that adapt without labels, and the settings that they were published with.

Figures of a method that was set by others for it are those of its authors; where a paper leaves a choice, or its
network is another, the field says what was taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import msgspec

from tbft_edge.reproduce.trial import Recipe


class Tent(msgspec.Struct, frozen=True, kw_only=True, tag="tent"):
    """Wang et al., "Tent: Fully Test-Time Adaptation by Entropy Minimization", ICLR 2021 (arXiv 2006.10726).

    Section 4: on CIFAR Adam with learning rate 1e-3 and batches of 128, one step a batch. Images come once, in the
    order in which they came.
    """

    epochs: ClassVar[int] = 1
    lr: float = 1e-3
    batch_size: int = 128


class Shot(msgspec.Struct, frozen=True, kw_only=True, tag="shot"):
    """Liang, Hu, Feng, "Do We Really Need to Access the Source Data?", ICML 2020 (arXiv 2002.08546).

    Section 4 and the authors' code: SGD with Nesterov momentum 0.9 and weight decay 1e-3, batches of 64, 15 epochs,
    pseudo labels weighted by 0.3. Its learning rate is 1e-2 for layers that the authors put in anew and 1e-3 for those
    that were trained before; here all were. It falls as (1 + 10 p) ** -0.75 of the way p.
    """

    lr: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 1e-3
    batch_size: int = 64
    epochs: int = 15
    pseudo_labels: float = 0.3


class T3a(msgspec.Struct, frozen=True, kw_only=True, tag="t3a"):
    """Iwasawa, Matsuo, "Test-Time Classifier Adjustment Module for Model-Agnostic Domain Generalization", NeurIPS 2021.

    `kept` is how many supports of a class stay, the surest ones. The paper takes one of 1, 5, 20, 50, 100 and all by
    labelled images of the source, which are not at hand here: 100.
    """

    epochs: ClassVar[int] = 0
    kept: int = 100


Baseline = Tent | Shot | T3a
BASELINES: Mapping[Recipe, Baseline] = {"tent": Tent(), "shot": Shot(), "t3a": T3a()}
