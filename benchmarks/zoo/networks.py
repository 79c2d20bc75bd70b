"""The networks of the zoo, by name: where each comes from, and the images that it takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Source = Literal["own", "torchvision", "timm", "pytorchcv"]
CLASSES = 10


@dataclass(frozen=True)
class Network:
    """`key` is the name in its package; `shape` is (channels, height, width) of an image.

    `options` are keyword arguments of its constructor.
    """

    source: Source
    key: str
    shape: tuple[int, int, int] = (3, 64, 64)
    options: Mapping[str, object] | None = None
    quick: bool = False

    @property
    def name(self) -> str:
        """Its name in the zoo: that of the package goes ahead where there is one."""
        return self.key if self.source == "own" else f"{self.source}_{self.key}"


def _of(source: Source, size: int, *keys: str, **options: object) -> tuple[Network, ...]:
    return tuple(Network(source, key, (3, size, size), options or None) for key in keys)


def _quick(key: str, *shape: int) -> Network:
    channels, height, width = shape
    return Network("own", key, (channels, height, width), quick=True)


NETWORKS: tuple[Network, ...] = (
    _quick("mlperf_resnet8", 3, 32, 32),
    _quick("ds_cnn", 1, 49, 10),
    _quick("lenet", 1, 28, 28),
    _quick("mlp", 1, 16, 16),
    _quick("small_cnn", 3, 32, 32),
    _quick("leaky_cnn", 3, 32, 32),
    _quick("normalising", 3, 32, 32),
    _quick("softmax_inside", 3, 32, 32),
    _quick("two_heads", 3, 32, 32),
    _quick("small_vit", 3, 32, 32),
    *_of("torchvision", 64, "resnet18", "mobilenet_v2", "resnext50_32x4d", "squeezenet1_1", "shufflenet_v2_x1_0"),
    *_of("torchvision", 64, "regnet_y_400mf", "densenet121", "mnasnet1_0", "convnext_tiny", "resnet50"),
    *_of("torchvision", 96, "mobilenet_v3_large", "efficientnet_b0"),
    *_of("torchvision", 96, "googlenet", init_weights=False, aux_logits=False),
    *_of("torchvision", 64, "alexnet", "vgg11_bn"),
    *_of("torchvision", 224, "vit_b_16", image_size=224),
    *_of("timm", 64, "mobilenetv3_small_100", "resnet18d", "seresnet18", "ghostnet_100", "repvgg_a0", "mobileone_s0"),
    *_of("timm", 64, "mobilevit_xxs", "hrnet_w18_small", "cspresnet50", "res2net50_26w_4s", "ecaresnet26t"),
    *_of("timm", 64, "skresnet18", "resnetv2_50", "resnetv2_50d_gn", "fastvit_t8", "poolformer_s12", "dla34"),
    *_of("timm", 64, "edgenext_xx_small", "nf_regnet_b0", "dpn48b", "selecsls42b", "inception_next_atto"),
    *_of("timm", 96, "efficientnet_b0", "efficientnet_lite0", "mobilenetv4_conv_small", "regnetx_002"),
    *_of("timm", 96, "convnext_atto", "mnasnet_small", "tinynet_e", "lcnet_050", "ese_vovnet19b_dw"),
    *_of("timm", 96, "efficientvit_b0", "repghostnet_050", "starnet_s1", "rexnet_100", "repvit_m0_9", "ghostnetv2_100"),
    *_of("timm", 96, "mobilenetv2_100", "hardcorenas_a", "fbnetc_100", "spnasnet_100", "mixnet_s", "darknet17"),
    *_of("timm", 32, "convmixer_768_32"),
    *_of("timm", 64, "deit_tiny_patch16_224", img_size=64),
    *_of("timm", 64, "mixer_s16_224", img_size=64),
    *_of("timm", 224, "levit_128s", "efficientformer_l1", "swin_tiny_patch4_window7_224"),
    *_of("pytorchcv", 32, "resnet20_cifar10", "densenet40_k12_cifar10", "nin_cifar10", "preresnet20_cifar10"),
)
BY_NAME: Mapping[str, Network] = {network.name: network for network in NETWORKS}
