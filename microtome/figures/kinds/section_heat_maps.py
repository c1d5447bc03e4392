# SPDX-License-Identifier: MIT
"""Sections of each type of growth, and below them the probabilities of a run."""

from collections.abc import Sequence
from string import ascii_lowercase

import pandas as pd

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts import panels
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.called_sections import Called, choose_run, look_at, sections_of
from microtome.figures.parts.colors import HEAT
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult

NEEDS = frozenset({"runs", "slides", "calls", "heat_maps"})
COUNT = 4
OUTCOMES = {
    (True, True): "called right",
    (True, False): "missed",
    (False, True): "called wrongly",
    (False, False): "right, none",
}
"""By whether a section is labelled as of the class, and called so."""
AROUND = 0.75
"""Height of titles and of the colour bar, inches."""
BAR = {"ticks": [0, 0.5, 1], "aspect": 60, "shrink": 0.5, "pad": 0.03}


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    groups: Sequence[str] = (),
    part: str = "test",
    count: int = COUNT,
) -> FigureResult:
    """Draw a section of each group of slides (type of growth), and a run's heat-map of it.

    Args:
        inputs: Run records with their sections and heat-maps, slides.
        run: The run; the first that calls sections by default.
        groups: Groups of the sheet, in order; by default those there are, groups without a labelled section
            of the class last. Where the sheet has no groups, a section of each outcome is shown: called
            right, right without the class, missed, called wrongly.
        part: Part of the split.
        count: Largest number of sections.

    Returns:
        The figure. Its data, by section: sample, section, group, label, call, area (µm²), greatest,
        threshold, least_area, mean_probability.

    Raises:
        ValueError: The part has no labelled section that was called, or a group is unknown.
    """
    record = choose_run(inputs, run)
    positive = str(inputs.calls[record.run]["class"])
    rows = _choose(sections_of(record, part), positive, groups)[:count]
    shown = [look_at(inputs, record, row) for row in rows]
    widths, height = slides.panel_widths([one.view for one in shown], DOUBLE_COLUMN)
    figure = new_figure(DOUBLE_COLUMN, 2 * height + AROUND, data_kind=inputs.data_kind)
    grid = figure.subplots(2, len(shown), squeeze=False, width_ratios=widths)
    names, heats = iter(ascii_lowercase), [one.probability() for one in shown]
    for (upper, lower), one, heat in zip(grid.T, shown, heats, strict=True):
        slides.show(upper, one.view, slides.read_picture(one.view))
        panels.scale_bar(upper, one.view.box.width, one.view.mpp[1] if one.view.mpp else None)
        drawn = slides.show(lower, one.view, heat, cmap=HEAT, vmin=0, vmax=1)
        letter(upper, next(names), _head(one, positive))
        letter(lower, next(names), one.said)
    bar = figure.colorbar(drawn, ax=list(grid[-1]), orientation="horizontal", **BAR)
    bar.set_label(f"probability of {positive}")
    bar.outline.set_linewidth(0.5)
    told = [{"mean_probability": float(heat.values.mean())} for heat in heats]
    data = pd.DataFrame([{**one.row, **more} for one, more in zip(shown, told, strict=True)])
    return FigureResult(figure, data.drop(columns=["unit", "status"]), _caption(inputs, record.label, shown))


def _choose(frame: pd.DataFrame, positive: str, groups: Sequence[str]) -> list[dict[str, object]]:
    """A section of each group, or of each outcome where there are no groups.

    Of a group with the class the section that was called right and has the largest region; of one without
    the one that was called right and has the smallest.

    Raises:
        ValueError: A group is unknown.
    """
    has_it = frame["label"] == positive
    frame = frame.assign(has_it=has_it, right=has_it == (frame["call"] == positive))
    known = _in_order(frame)
    if missing := [name for name in groups if name not in known]:
        msg = f"no labelled section of groups {missing}; the groups at hand: {known}"
        raise ValueError(msg)
    if known:
        frames = [_of_group(frame[frame["group"] == name]) for name in groups or known]
    else:
        wanted = ((True, True), (True, False), (False, False), (False, True))
        outcomes = [
            frame[(frame["has_it"] == has) & ((frame["call"] == positive) == called)]
            for has, called in wanted
        ]
        frames = [found for found in outcomes if len(found)]
    return [_best(found) for found in frames]


def _in_order(frame: pd.DataFrame) -> list[str]:
    """The groups of the sheet, those with the class first."""
    named = frame[frame["group"] != ""]
    found = named.groupby("group", sort=True)["has_it"].any()
    return [*found.index[found], *found.index[~found]]


def _of_group(frame: pd.DataFrame) -> pd.DataFrame:
    """The sections of a group that hold the class, if any do."""
    return frame[frame["has_it"]] if frame["has_it"].any() else frame


def _best(frame: pd.DataFrame) -> dict[str, object]:
    order = frame.assign(sign=frame["area"].where(~frame["has_it"], -frame["area"]))
    ranked = order.sort_values(["right", "sign", "sample", "section"], ascending=[False, True, True, True])
    return ranked.drop(columns=["sign", "right", "has_it"]).iloc[0].to_dict()


def _head(one: Called, positive: str) -> str:
    """The group of a section, else its outcome."""
    outcome = OUTCOMES[(one.row["label"] == positive, one.row["call"] == positive)]
    return str(one.row["group"]) or outcome


def _caption(inputs: FigureInputs, label: str, shown: Sequence[Called]) -> str:
    named = ", ".join(f"{one.row['sample']} (section {one.view.box.section})" for one in shown)
    threshold, least = (float(str(shown[0].row[name])) for name in ("threshold", "least_area"))
    return (
        f"Sections and the probability of {shown[0].class_name} by {label}; below each what the section was "
        f"called, and the area of its largest region of p ≥ {threshold:.2f} (called from {least:,.0f} µm² "
        f"on). Slides: {named}. {data_sentence(inputs.data_kind)}"
    )
