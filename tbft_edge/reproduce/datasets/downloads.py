"""Where each data set comes from: hints for whoever does not have it yet."""

from __future__ import annotations

CIFAR10 = "download CIFAR-10's python version from https://www.cs.toronto.edu/~kriz/cifar.html and unpack it"
CIFAR10_C = "download CIFAR-10-C (CC-BY 4.0) from https://zenodo.org/records/2535967 and unpack it"
IMAGENET = "download ILSVRC2012 from https://image-net.org and unpack it into train/<wnid>/*.JPEG and val/<wnid>/*.JPEG"
BREEDS = (
    "download imagenet_class_hierarchy/modified from https://github.com/MadryLab/BREEDS-Benchmarks: "
    "class_hierarchy.txt, node_names.txt and dataset_class_info.json"
)
