# SPDX-License-Identifier: MIT
"""Boundaries of the segmentation against true ones, by the definitions in `microtome.metrics.surface`.

Distances end in `_um` where they are in µm, which needs the pixel size of the image (NaN without it), and are
in pixels otherwise. `mean_hd95` and `mean_boundary_f` are macro means over the classes, of those in
`evaluate.mean_classes`, that have a value in the image.
"""

import numpy as np

from microtome.metrics.families._context import Context, Measure
from microtome.metrics.overlap import EVERY_CLASS
from microtome.metrics.surface import Boundaries, compare

NEEDS = frozenset({"images"})
OF_CLASS = ("boundary_f", "hd95", "hd95_um", "surface_distance", "surface_distance_um")
OF_IMAGE = ("mean_boundary_f", "mean_hd95")
LOWER_IS_BETTER = ("hd95", "hd95_um", "surface_distance", "surface_distance_um", "mean_hd95")


def measure(context: Context) -> list[Measure]:
    """The measures of `OF_CLASS` of each class, then those of `OF_IMAGE`."""
    found = {name: _of_class(context, index) for index, name in enumerate(context.classes)}
    values = {name: _values(one, context.mpp) for name, one in found.items()}
    measures = [Measure(name, key, values[name][key]) for key in OF_CLASS for name in found]
    chosen = context.mean_classes or context.classes
    means = {key: [values[name][key.removeprefix("mean_")] for name in chosen] for key in OF_IMAGE}
    return [*measures, *(Measure(EVERY_CLASS, key, _mean(each)) for key, each in means.items())]


def _of_class(context: Context, index: int) -> Boundaries:
    masks = context.truth == index, context.segmentation == index
    return compare(*masks, valid=context.valid, tolerance=context.tolerance)


def _values(found: Boundaries, mpp: float | None) -> dict[str, float]:
    size = float("nan") if mpp is None else mpp
    distances = {"hd95": found.hd95, "surface_distance": found.average}
    in_um = {f"{key}_um": value * size for key, value in distances.items()}
    return {"boundary_f": found.f} | distances | in_um


def _mean(values: list[float]) -> float:
    """The mean of the values that are defined."""
    defined = [value for value in values if not np.isnan(value)]
    return float(np.mean(defined)) if defined else float("nan")
