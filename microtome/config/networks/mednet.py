# SPDX-License-Identifier: MIT
"""Options of the network `mednet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt, ValidationInfo, field_validator

from microtome.config.networks import Cost, NetworkOptions
from microtome.config.section import option, refuse


class MEDNet(NetworkOptions):
    """MED-Net: residual encoder-decoders at several scales of the image, each within the next finer one."""

    LABEL: ClassVar = "MED-Net"
    name: Literal["mednet"] = option("mednet", "this network")
    scales: Literal[1, 2, 3] = option(
        3, "nested subnetworks; at widths 40, 36 and 35 one, two and three have 6 M parameters"
    )
    depth: PositiveInt = option(
        4, "times that the finest subnetwork halves the resolution; each coarser one once less"
    )
    width: PositiveInt = option(35, "channels of a subnetwork's first block, which each next one doubles")
    blocks: PositiveInt = option(2, "residual blocks at each resolution, on the way down and on the way up")
    inner_skips: bool = option(
        False, "append the encoder's maps to the decoder's of the same resolution, as a U-Net does"
    )
    gate: Literal["sigmoid", "product", "residual"] = option(
        "sigmoid",
        "factor of a bottleneck, of the projection z of the next coarser one's. sigmoid: σ(z); product: z; "
        "residual: 1 + σ(z)",
    )
    pyramid: Literal["average", "nearest"] = option(
        "average", "coarser images: the means of 2×2 pixels, or every second pixel"
    )
    detach: bool = option(
        False, "train a subnetwork by its own scores and its bottleneck, not by what finer ones make of them"
    )
    upsampling: Literal["bilinear", "transposed"] = option(
        "bilinear", "of the decoder's maps; transposed: convolutions 2/2 that are learned"
    )
    in_channels: PositiveInt = option(1, "channels of an image; data.channels")
    classes: PositiveInt = option(
        6, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        share = (0.75, 0.95, 1.0)[self.scales - 1]
        parameters = share * 2620 * self.blocks * 4.0 ** (self.depth - 4) * self.width**2
        kept = (2.9 + 4.4 * self.blocks + self.inner_skips) * self.width * (0.8, 0.96, 1.0)[self.scales - 1]
        return Cost(parameters, kept + 14 + self.in_channels)

    @property
    def levels(self) -> int:
        """Scores of each subnetwork."""
        return self.scales

    @field_validator("depth")
    @classmethod
    def _of_the_coarsest(cls, depth: int, info: ValidationInfo) -> int:
        """The coarsest subnetwork halves the resolution once at least."""
        least = info.data.get("scales", 1)
        if depth < least:
            refuse(f"{least} at least, so that the coarsest of {least} subnetworks halves its image")
        return depth
