# SPDX-License-Identifier: MIT
"""Windows of slides that show a class: those nearest to half annotated, and the outline of it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import INK
from microtome.figures.parts.heat_maps import Place
from microtome.provenance.runs import RunRecord

HALF = 0.5
OUTLINE = 0.8
"""Points of the outline of what is annotated."""


def half_annotated(
    inputs: FigureInputs,
    record: RunRecord,
    positive: str,
    *,
    part: str,
    samples: Sequence[str] = (),
    count: int = 1,
) -> list[Place]:
    """The patches that are nearest to half annotated, one a slide.

    Args:
        inputs: Patch indices (``patches``).
        record: A run, whose metrics say which slides are of a part.
        positive: The class.
        part: Part of the split.
        samples: Slides; by default all of the part.
        count: Largest number of patches, where no slide is named.

    Returns:
        The patches, the best first.

    Raises:
        ValueError: There is none, or none of a slide that is named.
    """
    paths = inputs.files.get("patches", ())
    index = pd.concat([pd.read_parquet(path) for path in paths]) if paths else pd.DataFrame({"sample": []})
    share = f"fraction_{positive}"
    wanted = set(samples) or set(record.metrics.loc[record.metrics["part"] == part, "sample"])
    found = index[index["sample"].isin(wanted) & (index.get(share, 0) > 0)]
    missing = sorted(set(samples) - set(found["sample"]))
    if found.empty or missing:
        msg = (
            f"no patch of {missing or f'part {part!r}'} holds {positive!r}; name annotated slides, or "
            f"another part"
        )
        raise ValueError(msg)
    away = (found[share] - HALF).abs()
    order = found.assign(away=away).sort_values(["away", "sample", "y", "x"], kind="stable")
    best = order.drop_duplicates("sample").head(len(samples) or count)
    cells = best[["sample", "y", "x", "size", "size"]].itertuples(index=False, name=None)
    return [Place(str(sample), *map(int, numbers)) for sample, *numbers in cells]


def draw_outline(axes: Axes, mask: NDArray[np.bool_]) -> None:
    """Draw the outline of a mask (H, W) over the picture in the axes; nothing where it has none."""
    if mask.any() and not mask.all():
        axes.contour(mask, levels=[HALF], colors=[INK], linewidths=OUTLINE)
