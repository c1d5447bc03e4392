# SPDX-License-Identifier: MIT
"""Fragmentation of truth and runs over many images: regions and areas are added up by split, then divided."""

from collections.abc import Iterator, Sequence

import pandas as pd

from microtome.metrics.names import ALL_CLASSES
from microtome.provenance.runs import RunRecord

WHERE = {"": "whole image", "_labelled": "labelled part", "_unlabelled": "part without labels"}
"""Endings of the metrics of the family ``fragmentation``, and what they are of."""
SEGMENTATION, TRUTH, FULL_TRUTH = "", "truth_", "full_"
"""Beginnings of these metrics."""
MEASURES = ("regions_per_mm2", "small_region_share")
AREAS = ("_labelled", "_unlabelled")


def fragments(records: Sequence[RunRecord], *, side: str = SEGMENTATION, part: str = "test") -> pd.DataFrame:
    """Regions for each mm², and the share of the area in small ones, of all images of each split together.

    Args:
        records: Seeds and splits of a run.
        side: `SEGMENTATION`, `TRUTH`, or `FULL_TRUTH`.
        part: Part of the split that was evaluated.

    Returns:
        One row per split and place: ``split``, ``where`` (a key of `WHERE`), and `MEASURES`, the mean over
        seeds. Places of which nothing was measured, or that have no area, are left out.

    Raises:
        ValueError: A record was not measured.
    """
    rows = [row for record in records for row in _of_record(record, side, part)]
    frame = pd.DataFrame(rows, columns=["split", "seed", "where", *MEASURES])
    return frame.groupby(["split", "where"], sort=False, as_index=False)[list(MEASURES)].mean()


def _of_record(record: RunRecord, side: str, part: str) -> Iterator[dict[str, object]]:
    """The places of one seed and split."""
    table = _by_image(record, part)
    for ending in WHERE:
        names = [f"{side}{measure}{ending}" for measure in MEASURES]
        if not set(names) <= set(table):
            continue
        area = table[[f"mm2{one}" for one in ([ending] if ending else AREAS)]].sum(axis=1)
        known = table[names].notna().all(axis=1)  # they are NaN where there is no area
        if not known.any():
            continue
        total = table.loc[known, names].mul(area[known], axis=0).sum() / area[known].sum()
        values = dict(zip(MEASURES, total.to_numpy(float), strict=True))
        yield {"split": record.split, "seed": record.seed, "where": ending} | values


def _by_image(record: RunRecord, part: str) -> pd.DataFrame:
    """The metrics of all classes together: rows images, columns metrics.

    Raises:
        ValueError: The family was not measured.
    """
    rows = record.metrics[(record.metrics["part"] == part) & (record.metrics["class"] == ALL_CLASSES)]
    table = rows.pivot_table(index="sample", columns="metric", values="value")
    if "mm2_labelled" not in table:
        found = f"run {record.run!r} (split {record.split}, seed {record.seed}) has no measures of regions"
        msg = f"{found} in part {part!r}; add `fragmentation` to evaluate.metrics and evaluate it again"
        raise ValueError(msg)
    return table
