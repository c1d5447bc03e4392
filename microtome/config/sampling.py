# SPDX-License-Identifier: MIT
"""What a network sees: input scaling, sampling, sliding windows."""

from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    model_validator,
)

from microtome.config.section import Probability, Section, assume, option, refuse

BEYOND = "-beyond"
"""What ends the folder of slices whose neighbours may be of other parts."""


class Input(Section):
    """Network input = (pixel / scale - mean) / std."""

    scale: PositiveFloat = option(
        255.0,
        "largest pixel value: 255 for 8 bits, 65535 for 16; augmentation takes pixel / scale for 0..1",
    )
    mean: float = option(0.5, "subtracted after scaling")
    std: PositiveFloat = option(0.5, "divided by after that")
    zoom: PositiveFloat = option(
        1.0, "windows and whole images are resized by this factor (bilinear) for the network"
    )
    neighbours: Annotated[int, Field(ge=0, le=16)] = option(
        0,
        "slices on each side, in the order of the stack, that are further channels of the input; 0: none",
        exclude_if=lambda value: value == 0,
    )
    beyond_part: bool = option(
        False,
        "neighbours: those of other parts of the split are seen, too (their images, never their labels); "
        "false: where a part ends, the neighbour on the other side stands in their place",
        exclude_if=lambda value: not value,
    )

    @property
    def stacked(self) -> str:
        """What folders and jobs of slices with their neighbours are called; empty without neighbours.

        Example:
            >>> Input(neighbours=1).stacked, Input(neighbours=2, beyond_part=True).stacked, Input().stacked
            ('1', '2-beyond', '')
        """
        return f"{self.neighbours}{BEYOND * self.beyond_part}" if self.neighbours else ""


class PatchSampler(Section):
    """Windows of the patch index, each once an epoch in a new order."""

    kind: Literal["patches"] = option("patches", "this sampler")
    crop: PositiveInt | None = option(None, "random square inside each window, pixels; null: all of it")
    validate_crops: bool = option(
        False,
        "validation takes the square of `crop` pixels in the middle of each window, as large as those that "
        "are learnt; false: whole windows",
    )
    repeats: PositiveInt = option(1, "times each window is drawn in an epoch")
    copies: NonNegativeInt | None = option(
        None,
        "augmented copies of each window, drawn once and the same in every epoch, beside the "
        "window itself; null: new augmentation each epoch",
    )
    holdout: Annotated[float, Field(ge=0, lt=1)] = option(
        0.0,
        "share of the windows and copies of `train` and `val` that validates, drawn at random; 0: the part "
        "`val` validates",
    )
    split_by: Literal["window", "source"] = option(
        "window",
        "what `holdout` draws. window: windows and copies, as published with USE-Net, so that copies of one "
        "image are on both sides; source: whole images, each with all its windows and copies",
    )


class BalancedWindows(Section):
    """Windows around pixels, equally many of each class, drawn anew each epoch (Ciresan et al. 2012)."""

    kind: Literal["balanced_windows"] = option("balanced_windows", "this sampler")
    per_epoch: PositiveInt | None = option(
        20_000,
        "windows drawn for an epoch; null (as the paper is recalled): every pixel of the rarest class of "
        "each image, and as many others of each class",
    )
    validation: PositiveInt = option(2_000, "windows of the fixed validation draw")


class WindowList(Section):
    """The windows of the patch index whose share of a class or region is in a range."""

    fraction: str = option(..., "class of data.classes, or region of targets.regions")
    at_least: Probability = option(0.0, "smallest share of a window's pixels")
    below: Annotated[float, Field(gt=0, le=1)] | None = option(None, "share that none reaches; null: none")
    draw: PositiveInt | None = option(
        None, "windows drawn for an epoch, with replacement (times `scale`); null: each window once"
    )

    @model_validator(mode="after")
    def _holds_some(self) -> Self:
        """A range that is not empty."""
        if self.below is not None and self.below <= self.at_least:
            refuse(f"a range that holds some shares, not at least {self.at_least:g} and below {self.below:g}")
        return self


class Lists(Section):
    """Lists of windows by what they show, each drawn by itself and anew each epoch.

    A window of several lists may be drawn from each of them. Windows that validate are neither listed nor
    drawn: each validates once.
    """

    kind: Literal["lists"] = option("lists", "this sampler")
    lists: dict[str, WindowList] = option(..., "list name: its windows", min_length=1)
    overlap: bool = option(
        True,
        "lists of one fraction may share windows; false: a window is in that of the largest `at_least`, so "
        "that `at_least` 0.0005 beside 0.1 lists shares of 0.05 % to 10 %",
    )
    scale: PositiveFloat | Literal["auto"] = option(
        1.0, "factor on every `draw`; auto: windows of training here / `of`, which keeps published ratios"
    )
    of: PositiveInt | None = option(None, "scale auto: the windows for which each `draw` was chosen")
    crop: PositiveInt | None = option(None, "random square inside each window, pixels; null: all of it")

    @model_validator(mode="after")
    def _is_scaled_by_something(self) -> Self:
        """Automatic factors follow from a number of windows."""
        if self.scale == "auto" and self.of is None:
            refuse("sampler.of beside scale auto: the windows for which each `draw` was chosen")
        return self


class Crops(Section):
    """Squares of whole images, anywhere in them, drawn anew each epoch.

    Windows of the patch index validate, each once.
    """

    kind: Literal["crops"] = option("crops", "this sampler")
    size: PositiveInt = option(256, "side of a square, pixels; smaller images are mirrored")
    per_epoch: PositiveInt | None = option(
        None, "squares drawn for an epoch; null: as many as would cover each image once"
    )
    rich: Probability = option(
        0.0,
        "share of the squares that are drawn around labelled pixels of the classes but the first, each class "
        "as often as the others; the rest lie anywhere, all places alike",
    )


Sampler = Annotated[
    PatchSampler | BalancedWindows | Lists | Crops, Field(discriminator="kind"), assume("kind", "patches")
]


def learnt_side(sampler: PatchSampler | BalancedWindows | Lists | Crops, patch: int) -> int:
    """The side of the squares that a sampler draws from windows of the patch index, or from whole images.

    Example:
        >>> [learnt_side(one, 128) for one in (PatchSampler(crop=96), PatchSampler(), Crops(size=256))]
        [96, 128, 256]
    """
    if sampler.kind == "crops":
        return sampler.size
    return min(getattr(sampler, "crop", None) or patch, patch)


class Window(Section):
    """What a sliding-window network sees (Ciresan et al. 2012)."""

    foveate: bool = option(False, "blur that grows from the centre")
    nonuniform: bool = option(False, "sampling that thins out towards the border")
    stride: PositiveInt = option(1, "predict each n-th pixel when a dense evaluation is impossible")
