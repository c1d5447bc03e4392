# SPDX-License-Identifier: MIT
"""Whole images with their labels and what several runs make of them, one row an image."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_lowercase

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from microtome.figures.inputs import FigureInputs, needed
from microtome.figures.parts import classes, panels
from microtome.figures.parts import slide_views as slides
from microtome.figures.parts.colors import INK
from microtome.figures.parts.pictures import INCHES_PER_LETTER, LABEL_ROOM, write_row_label
from microtome.figures.parts.samples import choose_samples, data_sentence, score_of, tested
from microtome.figures.parts.style import DOUBLE_COLUMN, EDGE, PAGE, TEXT, letter, new_figure, styled, wrapped
from microtome.figures.result import FigureResult
from microtome.io import images, views
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs"})
SAMPLE_OPTIONS = ("samples",)
SHOWN = ("image", "target", "segmentations")
COUNT = 6
PIXELS = 420
"""Of the longer side of a picture, about: what a panel of six has at 300 dots an inch."""
TITLE, BELOW = 0.13, 0.15
"""Height of a line of titles and of the line below a panel, inches."""
BORDER = {"colors": INK, "linewidths": 0.5, "casing": 0.5}
"""Of what is not labelled: a dark line within white ones."""


@dataclass(frozen=True, eq=False)
class Row:
    """An image at the figure's resolution.

    Attributes:
        name: The sample.
        view: Where it is.
        picture: (h, w, 3), 0 to 1.
        truth: Class ids (h, w), `panels.IGNORE` where there is no label.
        found: Class ids (h, w) by run, of the records of the same key in `by`.
        by: The record whose segmentation is shown, by run.
        full: Complete class ids (h, w), or None where the labels of the image are all that there is.
    """

    name: str
    view: slides.View
    picture: slides.Layer
    truth: slides.Layer
    found: Mapping[str, slides.Layer]
    by: Mapping[str, RunRecord]
    full: slides.Layer | None


@styled
def draw(
    inputs: FigureInputs,
    *,
    runs: Sequence[str] = (),
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    part: str = "test",
    count: int = COUNT,
) -> FigureResult:
    """Draw whole images with their labels and the segmentation of each run.

    Of several splits or seeds of a run the first is shown that has the image in the part: of folds the one
    that learnt nothing of it. Lines show the border of what is not labelled on every segmentation.

    Args:
        inputs: Run records and files of the samples.
        runs: Runs, a column each, in order; all by default.
        samples: Images, a row each; by default `count` of the part, those of different groups first.
        groups: One image of each of these groups.
        part: Part of the split that was evaluated.
        count: Largest number of images, where none is named.

    Returns:
        The figure. Its data, by image and run: sample, group, run, label, split, seed, labelled (share of
        the image's pixels), dice (mean over classes, as evaluated; NaN if it was not), accuracy (share of
        labelled pixels that agree), unlabelled_accuracy (of the others, where an image has complete labels,
        else NaN), and the share of each class in what is labelled and in what is not
        (``labelled_<class>``, ``unlabelled_<class>``). Shares are of the pixels that are shown.

    Raises:
        ValueError: A run, an image or one of its files is missing, or sizes differ.
    """
    records = _by_run(inputs.select(runs))
    chosen = _choose(inputs, records, samples, groups, part, count)
    rows = [_read(inputs, records, name, part) for name in chosen]
    figure = _draw(inputs, records, rows)
    data = pd.DataFrame([_numbers(inputs, row, run) for row in rows for run in row.by])
    return FigureResult(figure, data, _caption(inputs, records, rows, data))


def _by_run(records: Sequence[RunRecord]) -> dict[str, list[RunRecord]]:
    """The records of each run: seeds and splits."""
    order = dict.fromkeys(record.run for record in records)
    return {run: [record for record in records if record.run == run] for run in order}


def _choose(
    inputs: FigureInputs,
    records: Mapping[str, Sequence[RunRecord]],
    samples: Sequence[str],
    groups: Sequence[str],
    part: str,
    count: int,
) -> list[str]:
    """Names of the images to show.

    Raises:
        ValueError: No image of the part has what is shown, or one that is named is not in the part.
    """
    if samples:
        return [inputs.sample(name)[0] for name in samples]
    able = {
        name: files
        for name, files in inputs.sources.items()
        if all(tested(found, name, part=part) for found in records.values())
    }
    if not able:
        msg = (
            f"no image is in part {part!r} of every run {list(records)}; name runs of one split, or `samples`"
        )
        raise ValueError(msg)
    among = FigureInputs(runs=inputs.runs, groups=inputs.groups, sources=able)
    found = choose_samples(among, groups=groups, count=count, run=next(iter(records)), needs=SHOWN)
    return [name for name, _ in found]


def _read(inputs: FigureInputs, records: Mapping[str, Sequence[RunRecord]], name: str, part: str) -> Row:
    """An image, its truth, and what each run made of it."""
    sources = inputs.sources[name]
    view = slides.open_view([needed(sources, "image", name).parent], name)
    by = {run: tested(found, name, part=part) or found[0] for run, found in records.items()}
    paths = {run: _segmentation(record, name) for run, record in by.items()}
    target = needed(sources, "target", name)
    complete = {"complete labels": sources.full} if sources.full else {}
    _check_sizes(name, view, {"target": target, **complete, **paths})
    truth = slides.read_classes(target, view, PIXELS)
    found = {run: slides.read_classes(path, view, PIXELS) for run, path in paths.items()}
    full = slides.read_classes(sources.full, view, PIXELS) if sources.full else None
    return Row(name, view, slides.read_picture(view, PIXELS), truth, found, by, full)


def _segmentation(record: RunRecord, name: str) -> Path:
    """The class map of an image by a run.

    Raises:
        ValueError: There is none.
    """
    try:
        return views.find_sample(sorted(record.folder.glob("segmentations/*")), name)
    except FileNotFoundError as error:
        msg = f"no segmentation of sample {name!r} by run {record.run!r} (split {record.split!r}); predict it"
        raise ValueError(msg) from error


def _check_sizes(name: str, view: slides.View, paths: Mapping[str, Path]) -> None:
    """Check by the headers that all maps of an image have its size.

    Raises:
        ValueError: Sizes differ.
    """
    headers = {what: images.header(path) for what, path in paths.items()}
    sizes = {"image": view.size} | {what: (one.height, one.width) for what, one in headers.items()}
    if len(set(sizes.values())) > 1:
        msg = f"sample {name!r}: sizes differ, {sizes}; predict and rasterize it again"
        raise ValueError(msg)


def _draw(inputs: FigureInputs, records: Mapping[str, Sequence[RunRecord]], rows: Sequence[Row]) -> Figure:
    """A row for each image: picture, truth, runs."""
    columns = 2 + len(records)
    panel = (DOUBLE_COLUMN - LABEL_ROOM) / columns - 2 * EDGE
    room = panel - INCHES_PER_LETTER * len("a   ")
    titles = ["image", "truth", *(wrapped(found[0].label, room) for found in records.values())]
    handles = _handles(inputs, rows)
    lines = max(title.count("\n") + 1 for title in titles)
    tall = sum(panel / row.view.aspect + BELOW for row in rows) + TITLE * (lines + 1)
    height = tall + classes.legend_size(handles, DOUBLE_COLUMN)[1]
    figure = new_figure(DOUBLE_COLUMN, min(height, PAGE), data_kind=inputs.data_kind)
    ratios = [1 / row.view.aspect for row in rows]
    grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=ratios)
    for axes, row in zip(grid, rows, strict=True):
        _draw_row(axes, inputs, row)
    for axes, name, title in zip(grid[0], ascii_lowercase, titles, strict=False):
        letter(axes, name, title, fontsize=TEXT)
    classes.add_legend(figure, handles)
    return figure


def _draw_row(row_axes: Sequence[Axes], inputs: FigureInputs, row: Row) -> None:
    view, tones = row.view, tuple(inputs.palette.values())
    slides.show(row_axes[0], view, row.picture)
    write_row_label(row_axes[0], inputs, row.name, size=TEXT)
    panels.scale_bar(row_axes[0], view.box.width, view.mpp[1] if view.mpp else None)
    missing = slides.Layer((row.truth.values == panels.IGNORE).astype(float), row.truth.start, row.truth.step)
    for axes, layer in zip(row_axes[1:], (row.truth, *row.found.values()), strict=True):
        painted = slides.Layer(panels.paint(layer.values, tones), layer.start, layer.step)
        slides.show(axes, view, painted, interpolation="nearest")
    for axes, record in zip(row_axes[2:], row.by.values(), strict=True):
        slides.outline(axes, missing, **BORDER)
        dice = score_of(record, "mean_dice", row.name)
        axes.set_xlabel("" if np.isnan(dice) else f"Dice {dice:.2f}", fontsize=TEXT, labelpad=1.5)


def _handles(inputs: FigureInputs, rows: Sequence[Row]) -> list[Artist]:
    """Colours of the classes, and the border of what is not labelled."""
    found: list[Artist] = [*classes.class_patches(inputs, *(row.truth.values for row in rows))]
    if any((row.truth.values == panels.IGNORE).any() for row in rows):
        found.append(
            Line2D([], [], color=INK, linewidth=BORDER["linewidths"], label="border of the unlabelled")
        )
    return found


def _numbers(inputs: FigureInputs, row: Row, run: str) -> dict[str, object]:
    """What is known of an image by a run."""
    record, truth, found = row.by[run], row.truth.values, row.found[run].values
    labelled = truth != panels.IGNORE
    told: dict[str, object] = {
        **{"sample": row.name, "group": inputs.groups.get(row.name, "")},
        **{"run": run, "label": record.label, "split": record.split, "seed": record.seed},
        "labelled": float(labelled.mean()),
        "dice": score_of(record, "mean_dice", row.name),
        "accuracy": _mean(found[labelled] == truth[labelled]),
        "unlabelled_accuracy": float("nan"),
    }
    if row.full is not None:
        known = ~labelled & (row.full.values != panels.IGNORE)
        told["unlabelled_accuracy"] = _mean(found[known] == row.full.values[known])
    for where, mask in (("labelled", labelled), ("unlabelled", ~labelled)):
        told |= {f"{where}_{one}": _mean(found[mask] == value) for value, one in enumerate(inputs.classes)}
    return told


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else float("nan")


def _caption(
    inputs: FigureInputs,
    records: Mapping[str, Sequence[RunRecord]],
    rows: Sequence[Row],
    data: pd.DataFrame,
) -> str:
    labelled, named = data.drop_duplicates("sample")["labelled"].mean(), ", ".join(row.name for row in rows)
    said = [
        "Whole images (a), their labels (b), and the segmentation of the whole image by each run.",
        f"Samples: {named}.",
    ]
    if labelled < 1:
        said.append(
            f"{100 * labelled:.0f} % of the pixels are labelled; lines on the segmentations are the border "
            "of the others, which count neither in training nor in scores."
        )
    if data["dice"].notna().any():
        said.append("Below each segmentation: Dice of the image, mean over its classes.")
    said.append(
        f"Share of labelled pixels that agree, mean of these images: {_means(records, data, 'accuracy')}."
    )
    if data["unlabelled_accuracy"].notna().any():
        means = _means(records, data, "unlabelled_accuracy")
        said.append(f"Of the pixels that are not labelled, by labels that are complete: {means}.")
    said += [classes.tones_sentence(inputs).strip(), data_sentence(inputs.data_kind)]
    return " ".join(filter(None, said))


def _means(records: Mapping[str, Sequence[RunRecord]], data: pd.DataFrame, column: str) -> str:
    """The mean of a column over the images, for each run."""
    means = data.groupby("run", sort=False)[column].mean()
    return "; ".join(f"{found[0].label} {means[run]:.2f}" for run, found in records.items())
