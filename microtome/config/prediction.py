# SPDX-License-Identifier: MIT
"""From a trained network to a label map: stitching, calibration, thresholds."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from microtome.config.base import Section

Probability = Annotated[float, Field(ge=0, le=1)]


class Predict(Section):
    """Overlap-tile prediction."""

    window: PositiveInt | None = Field(None, description="pixels; null: the whole image at once")
    overlap: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.5, description="fraction of the window shared by neighbours"
    )
    weights: Literal["constant", "trapezoid", "gaussian"] = Field(
        "gaussian", description="weight of a window's pixels where windows overlap"
    )
    gaussian_sigma: PositiveFloat | None = Field(None, description="pixels; null: one eighth of the window")
    batch_size: PositiveInt = Field(4, description="windows predicted at once")
    tta: bool = Field(False, description="average over the 8 flips and quarter turns")
    precision: Literal["fp32", "bf16", "auto"] = Field(
        "fp32", description="auto: bf16 where fast and arg-max agrees"
    )


class Calibration(Section):
    """Monotone polynomial from predicted value to frequency, fitted on the validation part."""

    kind: Literal["none", "cubic"] = Field("none", description="none, or a monotone cubic polynomial")
    bins: PositiveInt = Field(256, description="of predicted values in the fit")
    median_radius: NonNegativeInt = Field(0, description="radius of the median filter after it, pixels")


class Segment(Section):
    """From probability map to label map."""

    kind: Literal["threshold", "argmax"] = Field(
        "threshold",
        description="threshold: positive class above `threshold`; argmax: largest of several maps",
    )
    threshold: Probability = Field(0.5, description="probability of the positive class")
