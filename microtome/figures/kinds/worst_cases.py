# SPDX-License-Identifier: MIT
"""Images sorted by a score, worst first: input, output, difference."""

import pandas as pd
from matplotlib.axes import Axes
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, file_of, needed
from microtome.figures.kinds.difference_map import difference_patches, difference_title, show_difference
from microtome.figures.parts import classes
from microtome.figures.parts.panels import check_same_size, read_image, show_classes, show_image
from microtome.figures.parts.pictures import write_row_label
from microtome.figures.parts.style import DOUBLE_COLUMN, as_written, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.metrics.names import ALL_CLASSES, metric_name
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.numbers import values_of

NEEDS = frozenset({"images", "runs"})
METRIC_OPTIONS = {"metric": "class_name"}
CLASS_OPTIONS = ("of",)
COUNT = 4
GAP = 0.15
TITLE_HEIGHT = 0.2
PANEL = 1.6
SYMBOLS = {"v_rand": r"$V_{\mathrm{Rand}}$", "v_info": r"$V_{\mathrm{Info}}$"}
LONG = 10
"""Letters of a name that is written along its row rather than in front of it."""
TITLES = ("input", "output", "label", "difference")


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    metric: str = "v_rand",
    class_name: str = ALL_CLASSES,
    part: str = "test",
    count: int = COUNT,
    lowest_first: bool = True,
    of: str = "",
) -> FigureResult:
    """Draw the images on which a run does worst.

    Args:
        inputs: Run records and files of the samples.
        run: The run; the first by default.
        metric: Score to sort by.
        class_name: Class of the score.
        part: Part of the split that was evaluated.
        count: How many images to draw; the data list all of them.
        lowest_first: Whether a low score is bad.
        of: Class whose outcomes are shown; of two classes that of interest by default (the first that is not
            called `background`, `normal` or the like), of more all wrong pixels, in the colour of the class
            they were given.

    Returns:
        The figure. Its data: rank, sample, value, for all images, worst first.

    Raises:
        ValueError: The run, the metric or a file is missing.
    """
    record = inputs.select([run] if run else ())[0]
    ranking = rank(record, metric, class_name=class_name, part=part, lowest_first=lowest_first)
    rows = ranking.head(count)
    shape = images.header(needed(inputs.sample(rows["sample"].iloc[0])[1], "image", ""))
    handles = difference_patches(inputs, of, *(_label(inputs, sample) for sample in rows["sample"]))
    room = GAP + classes.legend_size(handles, DOUBLE_COLUMN)[1]
    height = PANEL * shape.height / shape.width * len(rows) + TITLE_HEIGHT + room
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    panels = figure.subplots(len(rows), len(TITLES), squeeze=False)
    for axes, row in zip(panels, rows.itertuples(), strict=True):
        _draw_row(axes, inputs, record, row.sample, of)
        score = f"{SYMBOLS.get(metric, metric_name(metric))} {row.value:.3f}"
        if len(row.sample) > LONG:
            write_row_label(axes[0], inputs, row.sample, more=score)
        else:
            style = {"rotation": 0, "ha": "right", "va": "center", "labelpad": 6, "linespacing": 1.5}
            axes[0].set_ylabel(f"{as_written(row.sample)}\n{score}", parse_math=True, **style)
    for axes, title in zip(panels[0], (*TITLES[:-1], difference_title(inputs, of)), strict=True):
        axes.set_title(title)
    classes.add_legend(figure, handles)
    name = metric if metric.startswith("v_") else metric_name(metric, class_name)
    caption = (
        f"Images on which {record.label} does worst, by {name} (mean over seeds), worst first: {len(rows)} "
        f"of {len(ranking)}. Scores reach from {ranking['value'].iloc[0]:.3f} to "
        f"{ranking['value'].iloc[-1]:.3f}.{classes.tones_sentence(inputs)}"
    )
    return FigureResult(figure, ranking.assign(run=record.run, metric=metric), caption)


def rank(
    record: RunRecord,
    metric: str,
    *,
    class_name: str = ALL_CLASSES,
    part: str = "test",
    lowest_first: bool = True,
) -> pd.DataFrame:
    """Sort the samples of a run by a score, worst first: columns rank (from 1), sample, value; ties by name.

    Raises:
        ValueError: The run lacks the metric.
    """
    values = values_of([record], metric, class_name=class_name, part=part)[["sample", "value"]]
    ordered = values.sort_values(["value", "sample"], ascending=[lowest_first, True], ignore_index=True)
    ordered.insert(0, "rank", range(1, len(ordered) + 1))
    return ordered


def _draw_row(axes: list[Axes], inputs: FigureInputs, record: RunRecord, sample: str, of: str) -> None:
    _, sources = inputs.sample(sample)
    output = images.read(file_of(sources.segmentations, record.run, sample=sample, what="segmentation"))
    label = _label(inputs, sample)
    image = read_image(needed(sources, "image", sample))
    check_same_size(sample, image=image, segmentation=output, label=label)
    show_image(axes[0], image)
    tones = tuple(inputs.palette.values())
    show_classes(axes[1], output, tones)
    show_classes(axes[2], label, tones)
    show_difference(axes[3], inputs, output, label, of)


def _label(inputs: FigureInputs, sample: str) -> NDArray:
    return images.read(needed(inputs.sample(sample)[1], "target", sample))
