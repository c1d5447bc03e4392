# SPDX-License-Identifier: MIT
"""Options of the network `spectral1d`."""

from typing import ClassVar, Literal

from pydantic import PositiveInt

from microtome.config.networks import Cost, Dropout, NetworkOptions, Odd
from microtome.config.section import option


class Spectral1D(NetworkOptions):
    """1-D convolutions along the bands of each pixel, which sees nothing of its neighbours."""

    LABEL: ClassVar = "1-D spectral CNN"
    name: Literal["spectral1d"] = option("spectral1d", "this network")
    kernel: Odd = option(5, "bands of a kernel")
    width: PositiveInt = option(16, "channels of the first convolution; the next has twice as many")
    hidden: PositiveInt = option(64, "units of the hidden layer, which sees all bands at once")
    dropout: Dropout = option(0.0, "share of the hidden units that training leaves out at random")
    bands: PositiveInt = option(16, "bands of an image, any number; data.channels")
    classes: PositiveInt = option(
        2, "outputs: the number of data.classes, or of `outputs` with a loss by sigmoid"
    )

    @property
    def in_channels(self) -> int:
        """Channels of an image."""
        return self.bands

    @property
    def pooled(self) -> int:
        """Bands that are left after pooling; an odd one out stays."""
        return -(-self.bands // 2)

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        first, second = self.width, 2 * self.width
        convolutions = self.kernel * first * (1 + second) + 2 * (first + second)
        dense = self.hidden * (second * self.pooled + self.classes + 1) + self.classes
        kept = self.bands * (3 * first + 1) + self.pooled * (first + 3 * second) + 3 * self.hidden
        return Cost(convolutions + dense, kept)
