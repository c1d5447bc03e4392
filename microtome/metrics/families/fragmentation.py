# SPDX-License-Identifier: MIT
"""Fragmentation of segmentation and truth, by the definitions in `microtome.metrics.fragmentation`.

Names without a prefix are of the segmentation, `truth_` of the labels, `full_` of labels that are complete
(column `full` of the sheet; NaN where there are none). Without an ending they are of the whole image;
`_labelled` and `_unlabelled` of what the labels leave of it. The rates of many images together follow with
the areas `mm2_labelled` and `mm2_unlabelled`.
"""

from collections.abc import Iterator

import numpy as np

from microtome.class_maps import IGNORE
from microtome.metrics.families._context import Context, Measure
from microtome.metrics.fragmentation import UM2_OF_MM2, fragmentation
from microtome.metrics.overlap import EVERY_CLASS
from microtome.metrics.undefined import UndefinedMetricError

OF_IMAGE = (
    "regions_per_mm2",
    "regions_per_mm2_labelled",
    "regions_per_mm2_unlabelled",
    "small_region_share",
    "small_region_share_labelled",
    "small_region_share_unlabelled",
    "truth_regions_per_mm2_labelled",
    "truth_small_region_share_labelled",
    "full_regions_per_mm2",
    "full_regions_per_mm2_labelled",
    "full_regions_per_mm2_unlabelled",
    "full_small_region_share",
    "full_small_region_share_labelled",
    "full_small_region_share_unlabelled",
    "mm2_labelled",
    "mm2_unlabelled",
)


def measure(context: Context) -> list[Measure]:
    """Regions for each mm² and the share of the area in small ones, of segmentation and truth.

    Raises:
        UndefinedMetricError: The pixel size of the image is not known.
    """
    if context.mpp is None:
        where = "in column `mpp` of the sheet, as `data.mpp`, or for new images by --config mpp="
        msg = f"its pixel size is not known; give it {where}"
        raise UndefinedMetricError(msg)
    parts = {"": np.ones_like(context.valid), "_labelled": context.valid, "_unlabelled": ~context.valid}
    found = dict.fromkeys(OF_IMAGE, float("nan"))
    found |= dict(_of_map("", context.segmentation, parts, context.mpp))
    found |= dict(_of_map("truth_", context.truth, {"_labelled": context.valid}, context.mpp))
    if context.full is not None:
        known = {ending: part & (context.full != IGNORE) for ending, part in parts.items()}
        found |= dict(_of_map("full_", context.full, known, context.mpp))
    area = context.mpp**2 / UM2_OF_MM2
    found |= {f"mm2{ending}": float(parts[ending].sum() * area) for ending in ("_labelled", "_unlabelled")}
    return [Measure(EVERY_CLASS, name, value) for name, value in found.items()]


def _of_map(
    prefix: str, classes: np.ndarray, parts: dict[str, np.ndarray], mpp: float
) -> Iterator[tuple[str, float]]:
    """Both measures of a class map within each part of the image."""
    for ending, within in parts.items():
        measured = fragmentation(classes, within, mpp=mpp)
        yield f"{prefix}regions_per_mm2{ending}", measured.regions_per_mm2
        yield f"{prefix}small_region_share{ending}", measured.small_share
