# SPDX-License-Identifier: MIT
"""Options of the network `hypernet`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt, ValidationInfo, field_validator

from microtome.config.networks import Cost, Odd, VolumeOptions
from microtome.config.section import option, refuse


class HyperNet(VolumeOptions):
    """Hyper-net: a residual 3-D network with a dilated path, and its ablations."""

    LABEL: ClassVar = "Hyper-net"
    RESOLUTIONS: ClassVar = 4
    name: Literal["hypernet"] = option("hypernet", "this network")
    variant: Literal["proposed", "alldual", "alldilated", "maxpool"] = option(
        "proposed", "proposed: 5.2 M parameters at width 16; the others are its ablations"
    )
    dual: Literal["serial", "parallel"] = option(
        "serial", "whether the dilated block follows the standard one or both see the same input"
    )
    resolutions: Literal[4, 5] = option(
        4, "4: the first decoder block does not up-sample; 5: down-sampling before block 5 too"
    )
    dilated: Literal["all", "last"] = option("all", "which convolutions of a dilated block are dilated")
    dilation: tuple[PositiveInt, PositiveInt, PositiveInt] = option(
        (1, 2, 2), "along bands, rows, columns; at the lowest resolution two bands are left"
    )
    kernel: Odd = option(3, "side of the blocks' kernels: 3, or 5 as in V-Net")
    convs: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt, PositiveInt] = option(
        (1, 2, 3, 3, 3), "convolutions of each encoder block"
    )
    decoder_convs: tuple[PositiveInt, PositiveInt, PositiveInt, PositiveInt] = option(
        (3, 3, 2, 1), "convolutions of each decoder block, the lowest resolution first"
    )
    upsampling: Literal["trilinear", "nearest"] = option("trilinear", "kind of up-sampling")
    up_kernel: Odd = option(3, "side of the kernel after up-sampling: 3 or 1")
    head_kernel: Odd = option(1, "side of the last, 2-D kernel: 1 or 3")
    width: PositiveInt = option(16, "channels of the highest resolution; 16 in the paper")
    bands: PositiveInt = option(16, "bands of an image, a multiple of 8; data.channels")
    classes: PositiveInt = option(
        2, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        last = self.resolutions - 1
        encoder = list(zip(self.convs, (0, 1, 2, 3, last), strict=True))
        decoder = list(zip(self.decoder_convs, (3, 2, 1, 0), strict=True))
        if self.variant == "alldual":
            encoder += encoder[:3]
        convolutions = self.kernel**3 * sum(count * 4**level for count, level in encoder + decoder)
        parameters = (convolutions + 42 * self.up_kernel**3 + 450) * self.width**2
        if self.resolutions > 4:
            parameters += (128 * self.up_kernel**3 + 1100) * self.width**2
        maps = 15.5 + 2 * sum(count / 4**level for count, level in encoder + decoder)
        if self.variant == "alldual":
            maps += 6
        return Cost(parameters, self.bands * (maps * self.width + 4))

    @field_validator("resolutions")
    @classmethod
    def _paired(cls, resolutions: int, info: ValidationInfo) -> int:
        """Of five resolutions, the lowest has one block."""
        if resolutions > 4 and (info.data.get("variant") == "alldual" or info.data.get("dual") == "parallel"):
            refuse("4 with variant alldual or dual parallel, which need two blocks at the lowest")
        return resolutions
