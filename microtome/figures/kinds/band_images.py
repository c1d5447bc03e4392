# SPDX-License-Identifier: MIT
"""Bands of a cube as small pictures: those that networks see, and some of the others."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import bands
from microtome.figures.parts.colors import BLUE, GREY
from microtome.figures.parts.panels import show_image
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, SMALL, TEXT, column_width, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io.envi import Cube, open_cube

NEEDS = frozenset({"bands", "cubes"})
SAMPLE_OPTIONS = ("sample",)


Which = Literal["both", "chosen", "others"]
SETS = {"both": ("chosen", "others"), "chosen": ("chosen",), "others": ("others",)}
OTHERS = 16
COLUMNS = 8
SIDE = 192
TITLE_HEIGHT = 0.15
HEAD_ROOM = 0.16
TITLE = SMALL
HEAD_LINE = " \n"
"""Room above the titles of a set's first row for its name."""
FRAME = {"chosen": BLUE, "others": GREY}
NAMES = {"chosen": "chosen", "others": "not chosen"}


@styled
def draw(
    inputs: FigureInputs,
    *,
    sample: str = "",
    which: Which = "both",
    others: int = OTHERS,
    columns: int = COLUMNS,
) -> FigureResult:
    """Draw bands of a calibrated cube.

    Args:
        inputs: Calibrated cubes and the table of bands.
        sample: The sample; by default the first test sample with a cube.
        which: ``chosen`` bands, ``others``, or ``both``.
        others: Number of other bands, evenly spaced among them; 0 for all.
        columns: Pictures in a row.

    Returns:
        The figure. Its data: sample, band, wavelength, chosen, score, mean and standard deviation, and the
        values shown as black and white.

    Raises:
        ValueError: There is no cube or no table of bands, an option is none, or no band is left to show.
    """
    if which not in SETS or columns < 1 or others < 0:
        found = f"which={which!r}, columns={columns}, others={others}"
        msg = f"{found}; expected which of {list(SETS)}, columns from 1, others from 0"
        raise ValueError(msg)
    name, _ = bands.choose_cube(inputs, sample)
    cube, table = open_cube(inputs.cubes[name]), bands.read_bands(inputs.bands)
    chosen = bands.chosen_bands(table, cube)
    rest = [band for band in range(cube.bands) if band not in chosen]
    sets = {"chosen": chosen, "others": _spaced(rest, others)}
    shown = {kind: sets[kind] for kind in SETS[which] if sets[kind]}
    if not shown:
        msg = f"every band of {cube.path} is chosen, so there is no other to show; draw the chosen ones"
        raise ValueError(msg)
    lines = [(kind, line) for kind, some in shown.items() for line in _lines(some, columns)]
    width = min(columns, max(len(line) for _, line in lines))
    panel = DOUBLE_COLUMN / columns
    height = len(lines) * (panel * cube.height / cube.width + TITLE_HEIGHT) + HEAD_ROOM * len(shown)
    figure = new_figure(column_width(panel * width), height, data_kind=inputs.data_kind)
    panels = figure.subplots(len(lines), width, squeeze=False)
    rows = []
    for axes, (kind, line) in zip(panels, lines, strict=True):
        is_first = line[0] == shown[kind][0]
        above = HEAD_LINE if is_first else ""
        rows += [_draw_band(one, cube, band, kind, above) for one, band in zip(axes, line, strict=False)]
        for empty in axes[len(line) :]:
            empty.set_axis_off()
        if is_first:
            _write_head(axes[0], kind, sets[kind], rest)
    scores = table.set_index(bands.BAND)[bands.SCORE]
    data = pd.DataFrame(rows).assign(sample=name)
    data = data.assign(**{bands.SCORE: scores.reindex(data[bands.BAND]).to_numpy()})
    return FigureResult(figure, data, _caption(inputs, name, cube, shown, rest))


def _spaced(numbers: Sequence[int], count: int) -> list[int]:
    """Some of the bands, evenly spaced, the ends among them."""
    if not count or count >= len(numbers):
        return list(numbers)
    return [numbers[round(place)] for place in np.linspace(0, len(numbers) - 1, count)]


def _lines(numbers: Sequence[int], columns: int) -> list[Sequence[int]]:
    return [numbers[start : start + columns] for start in range(0, len(numbers), columns)]


def _draw_band(axes: Axes, cube: Cube, band: int, kind: str, above: str) -> dict[str, object]:
    picture = cube.read_band(band)
    show_image(axes, bands.shrink(bands.stretched(picture), SIDE))
    title = f"{above}{bands.band_title(cube, band)}"
    axes.set_title(title, fontsize=TITLE, loc="center", pad=2, linespacing=1.9)
    for spine in axes.spines.values():
        spine.set(color=FRAME[kind], linewidth=0.8)
    low, high = np.percentile(picture, (0.5, 99.5))
    return {
        bands.BAND: band,
        bands.WAVELENGTH: float("nan") if cube.wavelengths is None else cube.wavelengths[band],
        bands.CHOSEN: kind == "chosen",
        "mean": float(picture.mean(dtype=np.float64)),
        "sd": float(picture.std(dtype=np.float64)),
        "black": float(low),
        "white": float(high),
    }


def _write_head(axes: Axes, kind: str, numbers: Sequence[int], rest: Sequence[int]) -> None:
    """Letter and name of a set of bands, above its first picture."""
    key = "a" if kind == "chosen" else "b"
    some = f", {len(numbers)} of {len(rest)}" if kind == "others" and len(numbers) < len(rest) else ""
    text = rf"$\bf{{{key}}}$   bands {NAMES[kind]}{some}"
    style = {"xycoords": "axes fraction", "textcoords": "offset points", "ha": "left", "va": "bottom"}
    head = axes.annotate(text, (0, 1), (0, 11), fontsize=TEXT, parse_math=True, **style)
    head.set_in_layout(False)  # the empty line above the titles holds it


def _caption(
    inputs: FigureInputs, name: str, cube: Cube, shown: dict[str, Sequence[int]], rest: Sequence[int]
) -> str:
    parts = []
    if "chosen" in shown:
        ends = shown["chosen"][0], shown["chosen"][-1]
        waves = f" ({' to '.join(bands.band_title(cube, band) for band in ends)})" if cube.wavelengths else ""
        parts.append(f"the {len(shown['chosen'])} bands that networks see, {ends[0]} to {ends[1]}{waves}")
    if "others" in shown:
        count = len(shown["others"])
        parts.append(f"the {count} others" if count == len(rest) else f"{count} of the {len(rest)} others")
    return (
        f"Bands of the calibrated cube of sample {name}: {'; '.join(parts)}. Each is stretched to its own "
        f"percentiles, so noise is seen where a band holds little else. {data_sentence(inputs.data_kind)}"
    )
