"""Names that host and device both know: of inputs and outputs of graphs, and of modules and what is in them."""

from __future__ import annotations

# Inputs and outputs that gradient graphs have beside activations and parameters.
LABELS = "labels"
LOSS = "loss"
CORRECT = "correct"
# Inputs that those have in place of labels which take targets: rows of probabilities, how much information each image
# adds to the loss, and the logarithms of what all answers are meant to be on average.
TARGETS = "targets"
INFORMATION = "information"
LOG_MARGINAL = "log_marginal"
# Output of a forward graph; of a stage, what its exit says, and what the next stage begins with.
LOGITS = "logits"
ACTIVATION = "activation"

# What is appended to a running statistic's name for that of the batch.
BATCH_SUFFIX = ".batch"
# What is appended to a parameter's name for its gradient.
GRADIENT_SUFFIX = "_grad"
# Where the name of what a node or value was made from ends, in its own name.
ORIGIN_END = "#"

# The label of an image that has none.
NO_LABEL = -1
# The folder of such images, where others are in one of their class.
UNLABELLED = "unlabelled"


def is_inside(name: str, module: str) -> bool:
    """Whether `name`, of a parameter or a module, is that of a part of `module`, or of `module` itself."""
    return name == module or name.startswith(f"{module}.")
