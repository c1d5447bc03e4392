# SPDX-License-Identifier: MIT
"""Whether a network's markers are of use: a map that stays below the threshold cuts nothing apart."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes

from microtome.config.prediction import Watershed
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import LIGHT
from microtome.figures.parts.panels import outputs_of, read_output
from microtome.figures.parts.style import SMALL
from microtome.objects.watershed.steps import first_step
from microtome.provenance.runs import RunRecord

MARKER = "marker"
BOX = {"boxstyle": "square,pad=0.25", "facecolor": "white", "edgecolor": LIGHT, "linewidth": 0.4}
BADGE = {"ha": "center", "va": "bottom", "fontsize": SMALL, "bbox": BOX}
REACHED = ("marker_threshold", "min_marker_area")
"""Options of `Watershed` that say whether a marker is of use."""
SEEN = ("kind", "quantize")
"""Further ones that matter."""


def marker_output(outputs: Sequence[str]) -> str:
    """The output of a network that is a marker; empty if none is.

    Example:
        >>> marker_output(("mask", "shape_marker")), marker_output(("mask",))
        ('shape_marker', '')
    """
    return next((name for name in outputs if name.endswith(MARKER)), "")


def segment_of(inputs: FigureInputs, run: str) -> Mapping[str, Any]:
    """How a run separates objects, as in the study file; nothing where that is not told."""
    return inputs.settings.get("runs", {}).get(run, {}).get("segment", {})


def mark_unreached(axes: Axes) -> None:
    """Write over a map of markers that they are nowhere of use."""
    axes.text(0.5, 0.03, "below the threshold everywhere", transform=axes.transAxes, **BADGE)


def unreached(record: RunRecord, maps: Path, segment: Mapping[str, Any]) -> str:
    """Say that the markers of a run are nowhere high and large enough in an image; empty where some are.

    Args:
        record: The run; of runs without a marker output nothing is said.
        maps: Its probability maps of the image.
        segment: Options of separating the objects (`Watershed`), as in the study file; null: it is tuned, so
            that nothing can be said.

    Raises:
        ValueError: The maps are not those of the run's outputs.
    """
    name = marker_output(outputs_of(record))
    is_tuned = any(segment.get(key, 0) is None for key in REACHED)
    if not name or segment.get("kind") != "watershed" or is_tuned:
        return ""
    settings = Watershed.model_validate({key: segment[key] for key in (*REACHED, *SEEN) if key in segment})
    values = read_output(maps, outputs_of(record), name)
    if first_step(values, MARKER, settings).any():
        return ""
    least = f" in {settings.min_marker_area} joined pixels" if settings.min_marker_area > 1 else ""
    return (
        f"no {name.replace('_', ' ')} reaches the threshold of {settings.marker_threshold:g}{least} (largest "
        f"probability {float(values.max()):.2f}), so nothing is cut apart"
    )
