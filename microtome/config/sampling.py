# SPDX-License-Identifier: MIT
"""What a network sees: input scaling, sampling, sliding windows, augmentation."""

import math
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    field_validator,
    model_validator,
)

from microtome.config.section import Probability, Section, assume, option, refuse


class Input(Section):
    """Network input = (pixel / scale - mean) / std."""

    scale: PositiveFloat = option(255.0, "largest pixel value: 255 for 8 bits, 65535 for 16")
    mean: float = option(0.5, "subtracted after scaling")
    std: PositiveFloat = option(0.5, "divided by after that")
    zoom: PositiveFloat = option(
        1.0, "windows and whole images are resized by this factor (bilinear) for the network"
    )


class PatchSampler(Section):
    """Windows of the patch index, each once an epoch in a new order."""

    kind: Literal["patches"] = option("patches", "this sampler")
    crop: PositiveInt | None = option(None, "random square inside each window, pixels; null: all of it")
    repeats: PositiveInt = option(1, "times each window is drawn in an epoch")
    copies: NonNegativeInt | None = option(
        None,
        "augmented copies of each window, drawn once and the same in every epoch, beside the "
        "window itself; null: new augmentation each epoch",
    )
    holdout: Annotated[float, Field(ge=0, lt=1)] = option(
        0.0,
        "share of the windows and copies of `train` and `val` that validates, drawn at random as "
        "published with USE-Net (copies of one image on both sides); 0: the part `val` validates",
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


Sampler = Annotated[
    PatchSampler | BalancedWindows | Lists, Field(discriminator="kind"), assume("kind", "patches")
]


class Augment(Section):
    """Augmentation of a batch; everything off by default. Geometry is shared by image and target."""

    horizontal_flip: Probability = option(0.0, "probability of left-right reflection")
    vertical_flip: Probability = option(0.0, "probability of up-down reflection")
    rotate90: Probability = option(0.0, "probability of a random quarter turn")
    rotation: NonNegativeFloat = option(0.0, "degrees, uniform in plus or minus")
    scale: tuple[PositiveFloat, PositiveFloat] = option((1.0, 1.0), "smallest and largest magnification")
    translate: NonNegativeFloat = option(0.0, "fraction of the size, per axis")
    shear: Annotated[float, Field(ge=0, le=math.pi / 2)] = option(
        0.0, "largest shear angle, radians, per axis"
    )
    elastic_alpha: NonNegativeFloat = option(
        0.0,
        "displacement before smoothing, uniform in plus or minus, pixels (Simard et al. 2003, "
        "doi:10.1109/ICDAR.2003.1227801)",
    )
    elastic_sigma: PositiveFloat = option(8.0, "standard deviation of the Gaussian that smooths it, pixels")
    elastic_probability: Probability = option(1.0, "share of the images that are deformed")
    brightness: NonNegativeFloat = option(0.0, "factor 1 ± this")
    contrast: NonNegativeFloat = option(0.0, "factor 1 ± this on the deviation from the image's mean")
    gamma: NonNegativeFloat = option(0.0, "exponent exp(± this)")
    gaussian_noise: NonNegativeFloat = option(0.0, "standard deviation, images in 0..1")
    blur_sigma: NonNegativeFloat = option(0.0, "largest standard deviation of a Gaussian blur, pixels")
    speckle: NonNegativeFloat = option(0.0, "largest standard deviation of multiplicative noise")
    intensity_shift: NonNegativeFloat = option(0.0, "added constant, images in 0..1")
    stain: NonNegativeFloat = option(
        0.0,
        "H&E: factor 1 ± this and shift ± this/10 of each stain's density (Tellez et al. 2018, "
        "doi:10.1109/TMI.2018.2820199)",
    )
    border: Literal["reflect", "zero"] = option(
        "reflect", "beyond the border pixels are mirrored, or 0, in targets the first class"
    )
    target_rounding: Literal["nearest", "floor", "round"] = option(
        "nearest",
        "targets of 0 and 1 under interpolation: nearest pixel; floor: 1 only where wholly "
        "inside (published with USE-Net); round: 1 from one half",
    )

    @field_validator("scale")
    @classmethod
    def _in_order(cls, value: tuple[float, float]) -> tuple[float, float]:
        """The smallest magnification first."""
        low, high = value
        if low > high:
            msg = f"found {low:g} to {high:g}, expected the smallest magnification before the largest"
            raise ValueError(msg)
        return value

    @property
    def warps(self) -> bool:
        """Whether pixels are interpolated."""
        strengths = (self.rotation, self.translate, self.shear, self.elastic_alpha)
        return any(strengths) or self.scale != (1, 1)

    @property
    def changes_intensity(self) -> bool:
        """Whether pixel values change other than by geometry."""
        strengths = (self.brightness, self.contrast, self.gamma, self.intensity_shift)
        return any((*strengths, self.blur_sigma, self.speckle, self.gaussian_noise, self.stain))


class Window(Section):
    """What a sliding-window network sees (Ciresan et al. 2012)."""

    foveate: bool = option(False, "blur that grows from the centre")
    nonuniform: bool = option(False, "sampling that thins out towards the border")
    stride: PositiveInt = option(1, "predict each n-th pixel when a dense evaluation is impossible")
