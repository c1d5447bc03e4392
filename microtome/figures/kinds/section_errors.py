# SPDX-License-Identifier: MIT
"""False positive and missed sections of each run as stacked bars, published ones beside."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from microtome.config.colors import FALSE_NEGATIVE, FALSE_POSITIVE
from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import INK, LIGHT
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import SINGLE_COLUMN, SMALL, TEXT, column_width, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.tables.parts.published import UNREDUCED, failed_sentence, heading
from microtome.tables.parts.rows import Row, select_rows
from microtome.tables.parts.section_calls import called, left_out

NEEDS = frozenset({"runs", "calls"})
ERRORS = {"fp": ("false positive", FALSE_POSITIVE), "fn": ("missed (false negative)", FALSE_NEGATIVE)}
NUMBERS = "figures_with_numbers"
HALF = 0.5
THICK = 0.68
"""Of a bar, in parts of the room that it has."""
ROW, HEAD = 0.27, 0.95
"""Height of a bar's room, and of all around the bars, inches."""
ROOM = 1.14
"""Length of the axis, in parts of the longest bar: room for the sum beside it."""
LEAST = 0.06
"""Share of the axis from which a part of a bar has room for its number."""


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    part: str = "test",
    numbers: str = "",
    published_rows: Sequence[str] = (),
) -> FigureResult:
    """Draw the wrong sections of runs, false positive below and missed above, as stacked bars.

    Args:
        inputs: Run records with their sections, options of calling, published values.
        runs: Runs to show, in order; all that call sections by default.
        part: Part of the split.
        numbers: Entry of the paper's `figures_with_numbers`, drawn in a panel of its own; its numbers
            under `derived`, a pair where two are possible.
        published_rows: Its rows, one for each run, where they are not called as the runs.

    Returns:
        The figure. Its data: source (``ours``, ``published``), run, label, fp, fn (the mean over seeds, or of
        two possible numbers), n (sections).

    Raises:
        ValueError: A run called no section, or a published number asked for does not exist.
    """
    rows = select_rows([record for record in inputs.runs if record.run in inputs.calls], list(runs) or None)
    found = [called(row.records, inputs.calls[row.run]["class"], part=part) for row in rows]
    ours = pd.DataFrame(
        [
            {"source": "ours", "run": row.run, "label": row.label, "fp": fp, "fn": fn, "n": one.n}
            for row, one in zip(rows, found, strict=True)
            for fp, fn in (one.errors(),)
        ]
    )
    printed = _published(inputs, rows, numbers, published_rows)
    panels = [ours] if printed.empty else [ours, printed]
    height = HEAD + ROW * len(rows)
    figure = new_figure(column_width(SINGLE_COLUMN * len(panels)), height, data_kind=inputs.data_kind)
    all_axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for name, axes, data, of in zip("ab", all_axes, panels, ("ours", "published"), strict=False):
        _draw_bars(axes, data)
        letter(axes, *((name, f"{of}, {data['n'].max():,.0f} sections") if len(panels) > 1 else ("",)))
    handles = [Patch(color=color, label=text) for text, color in ERRORS.values()]
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), handlelength=1.2)
    data = pd.concat(panels, ignore_index=True)
    caption = _caption(inputs, ours, part, is_published=len(panels) > 1)
    said = [caption, left_out(found), *failed_sentence(inputs)]
    return FigureResult(figure, data, " ".join(filter(None, said)))


def _published(inputs: FigureInputs, rows: Sequence[Row], entry: str, names: Sequence[str]) -> pd.DataFrame:
    """The published numbers of each run, NaN where there is none; empty without a name.

    Raises:
        ValueError: The paper has no such numbers, or other rows.
    """
    if not entry:
        return pd.DataFrame()
    known = inputs.published.get("papers", {}).get(inputs.paper, {}).get(NUMBERS, {})
    if entry not in known or (names and len(names) != len(rows)):
        found = f"numbers is {entry!r}, published_rows {list(names)}"
        runs = [row.run for row in rows]
        msg = f"{found}; expected one of {sorted(known)}, and one of its rows for each of the runs {runs}"
        raise ValueError(msg)
    numbers, count = known[entry]["derived"], known[entry].get("sections", np.nan)
    keys = names or [row.run for row in rows]
    pairs = zip(rows, keys, strict=True)
    return pd.DataFrame([_printed(row, numbers.get(key, {})) | {"n": count} for row, key in pairs])


def _printed(row: Row, numbers: Mapping[str, int | Sequence[int]]) -> dict[str, object]:
    values = {name: float(np.mean(numbers.get(name, np.nan))) for name in ERRORS}
    return {"source": "published", "run": row.run, "label": row.label, **values}


def _draw_bars(axes: Axes, data: pd.DataFrame) -> None:
    """Draw a stacked bar a run, the first at the top, with the number of each part in it and their sum."""
    places, start = np.arange(len(data)), np.zeros(len(data))
    total = data[list(ERRORS)].sum(axis=1).to_numpy()
    end = max(float(total.max()) * ROOM, 1.0)
    for name, (_, color) in ERRORS.items():
        lengths = data[name].fillna(0).to_numpy()
        axes.barh(places, lengths, THICK, left=start, color=color, edgecolor="white", linewidth=0.4)
        for y, x, length in zip(places, start + lengths / 2, lengths, strict=True):
            if length > LEAST * end:
                axes.text(x, y, _number(length), ha="center", va="center", fontsize=SMALL, color="white")
        start = start + lengths
    for y, x in zip(places, total, strict=True):
        axes.text(x + 0.012 * end, y, _number(x), ha="left", va="center", fontsize=TEXT, color=INK)
    axes.set_yticks(places, data["label"])
    axes.tick_params(axis="y", length=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.grid(axis="x", color=LIGHT, linewidth=0.4)
    axes.set_xlabel("wrong sections")
    axes.set(xlim=(0, end), ylim=(len(data) - 0.5, -0.5))


def _number(value: float) -> str:
    """A number of sections; the mean of two neighbours as both.

    Example:
        >>> _number(51.5), _number(7.0), _number(1 / 3)
        ('51–52', '7', '0.33')
    """
    if value > 1 and value % 1 == HALF:
        return f"{value - HALF:g}–{value + HALF:g}"
    return f"{value:.3g}" if value > 1 else f"{value:.2g}"


def _caption(inputs: FigureInputs, data: pd.DataFrame, part: str, *, is_published: bool) -> str:
    several = " (mean over seeds)" if any(value % 1 for value in (*data["fp"], *data["fn"])) else ""
    scales = sorted({str(record.card["scale"]) for record in inputs.runs} - UNREDUCED)
    reduced = f" Trained at {' and '.join(scales)} scale." if scales else ""
    beside = f" (b) Numbers that follow from the printed rates: {heading(inputs)}."
    panel = "(a) " if is_published else ""
    return (
        f"{panel}Sections of part {part} that each run calls wrong{several}, of {data['n'].max():,.0f} that "
        f"are labelled.{reduced}{beside if is_published else ''} {data_sentence(inputs.data_kind)}"
    )
