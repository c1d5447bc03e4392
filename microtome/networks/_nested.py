# SPDX-License-Identifier: MIT
"""Encoder-decoders nested over the scales of an image, as in MED-Net, of any encoder-decoder.

Kose et al., Medical Image Analysis 2021 (doi:10.1016/j.media.2020.101841), section 2.1: the coarsest
subnetwork sees the coarsest image alone; every other one sees its image and the class probabilities of the
next coarser one, up-sampled, and its bottleneck is multiplied with a projection of that one's.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Literal, Protocol

import torch
from torch import fx, nn
from torch.nn import functional

from microtome.networks._blocks import pad_to_multiple, require_images
from microtome.networks._spans import Area
from microtome.networks._upsampling import Upsampling, upsampled

# these look at sizes, which the tracer of `microtome.inference.fold_batch_norm` cannot; it keeps the calls
fx.wrap("require_images")
fx.wrap("pad_to_multiple")
fx.wrap("upsampled")

FACTOR = 2
"""Size of an image over that of the next coarser one."""


class Subnetwork(Protocol):
    """A module that can be nested.

    Attributes:
        in_channels: channels that it takes.
        multiple: size of an image over that of its bottleneck; it divides both sides.
        bottleneck: channels of the bottleneck.
        channels: of the maps that `decode` returns.
    """

    in_channels: int
    multiple: int
    bottleneck: int
    channels: int

    def encode(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Maps that `decode` takes, the bottleneck last."""
        ...

    def decode(self, maps: list[torch.Tensor]) -> torch.Tensor:
        """Maps of the images' size."""
        ...


