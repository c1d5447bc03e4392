# SPDX-License-Identifier: MIT
"""V_Rand and V_Info against the threshold, for all runs."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from microtome.figures.inputs import FigureInputs
from microtome.figures.parts.colors import line_styles
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"runs"})
METRICS = ("v_rand@{threshold}", "v_info@{threshold}")
SCORES = {"v_rand": r"$V_{\mathrm{Rand}}$", "v_info": r"$V_{\mathrm{Info}}$"}
SEPARATOR = "@"
HEIGHT = 2.5
LEGEND_ROW = 0.16
LEGEND_COLUMNS = 4


@styled
def draw(inputs: FigureInputs, *, runs: Sequence[str] = (), part: str = "test") -> FigureResult:
    """Draw the boundary scores of each run at each threshold, averaged over images and seeds.

    Args:
        inputs: Run records whose metrics hold ``v_rand@{threshold}`` and ``v_info@{threshold}``.
        runs: Runs to show, in order; all by default.
        part: Part of the split that was evaluated.

    Returns:
        The figure. Its data: run, label, score, threshold, value (mean), sd, n (images), is_best.

    Raises:
        ValueError: A run is missing or lacks the scores by threshold.
    """
    records = inputs.select(runs)
    names = list(dict.fromkeys(record.run for record in records))
    data = pd.concat(
        [_curves([record for record in records if record.run == name], part) for name in names],
        ignore_index=True,
    )
    labels = {record.run: record.label for record in records}
    styles = line_styles(names)
    rows = -(-len(names) // LEGEND_COLUMNS)
    figure = new_figure(DOUBLE_COLUMN, HEIGHT + LEGEND_ROW * rows, data_kind=inputs.data_kind)
    panels = figure.subplots(1, len(SCORES))
    for key, axes, (score, symbol) in zip("ab", panels, SCORES.items(), strict=True):
        _panel(axes, data[data["score"] == score], labels, styles)
        axes.set_xlabel("threshold")
        axes.set_ylabel(symbol, parse_math=True)
        letter(axes, key)
    columns = min(LEGEND_COLUMNS, len(names))
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    return FigureResult(figure, data, _caption(data))


def _curves(records: Sequence[RunRecord], part: str) -> pd.DataFrame:
    frame = pd.concat([record.metrics for record in records], ignore_index=True)
    sweeps = frame["metric"].str.startswith(tuple(f"{score}{SEPARATOR}" for score in SCORES))
    frame = frame[(frame["part"] == part) & sweeps]
    split = frame["metric"].str.split(SEPARATOR, n=1, expand=True)
    first = records[0]
    if split.empty or set(SCORES) - set(split[0]):
        found = f"run {first.run!r} lacks {sorted(SCORES)} by threshold in part {part!r}"
        msg = f"{found} (metrics named like 'v_rand@0.5'); evaluate it with the metrics 'boundaries'"
        raise ValueError(msg)
    frame = frame.assign(score=split[0], threshold=split[1].astype(float))
    per_image = frame.groupby(["score", "threshold", "split", "sample"], as_index=False)["value"].mean()
    found = (
        per_image.groupby(["score", "threshold"])["value"]
        .agg(value="mean", sd="std", n="count")
        .reset_index()
    )
    best = found.groupby("score")["value"].transform("idxmax")
    found = found.assign(is_best=best == found.index)
    found.insert(0, "run", first.run)
    found.insert(1, "label", first.label)
    return found


def _panel(axes: Axes, data: pd.DataFrame, labels: dict[str, str], styles: dict[str, dict[str, str]]) -> None:
    for run, curve in data.groupby("run", sort=False):
        axes.plot(curve["threshold"], curve["value"], label=labels[run], **styles[run])
        best = curve[curve["is_best"]]
        ring = {"mfc": "white", "mec": styles[run]["color"], "mew": 1.0, "zorder": 3}
        axes.plot(best["threshold"], best["value"], "o", **ring)
    axes.grid()
    axes.set_xlim(-0.02, 1.02)
    low, high = data["value"].min(), data["value"].max()
    room = 0.05 * (high - low)
    axes.set_ylim(max(0.0, low - room - 0.01), min(1.0, high + room + 0.01) + 0.002)


def _caption(data: pd.DataFrame) -> str:
    best = data[data["is_best"] & (data["score"] == "v_rand")]
    found = "; ".join(f"{row.label} {row.value:.3f} at {row.threshold:g}" for row in best.itertuples())
    count = int(data["n"].max())
    return (
        f"Foreground-restricted Rand and information scores after border thinning against the threshold on "
        f"the probability, mean over {count} images; circles mark each run's maximum. Best V_Rand: {found}."
    )
