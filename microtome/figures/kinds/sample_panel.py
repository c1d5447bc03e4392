# SPDX-License-Identifier: MIT
"""One test sample of one run: input, probability, output (of two classes binarised), label."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.parts import classes, panels
from microtome.figures.parts.style import DOUBLE_COLUMN, letter, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images
from microtome.provenance.runs import RunRecord

NEEDS = frozenset({"images", "runs"})
SAMPLE_OPTIONS = ("sample",)
THRESHOLD = 0.5
SHOWN = ("image", "target", "predictions")
TITLE_HEIGHT = 0.2


@styled
def draw(
    inputs: FigureInputs,
    *,
    run: str = "",
    sample: str = "",
    threshold: float = THRESHOLD,
    mpp: float | None = None,
) -> FigureResult:
    """Draw one sample as one run sees it.

    Args:
        inputs: Run records and files of the samples.
        run: The run; the first by default.
        sample: The sample; by default the first test sample that has what is shown.
        threshold: Of two classes, the positive one is where its probability is above this. Of more the output
            is the run's segmentation, and the probability that of the most probable class.
        mpp: Pixel size in micrometres, for a scale bar; by default what the image's file says.

    Returns:
        The figure. Its data: run, sample, class, pixels and shares in output and label, mean probability.

    Raises:
        ValueError: The run, the sample or one of its files is missing.
    """
    record = inputs.select([run] if run else ())[0]
    name, sources = inputs.sample(sample, run=record.run, needs=SHOWN)
    maps, output, heads, said = _outputs(inputs, record, (name, sources), threshold)
    image, label = (
        panels.read_image(needed(sources, "image", name)),
        images.read(needed(sources, "target", name)),
    )
    panels.check_same_size(name, image=image, prediction=maps[0], output=output, label=label)
    titles = ("input", *heads, "label")
    kinds = ("image", "probability", "classes", "classes")
    pictures, size = [image, np.max(maps, axis=0), output, label], panels.pixel_size(sources.image, mpp)
    figure = panel_row(pictures, titles, kinds, mpp=size, inputs=inputs)
    of_class = maps if len(maps) > 1 else maps * len(inputs.classes)
    data = _class_shares(inputs, output, label, of_class).assign(run=record.run, sample=name)
    agreement = float(np.mean(output[label != panels.IGNORE] == label[label != panels.IGNORE]))
    caption = (
        f"Sample {name} as segmented by {record.label}: input, {said}, and label. "
        f"{agreement:.1%} of the labelled pixels agree.{classes.tones_sentence(inputs)}"
    )
    return FigureResult(figure, data, caption.replace("%", " %"))


def _outputs(
    inputs: FigureInputs, record: RunRecord, chosen: tuple[str, SampleSources], threshold: float
) -> tuple[list[NDArray], NDArray, tuple[str, str], str]:
    """Probabilities (one, or those of each class), class ids, what heads both, and what the caption says."""
    name, sources = chosen
    path = file_of(sources.predictions, record.run, sample=name, what="prediction")
    positive = inputs.positive_class
    if len(inputs.classes) > classes.TWO:
        found = images.read(file_of(sources.segmentations, record.run, sample=name, what="segmentation"))
        maps = [panels.read_probability(path, inputs, one) for one in inputs.classes]
        heads = ("largest probability", "output")
        return maps, found, heads, "probability of the most probable class, output"
    probability = panels.read_probability(path, inputs, outputs=panels.outputs_of(record))
    heads = (f"probability of {positive}", f"output (p > {threshold:g})")
    said = f"probability of {positive}, output binarised at {threshold:g}"
    return [probability], binarise(probability, inputs, threshold), heads, said


def binarise(probability: NDArray, inputs: FigureInputs, threshold: float) -> NDArray[np.uint8]:
    """Threshold the probability (H, W) of the positive class into ids (H, W) of the two classes."""
    positive = inputs.class_id(inputs.positive_class)
    other = next(index for index in range(len(inputs.classes)) if index != positive)
    return np.where(probability > threshold, positive, other).astype(np.uint8)


def panel_row(
    arrays: Sequence[NDArray],
    titles: Sequence[str],
    kinds: Sequence[str],
    *,
    mpp: float | None,
    inputs: FigureInputs,
) -> Figure:
    """Draw arrays of one size in one row, with a colour bar for probabilities, a scale bar in the first.

    Below is the legend of the classes. `kinds` are ``image``, ``probability`` or ``classes`` by panel.
    """
    height, width = arrays[0].shape[:2]
    panel = DOUBLE_COLUMN / len(arrays)
    handles = classes.class_patches(inputs, arrays[-1]) if "classes" in kinds else []
    legend = classes.legend_size(handles, DOUBLE_COLUMN)[1]
    tall = panel * height / width + TITLE_HEIGHT + panels.COLOUR_BAR_HEIGHT + legend
    figure = new_figure(DOUBLE_COLUMN, tall, data_kind=inputs.data_kind)
    tones = tuple(inputs.palette.values())
    axes = figure.subplots(1, len(arrays), squeeze=False)[0]
    for index, (axis, array, title, kind) in enumerate(zip(axes, arrays, titles, kinds, strict=True)):
        if kind == "classes":
            panels.show_classes(axis, array, tones)
        elif kind == "image":
            panels.show_image(axis, array)
        else:
            artist = panels.show_probability(axis, array)
            panels.probability_bar(axis.inset_axes(panels.COLOUR_BAR), artist)
        letter(axis, chr(ord("a") + index), title)
    classes.add_legend(figure, handles)
    panels.scale_bar(axes[0], width, mpp)
    return figure


def _class_shares(
    inputs: FigureInputs, output: NDArray, label: NDArray, maps: Sequence[NDArray]
) -> pd.DataFrame:
    labelled = label != panels.IGNORE
    rows = []
    for value, (name, probability) in enumerate(zip(inputs.classes, maps, strict=True)):
        truth, found = labelled & (label == value), labelled & (output == value)
        rows.append(
            {
                "class": name,
                "label_pixels": int(truth.sum()),
                "output_pixels": int(found.sum()),
                "both_pixels": int((truth & found).sum()),
                "mean_probability": float(probability[truth].mean()) if truth.any() else float("nan"),
            }
        )
    return pd.DataFrame(rows)
