# SPDX-License-Identifier: MIT
"""What a network sees: input scaling, sampling, sliding windows, augmentation."""

import math
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, field_validator

from microtome.config.section import Section

Probability = Annotated[float, Field(ge=0, le=1)]


class Input(Section):
    """Network input = (pixel / scale - mean) / std."""

    scale: PositiveFloat = Field(255.0, description="largest pixel value: 255 for 8 bits, 65535 for 16")
    mean: float = Field(0.5, description="subtracted after scaling")
    std: PositiveFloat = Field(0.5, description="divided by after that")
    zoom: PositiveFloat = Field(
        1.0, description="windows and whole images are resized by this factor (bilinear) for the network"
    )


class PatchSampler(Section):
    """Windows of the patch index, each once an epoch in a new order."""

    kind: Literal["patches"] = Field("patches", description="this sampler")
    crop: PositiveInt | None = Field(
        None, description="random square inside each window, in pixels; null: the whole window"
    )
    repeats: PositiveInt = Field(1, description="times each window is drawn in an epoch")
    copies: NonNegativeInt | None = Field(
        None,
        description="augmented copies of each window, drawn once and the same in every epoch, beside the "
        "window itself; null: new augmentation each epoch",
    )
    holdout: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.0,
        description="share of the windows and copies of `train` and `val` that validates, drawn at random as "
        "published with USE-Net (copies of one image on both sides); 0: the part `val` validates",
    )


class BalancedWindows(Section):
    """Windows around pixels, equally many of each class, drawn anew each epoch (Ciresan et al. 2012)."""

    kind: Literal["balanced_windows"] = Field("balanced_windows", description="this sampler")
    per_epoch: PositiveInt = Field(20_000, description="windows drawn for an epoch")
    validation: PositiveInt = Field(2_000, description="windows of the fixed validation draw")


Sampler = Annotated[PatchSampler | BalancedWindows, Field(discriminator="kind")]


class Augment(Section):
    """Augmentation of a batch; everything off by default. Geometry is shared by image and target."""

    horizontal_flip: Probability = Field(0.0, description="probability of left-right reflection")
    vertical_flip: Probability = Field(0.0, description="probability of up-down reflection")
    rotate90: Probability = Field(0.0, description="probability of a random quarter turn")
    rotation: NonNegativeFloat = Field(0.0, description="degrees, uniform in plus or minus")
    scale: tuple[PositiveFloat, PositiveFloat] = Field(
        (1.0, 1.0), description="smallest and largest magnification"
    )
    translate: NonNegativeFloat = Field(0.0, description="fraction of the size, per axis")
    shear: Annotated[float, Field(ge=0, le=math.pi / 2)] = Field(
        0.0, description="largest shear angle, radians, per axis"
    )
    elastic_alpha: NonNegativeFloat = Field(
        0.0,
        description="displacement before smoothing, uniform in plus or minus, pixels (Simard et al. 2003, "
        "doi:10.1109/ICDAR.2003.1227801)",
    )
    elastic_sigma: PositiveFloat = Field(
        8.0, description="standard deviation of the Gaussian that smooths it, pixels"
    )
    elastic_probability: Probability = Field(1.0, description="share of the images that are deformed")
    brightness: NonNegativeFloat = Field(0.0, description="factor 1 ± this")
    contrast: NonNegativeFloat = Field(
        0.0, description="factor 1 ± this on the deviation from the image's mean"
    )
    gamma: NonNegativeFloat = Field(0.0, description="exponent exp(± this)")
    gaussian_noise: NonNegativeFloat = Field(0.0, description="standard deviation, images in 0..1")
    blur_sigma: NonNegativeFloat = Field(
        0.0, description="largest standard deviation of a Gaussian blur, pixels"
    )
    speckle: NonNegativeFloat = Field(0.0, description="largest standard deviation of multiplicative noise")
    intensity_shift: NonNegativeFloat = Field(0.0, description="added constant, images in 0..1")
    stain: NonNegativeFloat = Field(
        0.0,
        description="H&E: factor 1 ± this and shift ± this/10 of each stain's density (Tellez et al. 2018, "
        "doi:10.1109/TMI.2018.2820199)",
    )
    border: Literal["reflect", "zero"] = Field(
        "reflect", description="beyond the border images and targets are mirrored, or 0"
    )
    target_rounding: Literal["nearest", "floor", "round"] = Field(
        "nearest",
        description="targets of 0 and 1 under interpolation: nearest pixel; floor: 1 only where wholly "
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
        return bool(
            self.rotation or self.translate or self.shear or self.scale != (1, 1) or self.elastic_alpha
        )

    @property
    def changes_intensity(self) -> bool:
        """Whether pixel values change other than by geometry."""
        strengths = (self.brightness, self.contrast, self.gamma, self.intensity_shift)
        return any((*strengths, self.blur_sigma, self.speckle, self.gaussian_noise, self.stain))


class Window(Section):
    """What a sliding-window network sees (Ciresan et al. 2012)."""

    foveate: bool = Field(False, description="blur that grows from the centre")
    nonuniform: bool = Field(False, description="sampling that thins out towards the border")
    stride: PositiveInt = Field(
        1, description="predict each n-th pixel when a dense evaluation is impossible"
    )