class Gate(nn.Module):
    """Multiplies a bottleneck with a factor made of the next coarser subnetwork's, as attention does.

    The factor is σ(z) (`sigmoid`, as in Roy et al. 2018, doi:10.1109/TMI.2018.2867261), z (`product`), or
    1 + σ(z) (`residual`), z a 1×1 convolution of the coarser bottleneck, resized to the finer one's size.
    """

    def __init__(
        self, coarse: Subnetwork, fine: Subnetwork, form: Literal["sigmoid", "product", "residual"]
    ) -> None:
        super().__init__()
        self.form, self.project = form, nn.Conv2d(coarse.bottleneck, fine.bottleneck, 1)
        self.resize = _resize(FACTOR * coarse.multiple, fine.multiple)

    def forward(self, fine: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
        """The finer bottleneck, multiplied."""
        factor = self.resize(self.project(coarse))
        if self.form == "product":
            return fine * factor
        return fine * (factor.sigmoid() + (1 if self.form == "residual" else 0))


def _resize(times: int, over: int) -> nn.Module:
    """A layer that changes the resolution by a fraction."""
    if times % over:
        return nn.Upsample(scale_factor=times / over, mode="bilinear")
    return nn.Identity() if times == over else Upsampling(times // over)


class Nested(nn.Module):
    """Subnetworks of an image at several scales, each in the next finer one.

    Attributes:
        subnetworks: coarse to fine.
        gates: between a subnetwork and the next finer one.
        heads: 1×1 convolutions that make scores of the subnetworks' maps.
        reductions: size of an image over that of each of its `levels`, coarse to fine.
        multiple: what the sides of images are padded to.
    """

    def __init__(
        self,
        subnetworks: Sequence[Subnetwork],
        classes: int,
        *,
        gate: Literal["sigmoid", "product", "residual"] = "sigmoid",
        pyramid: Literal["average", "nearest"] = "average",
        detach: bool = False,
        owner: str = "nested",
    ) -> None:
        """See the class.

        Args:
            subnetworks: coarse to fine; the first takes the channels of an image, the others `classes` more.
            classes: scores of a pixel.
            gate: see `Gate`.
            pyramid: coarser images: means of 2×2 pixels, or every second pixel.
            detach: whether no gradient goes through the probabilities to the coarser subnetworks.
            owner: name of the network, for messages.

        Raises:
            ValueError: a subnetwork takes another number of channels.
        """
        super().__init__()
        self.owner, self.pyramid, self.detach = owner, pyramid, detach
        self.in_channels = subnetworks[0].in_channels
        _require_channels(subnetworks, classes)
        self.subnetworks = nn.ModuleList(subnetworks)
        self.gates = nn.ModuleList(Gate(coarse, fine, gate) for coarse, fine in pairwise(subnetworks))
        self.heads = nn.ModuleList(nn.Conv2d(one.channels, classes, 1) for one in subnetworks)
        self.reductions = tuple(FACTOR**level for level in reversed(range(len(subnetworks))))
        needed = zip(self.reductions, subnetworks, strict=True)
        self.multiple = max(reduction * one.multiple for reduction, one in needed)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits of each pixel, of the finest subnetwork.

        Args:
            images: (N, in_channels, H, W) of any size; sizes that `multiple` does not divide are mirrored up
                to the next multiple at the bottom and the right, and the result is cropped back. In training
                mode a batch must hold more than one image of `multiple` pixels a side, or batch
                normalisation has a single value.

        Returns:
            (N, classes, H, W) logits; no sigmoid or softmax is applied.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        return self.levels(images)[-1]

    def levels(self, images: torch.Tensor) -> list[torch.Tensor]:
        """Logits of every subnetwork, coarse to fine, each at its own resolution.

        Args:
            images: as `forward` takes them.

        Returns:
            (N, classes, ceil(H / r), ceil(W / r)) for each r of `reductions`.

        Raises:
            ValueError: as `forward`.
        """
        return _levels(self, images)

    def within(self, images: torch.Tensor, rows: slice, columns: slice) -> torch.Tensor:
        """A part of what `forward` gives, without what the decoders would compute for the rest alone.

        For prediction with overlapping windows, of which the middle counts. Subnetworks with a method
        `scores` (`microtome.networks.mednet.ResidualSubnetwork`) leave the rest out; of others it is cut off.

        Args:
            images: as `forward` takes them.
            rows: of the images, from 0 to H at most.
            columns: of the images.

        Returns:
            (N, classes, rows, columns) logits, those of `forward` but for rounding.

        Raises:
            ValueError: as `forward`.

        Example:
            >>> from microtome import networks
            >>> network = networks.build("mednet", width=4).eval()
            >>> network.within(torch.zeros(1, 1, 64, 64), slice(16, 48), slice(0, 64)).shape
            torch.Size([1, 6, 32, 64])
        """
        require_images(images, self.in_channels, owner=self.owner)
        area = Area((rows.start, rows.stop), (columns.start, columns.stop))
        return _scores(self, pad_to_multiple(images, self.multiple), area)[-1]

    def up_to(self, level: int) -> "Level":
        """A network that stops at a subnetwork, with the weights of this one.

        Args:
            level: Number among `levels`, from 0, the coarsest.

        Returns:
            A module that computes what `levels` gives at this number, and nothing finer.

        Raises:
            ValueError: There is no such level.
        """
        if not 0 <= level < len(self.heads):
            msg = f"found level {level} of {self.owner}, expected 0 to {len(self.heads) - 1}, coarse to fine"
            raise ValueError(msg)
        return Level(self, level)


class Level(nn.Module):
    """A `Nested` network that stops at a subnetwork; made by `Nested.up_to`.

    Attributes:
        reduction: size of an image over that of its logits.
    """

    def __init__(self, whole: Nested, level: int) -> None:
        super().__init__()
        self.owner, self.pyramid, self.detach = whole.owner, whole.pyramid, whole.detach
        self.in_channels, self.multiple = whole.in_channels, whole.multiple
        count = level + 1
        self.subnetworks, self.gates = whole.subnetworks[:count], whole.gates[:level]
        self.heads, self.reductions = whole.heads[:count], whole.reductions[:count]
        self.reduction = self.reductions[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits at this level's resolution, (N, classes, ceil(H / reduction), ceil(W / reduction)).

        Args:
            images: (N, in_channels, H, W), as `Nested.forward` takes them.

        Raises:
            ValueError: `images` has another number of axes or channels.
        """
        return _levels(self, images)[-1]


def _levels(network: Nested | Level, images: torch.Tensor) -> list[torch.Tensor]:
    """Logits of each subnetwork, coarse to fine, cropped to the images."""
    require_images(images, network.in_channels, owner=network.owner)
    height, width = images.shape[-2], images.shape[-1]
    scores = _scores(network, pad_to_multiple(images, network.multiple))
    cells = [(-(-height // r), -(-width // r)) for r in network.reductions]
    return [one[..., :rows, :columns] for one, (rows, columns) in zip(scores, cells, strict=True)]


def _scores(network: Nested | Level, images: torch.Tensor, area: Area | None = None) -> list[torch.Tensor]:
    """Logits of each subnetwork, coarse to fine, of the padded images; of the finest in an area, if given."""
    found: list[torch.Tensor] = []
    bottleneck = None
    for level, (subnetwork, head) in enumerate(zip(network.subnetworks, network.heads, strict=True)):
        scaled = _coarser(images, network.reductions[level], network.pyramid)
        if found:
            scaled = torch.cat([scaled, _prior(found[-1], detach=network.detach)], dim=1)
        *maps, own = subnetwork.encode(scaled)
        bottleneck = own if bottleneck is None else network.gates[level - 1](own, bottleneck)
        is_last = level == len(network.heads) - 1
        wanted = area if area is None or is_last else Area.whole(scaled)
        found.append(_score(subnetwork, head, [*maps, bottleneck], wanted))
    return found


def _score(
    subnetwork: Subnetwork, head: nn.Conv2d, maps: list[torch.Tensor], area: Area | None
) -> torch.Tensor:
    """Logits of a subnetwork, in an area alone if one is given."""
    if area is None:
        return head(subnetwork.decode(maps))
    if hasattr(subnetwork, "scores"):
        return subnetwork.scores(maps, head, area)
    features = subnetwork.decode(maps)
    return head(area.cut(features, Area.whole(features)))


def _coarser(images: torch.Tensor, reduction: int, how: Literal["average", "nearest"]) -> torch.Tensor:
    """Images at a fraction of the resolution."""
    if reduction == 1:
        return images
    if how == "nearest":
        return images[..., ::reduction, ::reduction]
    return functional.avg_pool2d(images, reduction)


def _prior(logits: torch.Tensor, *, detach: bool) -> torch.Tensor:
    """Probabilities of the classes at the next finer resolution."""
    probabilities = (logits.detach() if detach else logits).softmax(1)
    return upsampled(probabilities, FACTOR)


def _require_channels(subnetworks: Sequence[Subnetwork], classes: int) -> None:
    """All but the first take the scores of the one before, too."""
    first, *others = subnetworks
    for number, one in enumerate(others, 1):
        if one.in_channels != first.in_channels + classes:
            found = f"found subnetwork {number} for {one.in_channels} channels"
            msg = f"{found}, expected {first.in_channels} of the image and {classes} of the classes"
            raise ValueError(msg)
