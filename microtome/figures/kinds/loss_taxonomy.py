# SPDX-License-Identifier: MIT
"""The losses of the package by what they compare: distributions, regions, or both."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import GREY, INK
from microtome.figures.parts.style import DOUBLE_COLUMN, TEXT, new_figure, styled
from microtome.figures.result import FigureResult

EXPLAINS = True
NEEDS = frozenset({"names", "runs", "trained"})
FAMILIES: Mapping[str, tuple[str, ...]] = {
    "distributions": ("bce", "cross_entropy", "weighted_cross_entropy", "focal", "softmax_focal"),
    "regions": ("dice", "iou", "tversky", "lovasz", "mdsc_tv", "softmax_dice"),
    "both (compound)": ("dicebce", "bce_dice", "ce_dice", "compound"),
}
OTHERS = "further"
"""Family of losses that are not known here, such as a plugin's."""
FACES = {"distributions": "#CFE3F3", "regions": "#CDEBDF", "both (compound)": "#F4DDEA", OTHERS: "#EEEEEE"}
ROW, HEAD = 0.24, 0.55
"""Height of a loss and of the head, inches."""


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = ()) -> FigureResult:
    """Draw the families of losses; those that runs were trained with stand out.

    Args:
        inputs: Run records, and what losses are called.
        runs: Runs whose losses stand out; all by default.

    Returns:
        The figure. Its data: family, loss, label, runs that were trained with it.
    """
    used: dict[str, list[str]] = {}
    for record in inputs.select(runs):
        name = str(record.card.get("loss", {}).get("name", ""))
        used[name] = list(dict.fromkeys([*used.get(name, []), record.run]))
    families = _families([*inputs.names.get("loss", {}), *used])
    rows = [
        (family, loss, inputs.name_of("loss", loss), ", ".join(used.get(loss, ())))
        for family, losses in families.items()
        for loss in losses
    ]
    data = pd.DataFrame(rows, columns=["family", "loss", "label", "runs"])
    figure = new_figure(DOUBLE_COLUMN, HEAD + ROW * max(map(len, families.values())))
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    _draw(axes, data, list(families))
    caption = (
        "Losses of this package by what they compare: distributions (pixel by pixel), regions (overlaps of "
        "whole maps), or both. With a dark frame and in bold: those of the runs shown here."
    )
    return FigureResult(figure, data, caption)


def _families(names: Sequence[str]) -> dict[str, list[str]]:
    """The names by family, each once; what no family knows is of `OTHERS`."""
    there = [name for name in dict.fromkeys(names) if name]
    found = {family: [name for name in known if name in there] for family, known in FAMILIES.items()}
    found[OTHERS] = [name for name in there if not any(name in known for known in FAMILIES.values())]
    return {family: losses for family, losses in found.items() if losses}


def _draw(axes: Axes, data: pd.DataFrame, families: Sequence[str]) -> None:
    height = HEAD + ROW * int(data.groupby("family").size().max())
    width = DOUBLE_COLUMN / len(families)
    axes.set(xlim=(0, DOUBLE_COLUMN), ylim=(height, 0))
    axes.set_axis_off()
    style = {"ha": "center", "va": "center", "fontsize": TEXT}
    axes.text(DOUBLE_COLUMN / 2, 0.1, "losses for segmentation", weight="bold", **style)
    for column, family in enumerate(families):
        middle = width * (column + 0.5)
        axes.plot([DOUBLE_COLUMN / 2, middle], [0.18, 0.32], color=GREY, linewidth=0.7)
        axes.text(middle, 0.41, family, weight="bold", **style)
        for row, (label, runs) in enumerate(data.loc[data["family"] == family, ["label", "runs"]].to_numpy()):
            box = {
                "boxstyle": "round,pad=0.25",
                "facecolor": FACES[family],
                "linewidth": 1.0 if runs else 0.4,
            }
            box["edgecolor"] = INK if runs else GREY
            weight = "bold" if runs else "normal"
            axes.text(middle, HEAD + ROW * (row + 0.4), label, bbox=box, weight=weight, **style)
