"""What a bundle says of the last layer, and of the images that the network was trained on: the source domain."""

from __future__ import annotations

from typing import Literal

from tbft_artifacts.structs import Count, Part, Some, Struct

# Images -> `features`, `logits`, and the statistics of one norm's input, where moments were measured.
FEATURES = "features.onnx"
MOMENTS = "moments.safetensors"

# Outputs of the graph beside the logits: what the last layer reads (N, F), and mean and variance (biased) over the
# pixels of each channel of a norm's input, (N, C) each.
LAST_FEATURES = "features"
CHANNEL_MEANS = "channel_means"
CHANNEL_VARIANCES = "channel_variances"

# Tensors of the moments. Of the last features: how many images each class has (K,), the mean of each class (K, F), and
# the mean of f f^T over all images (F, F), or of its diagonal (F,).
COUNTS = "counts"
MEANS = "means"
SECOND = "second"
# Features of some other images (M, F), float16, and their classes (M,): what a new head does to classes of the source,
# which images drawn from moments could not say, since features of a class are no Gaussian cloud.
KEPT_FEATURES = "kept_features"
KEPT_LABELS = "kept_labels"
# Of the norm: how many images were taken for each class (K,), the mean of [channel means, log variances] of each
# (K, 2C), and the covariance of what is left of them without that mean (2C, 2C).
NORM_COUNTS = "norm_counts"
NORM_MEANS = "norm_means"
NORM_COVARIANCE = "norm_covariance"
# Mean and variance of the squared distances of single images, each held against what others gave (2,): 2C and 4C for a
# Gaussian cloud, more for one with longer tails. Left out where there are too few images to tell.
NORM_TAILS = "norm_tails"
# Added to a variance before its logarithm: channels that are off have none.
LEAST_VARIANCE = 1e-6
# Added to the diagonal of the covariance, as a part of the mean variance: less than any number has that says something.
LEAST_PART = 1e-5


class LinearHead(Struct, frozen=True, omit_defaults=True):
    """The last layer, where it is linear: logits = features @ weight.T + bias, by the names of its tensors.

    `transposed`: the weight is stored as (features, classes), and not as (classes, features).
    """

    weight: str
    bias: str | None
    features: Some
    transposed: bool = False


class Source(Struct, frozen=True):
    """Moments of images of the source domain. `accuracy` (0 to 1): how often the network is right on all of them.

    `kept`: of how many further images there are the features themselves.

    `second`: whether there is the second moment of features with features, or of each with itself alone. `norm`: the
    running mean of the norm whose input is described, too; None without any.
    """

    images: Some
    kept: Count
    accuracy: Part
    second: Literal["full", "diagonal"]
    norm: str | None
    channels: Count
