# SPDX-License-Identifier: MIT
"""Options of the network `dsunet`."""

from typing import ClassVar, Literal

from pydantic import FiniteFloat, PositiveInt, ValidationInfo, field_validator

from microtome.config.networks import ENCODER_WEIGHTS, Cost, EncoderWeights, NetworkOptions
from microtome.config.section import option, refuse

BLOCKS = 5
"""Blocks of the decoder, ψ0 (coarse) to ψ4 (fine)."""
COSTS = {
    "original": (7700, 0, 7.8, 8),
    "resnet34": (6050, 0, 5.5, 28),
    "efficientnet_lite0": (3780, 7250, 16.2, 28),
}
"""By the encoder: weights by the square of the width and by the width, values of a pixel kept by the width
and beside it, at most."""

Merge = tuple[FiniteFloat, ...] | None


class DSUNet(NetworkOptions):
    """U-Net of five decoder blocks, with a residual or a plain encoder and deep supervision."""

    LABEL: ClassVar = "deeply supervised U-Net"
    ENCODERS: ClassVar = {
        "original": "plain",
        "resnet34": "ResNet-34",
        "efficientnet_lite0": "EfficientNet-Lite0",
    }
    """The encoders as tables and figures name them."""
    name: Literal["dsunet"] = option("dsunet", "this network")
    encoder: Literal["original", "resnet34", "efficientnet_lite0"] = option(
        "resnet34",
        "resnet34: 24.4 M parameters at width 64; original: two convolutions a block, 31.4 M; "
        "efficientnet_lite0, not in the paper: 4.1 M at width 32",
    )
    head: Literal["single", "deep", "linear"] = option(
        "deep",
        "single: scores of the last decoder block; deep: scores of every block, the last ones are the "
        "result; linear: the result is the weighted sum of the scores of all blocks",
    )
    decoder: Literal["halving", "skips"] = option(
        "halving",
        "channels of the decoder's blocks. halving: half those of the block before; skips: those of the "
        "encoder's map that is appended, the last block half of them. The same with the encoder `original`",
    )
    last: PositiveInt | None = option(None, "channels of the last decoder block; null: as `decoder` says")
    merge: Merge = option(
        None, "linear: weights of the blocks before training, coarse to fine; null: 1/5 each"
    )
    width: PositiveInt = option(
        64, "channels of the first convolution; 64 in the paper, 32 in the published efficientnet_lite0"
    )
    in_channels: PositiveInt = option(3, "channels of an image; data.channels")
    classes: PositiveInt = option(
        2, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )
    weights: EncoderWeights = ENCODER_WEIGHTS

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        square, linear, of_maps, more = COSTS[self.encoder]
        skips = self.width if self.decoder == "skips" else 0
        kept = of_maps * self.width + skips + more + BLOCKS * self.classes + self.in_channels
        return Cost(square * self.width**2 + linear * self.width, kept)

    @property
    def levels(self) -> int:
        """Scores of each decoder block, unless there is a single head."""
        return 1 if self.head == "single" else BLOCKS

    @property
    def merges_levels(self) -> bool:
        """Whether the result is made of the scores of all blocks."""
        return self.head == "linear"

    @field_validator("merge")
    @classmethod
    def _of_each_block(cls, merge: Merge, info: ValidationInfo) -> Merge:
        """A weight for each block of a network that merges them."""
        if merge is not None and info.data.get("head", "linear") != "linear":
            refuse("null, as only the head 'linear' merges blocks")
        if merge is not None and len(merge) != BLOCKS:
            refuse(f"{BLOCKS} weights, one for each decoder block, coarse to fine")
        return merge
