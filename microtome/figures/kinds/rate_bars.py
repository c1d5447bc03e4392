# SPDX-License-Identifier: MIT
"""Accuracy, error rates and Dice of runs as bars, overall and by magnification."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.patches import Patch

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import CYCLE, INK, LIGHT
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.metrics.names import ALL_CLASSES
from microtome.metrics.summary import Summary
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.rates import groups_in_order, image_values, pooled, pooled_equally

NEEDS = frozenset({"runs"})
METRICS = ("accuracy", "sensitivity", "specificity", "dice")
CLASS_OPTIONS = ("of",)
RUN_OPTIONS = ("grouped_runs",)
OVERALL = "all"
COLUMNS = 3
HEIGHT = 3.5
LEGEND_ROW = 0.16
LEGEND_COLUMNS = 3
GROUP_WIDTH = 0.82
"""Share of the room of a group of bars that they fill."""
TOP = 1.06
HATCHES = ("", "////", "....")
"""Of bars past the length of the palette."""
NAMES = {"accuracy": "accuracy", "fnr": "false negative rate", "fpr": "false positive rate", "dice": "Dice"}
SHORT = {"fnr": "FNR", "fpr": "FPR", "accuracy": "", "dice": ""}


@dataclass(frozen=True)
class _Panel:
    """One panel.

    Attributes:
        quantities: What it shows.
        by_group: By group (magnification), or overall.
        is_equal: Whether magnifications count alike in overall values.
    """

    quantities: tuple[str, ...]
    by_group: bool = False
    is_equal: bool = False

    @property
    def of_errors(self) -> bool:
        """Whether it shows error rates, which may be of fewer runs."""
        return bool({"fnr", "fpr"} & set(self.quantities))

    @property
    def title(self) -> str:
        """What it shows."""
        if len(self.quantities) > 1:
            return " and ".join(SHORT[name] for name in self.quantities)
        name = NAMES[self.quantities[0]]
        return f"{SHORT[self.quantities[0]]} by magnification" if self.by_group else name


PANELS = (
    _Panel(("accuracy",), is_equal=True),
    _Panel(("fnr",), by_group=True),
    _Panel(("fnr", "fpr")),
    _Panel(("fpr",), by_group=True),
    _Panel(("dice",)),
)
"""Panels of the publication's figure 4, a to e."""


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    grouped_runs: Sequence[str] = (),
    of: str = "",
    part: str = "test",
    ddof: int = 0,
) -> FigureResult:
    """Draw accuracy, false negative and false positive rate and Dice of runs with their spread over images.

    Args:
        inputs: Run records whose metrics name the group (magnification) of each image.
        runs: Runs to show, in order; all by default.
        grouped_runs: Runs of the panels of error rates (b to d); those of `runs` by default.
        of: Class that counts as positive; the positive class by default.
        part: Part of the split that was evaluated.
        ddof: 0 for the population's standard deviation (as published), 1 for the sample's.

    Returns:
        The figure. Its data: panel, quantity, group (``all`` for overall values), run, label, mean, sd, n.

    Raises:
        ValueError: A run, a metric or the class is not there.
    """
    positive = of or inputs.positive_class
    inputs.class_id(positive)
    names = list(dict.fromkeys(record.run for record in inputs.select(runs)))
    if missing := sorted(set(grouped_runs) - set(names)):
        msg = f"grouped_runs names {missing}, which are none of the runs of the figure, {names}"
        raise ValueError(msg)
    records = {name: [record for record in inputs.select(runs) if record.run == name] for name in names}
    few = {name: found for name, found in records.items() if not grouped_runs or name in grouped_runs}
    data = pd.concat(
        [
            _measure(key, panel, few if panel.of_errors else records, positive=positive, part=part, ddof=ddof)
            for key, panel in zip("abcde", PANELS, strict=True)
        ],
        ignore_index=True,
    )
    styles = _styles(names)
    rows = -(-len(names) // LEGEND_COLUMNS)
    figure = new_figure(DOUBLE_COLUMN, HEIGHT + LEGEND_ROW * rows, data_kind=inputs.data_kind)
    axes = figure.subplots(-(-len(PANELS) // COLUMNS), COLUMNS).ravel()
    for key, one, panel in zip("abcde", axes, PANELS, strict=False):
        _draw_panel(one, data[data["panel"] == key], panel, styles)
        letter(one, key, panel.title)
    for empty in axes[len(PANELS) :]:
        empty.set_axis_off()
    labels = {name: found[0].label for name, found in records.items()}
    handles = [Patch(**style, label=labels[name]) for name, style in styles.items()]
    columns = min(LEGEND_COLUMNS, len(names))
    figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=1.2)
    return FigureResult(figure, data, _caption(inputs, data, positive, ddof))


def _styles(names: Sequence[str]) -> dict[str, Mapping[str, object]]:
    """Face and, past the palette's length, hatching of the bars of each run."""
    count, edge = len(CYCLE), {"edgecolor": "white", "linewidth": 0.3}
    return {
        name: {"facecolor": CYCLE[i % count], "hatch": HATCHES[i // count % len(HATCHES)], **edge}
        for i, name in enumerate(names)
    }


def _measure(
    key: str,
    panel: _Panel,
    records: Mapping[str, Sequence[RunRecord]],
    *,
    positive: str,
    part: str,
    ddof: int,
) -> pd.DataFrame:
    rows = []
    for quantity in panel.quantities:
        class_name = ALL_CLASSES if quantity == "accuracy" else positive
        values = {
            name: image_values(found, quantity, class_name=class_name, part=part)
            for name, found in records.items()
        }
        groups = groups_in_order([group for frame in values.values() for group in frame["group"]])
        for group in groups if panel.by_group else (OVERALL,):
            for name, frame in values.items():
                summary = _summary(frame, group, groups, is_equal=panel.is_equal, ddof=ddof)
                head = (key, quantity, group, name, records[name][0].label)
                rows.append((*head, summary.mean, summary.sd, summary.n))
    return pd.DataFrame(rows, columns=["panel", "quantity", "group", "run", "label", "mean", "sd", "n"])


def _summary(
    values: pd.DataFrame, group: str, groups: Sequence[str], *, is_equal: bool, ddof: int
) -> Summary:
    if group != OVERALL:
        return pooled(values[values["group"] == group], ddof=ddof)
    equal = pooled_equally(values, groups, ddof=ddof) if is_equal else None
    return pooled(values, ddof=ddof) if equal is None or np.isnan(equal.mean) else equal


def _draw_panel(
    axes: Axes, data: pd.DataFrame, panel: _Panel, styles: Mapping[str, Mapping[str, object]]
) -> None:
    sets = list(dict.fromkeys(data["group"] if panel.by_group else data["quantity"]))
    runs = list(dict.fromkeys(data["run"]))
    width = GROUP_WIDTH / len(runs)
    places = {key: index for index, key in enumerate(sets)}
    for index, run in enumerate(runs):
        rows = data[data["run"] == run]
        at = [places[row] for row in (rows["group"] if panel.by_group else rows["quantity"])]
        x = np.array(at) + (index - (len(runs) - 1) / 2) * width
        axes.bar(x, rows["mean"], width=width, **styles[run])
        lines = {"fmt": "none", "ecolor": INK, "elinewidth": 0.7, "capsize": 1.6, "capthick": 0.7}
        axes.errorbar(x, rows["mean"], rows["sd"].fillna(0), **lines)
    ticks = sets if panel.by_group else [SHORT[name] for name in sets]
    axes.set_xticks(range(len(sets)), ticks)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=LIGHT, linewidth=0.4)
    axes.set_ylim(0, max(TOP * float((data["mean"] + data["sd"].fillna(0)).max()), 0.05))
    axes.set_xlim(-0.5, len(sets) - 0.5)


def _caption(inputs: FigureInputs, data: pd.DataFrame, positive: str, ddof: int) -> str:
    groups = [group for group in dict.fromkeys(data["group"]) if group != OVERALL]
    equal = f"; {' and '.join(groups)} count alike" if len(groups) > 1 else ""
    kind = "sample" if ddof else "population"
    count = int(data.loc[data["group"] == OVERALL, "n"].max())
    return (
        f"Accuracy (a{equal}), false negative rate by magnification (b), false negative and false positive "
        f"rate over all images (c), false positive rate by magnification (d) and Dice (e) of {positive}: "
        f"mean over {count} test images, error bars: {kind} standard deviation. "
        f"{data_sentence(inputs.data_kind)}"
    )
