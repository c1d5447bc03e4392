# SPDX-License-Identifier: MIT
"""From a trained network to a label map: stitching, calibration, thresholds."""

from typing import Annotated, ClassVar, Literal

from pydantic import (
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationInfo,
    field_validator,
)

from microtome.config.section import OfClass, Probability, Section, assume, option, refuse, with_class


class Store(Section):
    """What is kept of probability maps."""

    dtype: Literal["float32", "uint8"] = option(
        "float32",
        "uint8: 255 times the probability, rounded; the most probable of several classes is one above those "
        "that rounding makes equal to it. Not beside evaluate.losses: what rounds to 0 would make them large",
    )
    classes: tuple[str, ...] = option((), "of slides: whose maps are kept; empty: all")


class Predict(Section):
    """Overlap-tile prediction."""

    window: PositiveInt | None = option(None, "pixels; null: the whole image at once")
    overlap: Annotated[float, Field(ge=0, lt=1)] = option(0.5, "fraction of the window shared by neighbours")
    weights: Literal["constant", "trapezoid", "gaussian"] = option(
        "gaussian", "weight of a window's pixels where windows overlap"
    )
    gaussian_sigma: PositiveFloat | None = option(None, "pixels; null: one eighth of the window")
    border: NonNegativeInt = option(
        0,
        "mirrored surroundings that windows cover, too, pixels; with half a window, pixels at the border "
        "of an image lie in the middle of windows as others do. Less than the window",
        exclude_if=lambda value: value == 0,
    )
    batch_size: PositiveInt = option(4, "windows predicted at once")
    tta: bool = option(False, "average over the 8 flips and quarter turns")
    precision: Literal["fp32", "bf16", "auto"] = option("fp32", "auto: bf16 where fast and arg-max agrees")
    store: Store = option(Store(), "what is kept of the maps", exclude_if=lambda value: value == Store())
    level: NonNegativeInt | None = option(
        None,
        "stop at this block of the decoder, 0 the coarsest, and stitch at its resolution; null: at the last",
        exclude_if=lambda value: value is None,
    )

    @field_validator("border")
    @classmethod
    def _within_a_window(cls, border: int, info: ValidationInfo) -> int:
        """Windows reach into the image."""
        window = info.data.get("window")
        if window is not None and border >= window:
            refuse(f"less than the window ({window} pixels)")
        return border


class Calibration(Section):
    """From predicted value to frequency, fitted on the validation part."""

    kind: Literal["none", "cubic", "temperature"] = option(
        "none",
        "cubic: a monotone polynomial, of runs with one map; temperature: logits are divided by one number, "
        "of which a marker's map is left out",
    )
    bins: PositiveInt = option(256, "cubic: of predicted values in the fit")
    pooled: tuple[str, ...] = option(
        (),
        "runs whose held-out maps are fitted together, so that all get one fit; empty: its own maps",
    )
    median_radius: NonNegativeInt = option(0, "radius of the median filter after it, pixels")


class Threshold(Section):
    """The positive class where its probability is above a threshold."""

    TAKES_BOTH: ClassVar[bool] = False
    kind: Literal["threshold"] = option("threshold", "one probability map, one threshold")
    threshold: Probability = option(0.5, "probability of the positive class")


class ArgMax(Section):
    """The most probable of several classes."""

    TAKES_BOTH: ClassVar[bool] = False
    kind: Literal["argmax"] = option("argmax", "the largest of several probability maps")


class Watershed(Section):
    """Objects by marker watershed, as published with USE-Net (see `microtome.objects.watershed`)."""

    TAKES_BOTH: ClassVar[bool] = True
    kind: Literal["watershed"] = option("watershed", "objects from a mask and markers")
    mask_threshold: Probability = option(0.1, "probability above which a pixel is object")
    marker_threshold: Probability = option(0.1, "probability above which a pixel is marker")
    quantize: bool = option(True, "compare 8-bit values cut off, as the authors' code does")
    min_mask_area: NonNegativeInt = option(50, "smaller parts of the mask are removed, pixels")
    min_marker_area: NonNegativeInt = option(20, "smaller markers are removed, pixels")
    min_object_area: NonNegativeInt = option(50, "smaller objects are removed after the cut, pixels")
    max_hole_area: NonNegativeInt = option(100, "smaller holes are filled, pixels")
    dilation_radius: NonNegativeInt = option(1, "objects grow by a disk of this radius (1: a cross), pixels")
    markers: Literal["predicted", "eroded", "distance"] = option(
        "predicted",
        "predicted: second output of the network; for networks with a mask alone, eroded: parts "
        "of the mask shrunk by their area, distance: maxima of the distance to the border",
    )
    h: PositiveFloat = option(1.0, "markers `distance`: height of a maximum, pixels")
    surface: Literal["flat", "intensity", "distance"] = option(
        "flat", "what is flooded: a plain (the authors), mask probability, distance to the border"
    )
    scope: Literal["image", "component"] = option(
        "image", "image: zones grow over the whole image (the authors); component: within the mask"
    )
    flooding: Literal["queue", "rings"] = option(
        "queue", "queue: as scikit-image; rings: faster, the rule for ties is local, flat surface only"
    )
    reach: PositiveInt | None = option(
        None, "flooding `rings`: zones end so many pixels from their marker; null: nowhere"
    )
    tile: PositiveInt | None = option(
        None, "side of the tiles of large images (needs `rings` and `reach`); null: whole images"
    )

    @field_validator("flooding", "reach", "tile")
    @classmethod
    def _fits(cls, value: object, info: ValidationInfo) -> object:
        """Refuse floods that there are none of; fields that came before stand in `info.data`."""
        chosen = {"reach": None, **info.data}
        rings = chosen.get("flooding") == "rings"
        if info.field_name == "flooding" and value == "rings" and chosen.get("surface", "flat") != "flat":
            refuse("queue, as surface is not flat")
        if info.field_name == "reach" and value is not None and not rings:
            refuse("null, as flooding is not rings; or set flooding to rings")
        can_tile = rings and chosen["reach"] is not None and chosen.get("markers") != "distance"
        if info.field_name == "tile" and value is not None and not can_tile:
            refuse("null; or flooding: rings, a reach, markers not distance")
        return value


class _BoundaryWatershed(OfClass):
    """Regions by watershed on the probability of the boundary (see `microtome.objects.regions`)."""

    TAKES_BOTH: ClassVar[bool] = True
    kind: Literal["boundary_watershed"] = option(
        "boundary_watershed", "regions flooded from the minima of the boundary's probability, lines between"
    )
    h: Probability = option(
        0.1, "depth of a minimum below the pass to a deeper one, in probability; shallower ones are no region"
    )
    sigma: NonNegativeFloat = option(1.0, "sd of the Gaussian that smooths the probability before, pixels")
    threshold: Probability | None = option(
        None, "probability above which a pixel is boundary, too, as lines are; null: lines alone are"
    )


BoundaryWatershed = with_class(
    _BoundaryWatershed, "class of the boundary between regions; null: the first", needed=False
)

Segment = Annotated[
    Threshold | ArgMax | Watershed | BoundaryWatershed,
    Field(discriminator="kind"),
    assume("kind", "threshold"),
]
