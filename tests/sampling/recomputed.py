# SPDX-License-Identifier: MIT
"""Table 2 once more, from the annotations and the tissue masks alone, by other means than the package's.

Outlines are asked by shapely pixel by pixel, windows are cut from whole maps, lists are made by hand.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import shapely
import tifffile
from numpy.typing import NDArray

Bounds = tuple[str, float, float]
"""Fraction, least share, and the share that none reaches."""


def covered(annotations: Path, shape: tuple[int, int], scale: float, name: str) -> NDArray[np.bool_]:
    """The pixels (H, W) whose centres lie in outlines of a name; `scale`: slide pixels in one of them."""
    features = json.loads(annotations.read_text(encoding="utf-8"))["features"]
    wanted = [
        shapely.geometry.shape(one["geometry"])
        for one in features
        if one["properties"]["classification"]["name"] == name
    ]
    y, x = ((np.arange(count) + 0.5) * scale for count in shape)
    found = np.zeros(shape, bool)
    for one in wanted:
        shapely.prepare(one)
        found |= shapely.contains_xy(one, *np.meshgrid(x, y))
    return found


def windows(
    annotations: Path,
    mask: Path,
    shape: tuple[int, int],
    scale: float,
    *,
    size: int,
    least: float,
    mpp: float,
) -> list[dict[str, float]]:
    """The share of T, S, N in each window with enough tissue; windows lie edge to edge, the last inward."""
    names = {"T": "Tumornest", "S": "Stroma", "N": "Normal"}
    maps = {key: covered(annotations, shape, scale, name) for key, name in names.items()}
    tissue = tifffile.imread(mask)
    step = 8.0 / mpp
    y, x = (
        np.minimum(((np.arange(count) + 0.5) / step).astype(int), side - 1)
        for count, side in zip(shape, tissue.shape, strict=True)
    )
    held = tissue[np.ix_(y, x)] > 0  # nearest, where the package counts areas
    found = []
    for top in [*range(0, shape[0] - size, size), shape[0] - size]:
        for left in [*range(0, shape[1] - size, size), shape[1] - size]:
            cut = slice(top, top + size), slice(left, left + size)
            if held[cut].mean() >= least:
                found.append({key: float(one[cut].mean()) for key, one in maps.items()})
    return found


def table(
    shares: Sequence[Mapping[str, float]], lists: Mapping[str, tuple[Bounds, float | None]]
) -> dict[str, tuple[float, float]]:
    """Windows before and after by list, their totals, and the unbalance before and after.

    `lists`: the bounds of each and how many windows are drawn; None: each once.
    """
    rows: dict[str, tuple[float, float]] = {}
    tumor, drawn_tumor, drawn = 0.0, 0.0, 0.0
    seen: set[int] = set()
    for name, ((key, least, limit), draw) in lists.items():
        members = [n for n, one in enumerate(shares) if least <= one[key] < limit]
        count = len(members) if draw is None else draw
        rows[name] = (len(members), count)
        seen |= set(members)
        drawn += count
        drawn_tumor += count * sum(shares[n]["T"] for n in members) / len(members)
    tumor = sum(shares[n]["T"] for n in seen)
    rows["total"] = tuple(sum(row[side] for row in rows.values()) for side in (0, 1))
    rows["pixel unbalance"] = ((len(seen) - tumor) / tumor, (drawn - drawn_tumor) / drawn_tumor)
    return rows | {"different windows": (len(seen), float("nan"))}
