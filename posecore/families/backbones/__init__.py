"""Convolutional backbones, built from explicit block options and stateless about stride and dilation.

Strides and dilations are arguments of ``forward``: the same weights run at every output stride, from several threads
at once. Padding follows TensorFlow's SAME, whose asymmetry at stride 2 depends on the input's size.
"""

from posecore.families.backbones.atrous import Atrous
from posecore.families.backbones.blocks import InvertedResidual, SeparableBlock, SqueezeExcite
from posecore.families.backbones.layers import (
    ConvUnit,
    ImageNorm,
    ImageNormUnit,
    Pair,
    Unit,
    fuse,
    resize_legacy,
    same_padding,
)
from posecore.families.backbones.mobilenet_v1 import MOBILENET_V1_BLOCKS, MobileNetV1
from posecore.families.backbones.mobilenet_v2 import MOBILENET_V2_STAGES, MobileNetV2
from posecore.families.backbones.mobilenet_v3 import MOBILENET_V3_LARGE, MOBILENET_V3_SMALL, MobileNetV3
from posecore.families.backbones.resnet import Bottleneck, ResNet
from posecore.families.backbones.shufflenet_v2 import MaxPool, ShuffleNetV2, ShuffleUnit
from posecore.families.backbones.tapped import Tapped
from posecore.families.backbones.vgg import VGG

__all__ = [
    "MOBILENET_V1_BLOCKS",
    "MOBILENET_V2_STAGES",
    "MOBILENET_V3_LARGE",
    "MOBILENET_V3_SMALL",
    "VGG",
    "Atrous",
    "Bottleneck",
    "ConvUnit",
    "ImageNorm",
    "ImageNormUnit",
    "InvertedResidual",
    "MaxPool",
    "MobileNetV1",
    "MobileNetV2",
    "MobileNetV3",
    "Pair",
    "ResNet",
    "SeparableBlock",
    "ShuffleNetV2",
    "ShuffleUnit",
    "SqueezeExcite",
    "Tapped",
    "Unit",
    "fuse",
    "resize_legacy",
    "same_padding",
]
