# SPDX-License-Identifier: MIT
"""Options of the network `resunet`."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, ClassVar, Literal

from pydantic import Field, PositiveInt

from microtome.config.networks import Cost, NetworkOptions
from microtome.config.section import option

MARGIN = 1.02
"""Over the values that convolutions keep, for what normalisation notes of each map."""


class ResUNet(NetworkOptions):
    """U-Net with a residual encoder and instance normalisation, as nnU-Net builds it."""

    LABEL: ClassVar = "residual U-Net"
    name: Literal["resunet"] = option("resunet", "this network")
    head: Literal["single", "deep"] = option(
        "deep",
        "single: scores of the last decoder stage; deep: scores of every stage, the last ones are the result",
    )
    width: PositiveInt = option(32, "channels of the first stage, which each lower resolution doubles")
    most: PositiveInt = option(512, "channels that no stage has more of")
    blocks: Annotated[tuple[PositiveInt, ...], Field(min_length=2)] = option(
        (1, 3, 4, 6, 6, 6, 6),
        "residual blocks of each stage of the encoder, one stage for each resolution; nnU-Net has as many as "
        "leave four pixels a side at the lowest: seven for windows of 256, eight for 512",
    )
    in_channels: PositiveInt = option(1, "channels or bands of an image; data.channels")
    out_channels: PositiveInt = option(1, "outputs: of a mask, or by softmax the number of data.classes")

    @property
    def channels(self) -> tuple[int, ...]:
        """Channels of each stage, fine to coarse."""
        return tuple(min(self.width * 2**stage, self.most) for stage in range(len(self.blocks)))

    @property
    def levels(self) -> int:
        """Scores of each decoder stage, unless there is a single head."""
        return 1 if self.head == "single" else len(self.blocks) - 1

    @property
    def cost(self) -> Cost:
        """See `NetworkOptions.cost`."""
        kept = 2 * self.width + sum(self._kept()) + 2 * self.out_channels
        return Cost(sum(self._learnt()), MARGIN * kept + self.in_channels)

    def _learnt(self) -> Iterator[int]:
        """Weights, biases and the two numbers that normalisation has for each channel, part by part."""
        yield _convolution(self.in_channels, self.width)
        stages = zip((self.width, *self.channels[:-1]), self.channels, self.blocks, strict=True)
        for before, after, blocks in stages:
            yield _convolution(before, after) + (2 * blocks - 1) * _convolution(after, after)
            yield (before + 2) * after if before != after else 0
        for number, (above, below) in enumerate(pairwise(self.channels)):
            yield (4 * below + 1) * above + _convolution(2 * above, above)
            yield (above + 1) * self.out_channels if number < self.levels else 0

    def _kept(self) -> Iterator[float]:
        """Values for each pixel of a window, stage by stage: what convolutions take and what they give."""
        for stage, (channels, blocks) in enumerate(zip(self.channels, self.blocks, strict=True)):
            pooled = self.channels[stage - 1] + channels if stage else 0
            joined = 4 * channels if stage < len(self.blocks) - 1 else 0
            yield (4 * blocks * channels + pooled + joined) / 4**stage


def _convolution(before: int, after: int) -> int:
    """Numbers of a 3×3 convolution with its bias and its normalisation."""
    return (9 * before + 3) * after
