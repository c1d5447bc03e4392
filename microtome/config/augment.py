# SPDX-License-Identifier: MIT
"""Random changes of training images: geometry, then intensities, or in an order of the study's own."""

import math
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator, model_validator

from microtome.config.section import Probability, Section, option, refuse

Geometry = Literal["horizontal_flip", "vertical_flip", "rotate90", "rotation", "scale", "translate", "shear"]
Intensity = Literal[
    "blur_sigma",
    "low_resolution",
    "stain",
    "contrast",
    "brightness",
    "intensity_shift",
    "gamma",
    "speckle",
    "gaussian_noise",
]
GEOMETRY: tuple[str, ...] = get_args(Geometry)
INTENSITIES: tuple[str, ...] = get_args(Intensity)
"""Steps by the names of their options, intensities in the order of image formation."""
FARTHEST = 5.0
"""Standard deviations of a deformation that a margin has room for."""
TOLERANCE = 1e-6
"""Pixels by which rounding may exceed a bound."""


def _share(what: str) -> Any:
    """The option that says how many images a step changes; not told where it is all of them."""
    return option(1.0, f"share of the images that {what}", exclude_if=lambda value: value == 1)


class Augment(Section):
    """Augmentation of a batch; everything off by default. Geometry is shared by image and target."""

    horizontal_flip: Probability = option(0.0, "probability of left-right reflection")
    vertical_flip: Probability = option(0.0, "probability of up-down reflection")
    rotate90: Probability = option(0.0, "probability of a random quarter turn")
    rotation: NonNegativeFloat = option(0.0, "degrees, uniform in plus or minus")
    rotation_probability: Probability = _share("are turned by a rotation")
    scale: tuple[PositiveFloat, PositiveFloat] = option((1.0, 1.0), "smallest and largest magnification")
    scale_probability: Probability = _share("are magnified")
    translate: NonNegativeFloat = option(0.0, "fraction of the size, per axis")
    translate_probability: Probability = _share("are shifted")
    shear: Annotated[float, Field(ge=0, le=math.pi / 2)] = option(
        0.0, "largest shear angle, radians, per axis"
    )
    shear_probability: Probability = _share("are sheared")
    elastic_alpha: NonNegativeFloat = option(
        0.0,
        "displacement before smoothing, uniform in plus or minus, pixels (Simard et al. 2003, "
        "doi:10.1109/ICDAR.2003.1227801)",
    )
    elastic_sigma: PositiveFloat = option(8.0, "standard deviation of the Gaussian that smooths it, pixels")
    elastic_probability: Probability = option(1.0, "share of the images that are deformed")
    brightness: NonNegativeFloat = option(0.0, "factor 1 ± this")
    brightness_probability: Probability = _share("are brightened or darkened")
    contrast: NonNegativeFloat = option(0.0, "factor 1 ± this on the deviation from the image's mean")
    contrast_probability: Probability = _share("change their contrast")
    gamma: NonNegativeFloat = option(0.0, "exponent exp(± this)")
    gamma_probability: Probability = _share("have their intensities curved by gamma")
    gaussian_noise: NonNegativeFloat = option(0.0, "standard deviation, images in 0..1")
    gaussian_noise_probability: Probability = _share("have noise added")
    blur_sigma: NonNegativeFloat = option(0.0, "largest standard deviation of a Gaussian blur, pixels")
    blur_probability: Probability = _share("are blurred")
    low_resolution: Annotated[float, Field(gt=0, le=1)] = option(
        1.0,
        "smallest factor by which an image is shrunk (nearest pixel) before it is enlarged again "
        "(bilinear), as if it came from a coarser one",
        exclude_if=lambda value: value == 1,
    )
    low_resolution_probability: Probability = _share("are shrunk and enlarged")
    speckle: NonNegativeFloat = option(0.0, "largest standard deviation of multiplicative noise")
    speckle_probability: Probability = _share("have speckle")
    intensity_shift: NonNegativeFloat = option(0.0, "added constant, images in 0..1")
    intensity_shift_probability: Probability = _share("have a constant added")
    stain: NonNegativeFloat = option(
        0.0,
        "H&E: factor 1 ± this and shift ± this/10 of each stain's density (Tellez et al. 2018, "
        "doi:10.1109/TMI.2018.2820199)",
    )
    stain_probability: Probability = _share("have their stains changed")
    intensity_clip: Literal["both", "bright", "none"] = option(
        "both",
        "intensities beyond 0..1, or beyond the batch's own range if that is wider, are cut at both ends, at "
        "the bright end alone, or not at all; at the end, of an `order` after each of its intensity steps",
    )
    margin: bool = option(
        False,
        "windows are warped with what surrounds them in the image, and cut out afterwards, so that nothing "
        "is made up but beyond the image itself",
    )
    border: Literal["reflect", "zero"] = option(
        "reflect", "beyond the border pixels are mirrored, or 0, in targets the first class"
    )
    target_fill: Literal["border", "ignore"] = option(
        "border", "targets beyond the border: as `border` says, or not labelled (ignore)"
    )
    target_rounding: Literal["nearest", "floor", "round"] = option(
        "nearest",
        "targets of 0 and 1 under interpolation: nearest pixel; floor: 1 only where wholly "
        "inside (published with USE-Net); round: 1 from one half",
    )
    order: tuple[Geometry | Intensity, ...] = option(
        (),
        "the steps in the order in which they are taken, by the names of their options; all geometry is "
        "still one resampling, which intensities listed before its last step precede. empty: flips and "
        "turns, then shear, rotation, scale, translation and deformation, then intensities (blur, low "
        "resolution, stain, contrast, brightness, shift, gamma, speckle, noise)",
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

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        """An order lists every step once; labels that are interpolated have no third value."""
        if self.order:
            used = [name for name in (*GEOMETRY, *INTENSITIES) if self.takes(name)]
            lacking = [name for name in used if name not in self.order]
            if lacking or len(set(self.order)) < len(self.order):
                refuse(f"an order that names each step once, {', '.join(lacking) or 'none of them twice'}")
            if self.elastic_alpha:
                refuse("elastic_alpha 0 beside an order, in which a deformation has no place")
        if self.target_fill == "ignore" and self.target_rounding != "nearest":
            refuse("target_rounding nearest beside target_fill ignore, as other rounding knows 0 and 1 alone")
        return self

    def takes(self, step: str) -> bool:
        """Whether a step changes anything."""
        return getattr(self, step) != type(self).model_fields[step].default and self.share(step) > 0

    def share(self, step: str) -> float:
        """The share of the images that a step changes; of flips and turns 1, as their option is that share.

        Example:
            >>> options = Augment(blur_sigma=1, blur_probability=0.2, vertical_flip=0.5)
            >>> options.share("blur_sigma"), options.share("vertical_flip"), options.share("gamma")
            (0.2, 1.0, 1.0)
        """
        return getattr(self, f"{step.removesuffix('_sigma')}_probability", 1.0)

    @property
    def warps(self) -> bool:
        """Whether pixels are interpolated."""
        strengths = (self.rotation, self.translate, self.shear, self.elastic_alpha)
        return any(strengths) or self.scale != (1, 1)

    @property
    def changes_intensity(self) -> bool:
        """Whether pixel values change other than by geometry."""
        return any(map(self.takes, INTENSITIES))

    def reach(self, side: int) -> int:
        """Pixels beyond each side of a window that its geometry may look at; 0 without `margin`.

        An upper bound: the product of the norms of all steps, from the centre of the window to a corner. Of
        a deformation there is room for five standard deviations, or its largest displacement if that is less.

        Args:
            side: Of the window, pixels.

        Example:
            >>> Augment(margin=True, rotation=180, scale=(0.9, 1.1), shear=0.2).reach(256)
            118
            >>> Augment(margin=True, horizontal_flip=0.5).reach(256), Augment(rotation=180).reach(256)
            (0, 0)
        """
        if not (self.margin and self.warps):
            return 0
        half, slope, magnified = (side - 1) / 2, math.tan(self.shear), self.scale[0]
        sheared = ((slope + math.hypot(slope, 2)) / 2) ** 2  # the norm of two shears
        turned = math.sqrt(2) if self.rotation or self.shear else 1.0
        shifted = self.translate * side * max(1.0, 1 / magnified)
        farthest = turned * sheared * (half / magnified + shifted)
        smooth = FARTHEST / (2 * math.sqrt(3 * math.pi) * self.elastic_sigma)
        deformed = self.elastic_alpha * min(1.0, smooth)
        return max(0, math.ceil(farthest - half + deformed - TOLERANCE))
