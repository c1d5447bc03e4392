# SPDX-License-Identifier: MIT
"""Risk against coverage: the share of wrong pixels among those that a run is surest of, by run."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import line_styles
from microtome.figures.parts.samples import data_sentence
from microtome.figures.parts.style import SINGLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.metrics.calibration import PIXELS, area_under_risk, risk_by_coverage
from microtome.tables.parts.reliability import Measured, measured_runs, told_of_trainings

NEEDS = frozenset({"runs"})
METRICS = ("bin_pixels@{bin}",)
HEIGHT = 2.6
LEGEND_ROW, LEGEND_MARGIN = 0.14, 0.05
"""Height of a line of the legend, and of what is around it, inches."""


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = (), part: str = "test") -> FigureResult:
    """Draw the share of pixels whose most probable class is wrong, among the surest ones.

    A run that knows where it errs has few wrong pixels at a low coverage. The area below is the mean risk
    over all coverages (AURC; Geifman and El-Yaniv, NeurIPS 2017, arXiv:1705.08500); that of a run that puts
    its wrong pixels last is the least that its share of wrong pixels allows.

    Args:
        inputs: Run records with sums of probabilities (family ``calibration``).
        runs: Runs, a line each, in order; all by default. Seeds and splits of a run are counted together.
        part: Part of the split that was evaluated.

    Returns:
        The figure. Its data, a point after each bin of the probability: run, label, coverage, risk, aurc,
        excess (what the area is above the least possible), pixels.

    Raises:
        ValueError: A run has no sums of labelled images of the part.
    """
    found = measured_runs(inputs.select(runs), inputs.classes, part=part)
    labels = {run: label for run, (label, _) in found.items()}
    curves = [_curve(run, label, of.total.bins[-1]) for run, (label, of) in found.items()]
    data = pd.concat(curves, ignore_index=True)
    legend = LEGEND_ROW * len(found) + LEGEND_MARGIN
    figure = new_figure(SINGLE_COLUMN, HEIGHT + legend, data_kind=inputs.data_kind)
    axes, below = figure.subplots(2, 1, height_ratios=(HEIGHT, legend))
    _draw_curves(axes, data, labels)
    below.set_axis_off()
    below.legend(*axes.get_legend_handles_labels(), loc="center", borderaxespad=0)
    return FigureResult(figure, data, _caption(inputs, labels, data, [of for _, of in found.values()], part))


def least_area(risk: float) -> float:
    """The area under the curve of a run that is surest of its right pixels: r + (1 - r) ln(1 - r).

    Args:
        risk: Share of wrong pixels, r.

    Example:
        >>> round(least_area(0.1), 5), least_area(1.0)
        (0.00518, 1.0)
    """
    right = 1 - risk
    return float(risk + (right * np.log(right) if right > 0 else 0.0))


def _curve(run: str, label: str, bins: np.ndarray) -> pd.DataFrame:
    coverage, risk = risk_by_coverage(bins)
    area = float(area_under_risk(bins))
    told = {"aurc": area, "excess": area - least_area(risk[-1]), "pixels": int(bins[:, PIXELS].sum())}
    return pd.DataFrame({"run": run, "label": label, "coverage": coverage, "risk": risk, **told})


def _draw_curves(axes: Axes, data: pd.DataFrame, labels: Mapping[str, str]) -> None:
    for run, style in line_styles(list(labels)).items():
        curve = data[data["run"] == run]
        label = f"{labels[run]}, AURC {curve['aurc'].iloc[0]:.4f}"
        # Among the surest pixels of all the risk is that of their bin.
        points = [0.0, *curve["coverage"]], [curve["risk"].iloc[0], *curve["risk"]]
        axes.plot(*points, **style, label=label)
    axes.set(xlim=(0, 1.01), ylim=(0, None))
    axes.set(xlabel="coverage: share of pixels, the surest first", ylabel="risk: share of them that is wrong")
    axes.grid()


def _caption(
    inputs: FigureInputs, labels: Mapping[str, str], data: pd.DataFrame, every: Sequence[Measured], part: str
) -> str:
    first = data.groupby("run", sort=False)[["aurc", "excess"]].first()
    found = "; ".join(f"{labels[run]} {row.aurc:.4f} ({row.excess:.4f})" for run, row in first.iterrows())
    several = told_of_trainings(every)
    return (
        f"Risk against coverage over the {every[0].pixels:,} labelled pixels of part {part}: "
        "share of wrong pixels among those whose most probable class is the surest. Area under the "
        "curve (AURC; in brackets: above the least that the share of wrong pixels allows): "
        f"{found}. {several}{' ' * bool(several)}{data_sentence(inputs.data_kind)}"
    )
