# SPDX-License-Identifier: MIT
"""Where the members of an ensemble doubt, beside where the ensemble errs."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.image import AxesImage
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from microtome.figures.inputs import FigureInputs, SampleSources, file_of, needed
from microtome.figures.kinds.difference_map import difference_patches, show_difference
from microtome.figures.parts import classes
from microtome.figures.parts.colors import DOUBT
from microtome.figures.parts.panels import IGNORE, check_same_size, read_image, show_image
from microtome.figures.parts.pictures import write_row_label
from microtome.figures.parts.samples import choose_samples, data_sentence
from microtome.figures.parts.style import DOUBLE_COLUMN, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.io import images

NEEDS = frozenset({"images", "runs", "uncertainty"})
CLASS_OPTIONS = ("of",)
SAMPLE_OPTIONS = ("samples",)
SHOWN = ("image", "target", "segmentations", "uncertainty")
TITLES = ("image", "outcomes", "predictive entropy", "mutual information")
COUNT = 3
PANEL, TITLE_HEIGHT, BAR_HEIGHT = 1.62, 0.2, 0.42
"""Width of a panel, and the strips above and below all of them, inches."""


@styled
def draw(
    inputs: FigureInputs, *, run: str = "", samples: Sequence[str] = (), count: int = COUNT, of: str = ""
) -> FigureResult:
    """Draw samples with an ensemble's right and wrong pixels, predictive entropy and mutual information.

    Args:
        inputs: Run records and files of the samples.
        run: The ensemble; by default the first that says where its members doubt.
        samples: Samples shown; by default the first of each group.
        count: Largest number of samples where none is named; the data list all.
        of: Class whose outcomes are shown; of two classes that of interest by default (the first that is not
            called `background`, `normal` or the like), of more all wrong pixels, in the colour of the class
            they were given.

    Returns:
        The figure. Its data, for all samples with a label: sample, group, mean entropy and mutual information
        (nat) of right and of wrong pixels, and the area under the ROC curve of the entropy as a detector of
        wrong pixels (0.5: doubt says nothing of errors).

    Raises:
        ValueError: No ensemble writes its uncertainty (option `uncertainty`), or a file is missing.
    """
    run = run or _first_doubting(inputs)
    record = inputs.record(run)
    chosen = choose_samples(inputs, samples=samples, count=count, run=run, needs=SHOWN)
    maps = [_doubt(sources, run, name) for name, sources in chosen]
    names = sorted(inputs.candidates(run=run, needs=SHOWN))
    data = pd.DataFrame([_row(inputs, run, name) for name in names])
    shape = images.header(needed(chosen[0][1], "image", chosen[0][0]))
    every = classes.shows_every_class(inputs, of)
    labels = [images.read(needed(sources, "target", name)) for name, sources in chosen]
    handles = difference_patches(inputs, of, *labels)
    room = BAR_HEIGHT + classes.legend_size(handles, DOUBLE_COLUMN)[1]
    height = PANEL * shape.height / shape.width * len(chosen) + TITLE_HEIGHT + room
    figure = new_figure(DOUBLE_COLUMN, height, data_kind=inputs.data_kind)
    panels = figure.subplots(len(chosen), len(TITLES), squeeze=False)
    limits = [max(float(one[index].max()) for one in maps) or 1.0 for index in range(2)]
    for axes, (name, sources), doubt in zip(panels, chosen, maps, strict=True):
        artists = _draw_row(axes, inputs, (name, sources), run, of, doubt, limits)
        write_row_label(axes[0], inputs, name)
    for axes, title in zip(panels[0], TITLES, strict=True):
        heads = {"outcomes": "errors, by class" if every else f"outcomes of {of or inputs.shown_class}"}
        axes.set_title(heads.get(title, title))
    classes.add_legend(figure, handles)
    for column, artist in zip((2, 3), artists, strict=True):
        figure.colorbar(artist, ax=panels[:, column], orientation="horizontal", label="nat", aspect=30)
    return FigureResult(figure, data.assign(run=run), _caption(inputs, record.label, data, of))


def _first_doubting(inputs: FigureInputs) -> str:
    able = [
        record.run
        for record in inputs.select(())
        if any(record.run in files.uncertainty for files in inputs.sources.values())
    ]
    if not able:
        msg = "no run says where it doubts; give an ensemble the option `uncertainty: true`"
        raise ValueError(msg)
    return able[0]


def _doubt(sources: SampleSources, run: str, name: str) -> NDArray[np.float32]:
    """(2, H, W) entropy and mutual information of the first output."""
    channels = images.read(file_of(sources.uncertainty, run, sample=name, what="uncertainty"))
    return np.stack([channels[..., 0], channels[..., channels.shape[-1] // 2]])


def _output_and_truth(run: str, name: str, sources: SampleSources) -> tuple[NDArray, NDArray]:
    truth = images.read(needed(sources, "target", name))
    found = images.read(file_of(sources.segmentations, run, sample=name, what="segmentation"))
    check_same_size(name, target=truth, segmentation=found)
    return found, truth


def _row(inputs: FigureInputs, run: str, name: str) -> dict[str, object]:
    sources = inputs.sources[name]
    (found, truth), (entropy, information) = (
        _output_and_truth(run, name, sources),
        _doubt(sources, run, name),
    )
    labelled = truth != IGNORE
    wrong = labelled & (found != truth)
    right = labelled & ~wrong
    both = wrong.any() and right.any()
    return {
        "sample": name,
        "group": inputs.groups.get(name, ""),
        "wrong": float(wrong.sum() / max(labelled.sum(), 1)),
        "entropy_right": _mean(entropy, right),
        "entropy_wrong": _mean(entropy, wrong),
        "mutual_information_right": _mean(information, right),
        "mutual_information_wrong": _mean(information, wrong),
        "error_auc": float(roc_auc_score(wrong[labelled], entropy[labelled])) if both else float("nan"),
    }


def _mean(values: NDArray, where: NDArray) -> float:
    return float(values[where].mean(dtype=np.float64)) if where.any() else float("nan")


def _draw_row(
    axes: Sequence[Axes],
    inputs: FigureInputs,
    chosen: tuple[str, SampleSources],
    run: str,
    of: str,
    doubt: NDArray[np.float32],
    limits: Sequence[float],
) -> list[AxesImage]:
    name, sources = chosen
    show_image(axes[0], read_image(needed(sources, "image", name)))
    found, truth = _output_and_truth(run, name, sources)
    show_difference(axes[1], inputs, found, truth, of)
    artists = []
    for panel, values, limit in zip(axes[2:], doubt, limits, strict=True):
        artists.append(show_image(panel, values, colors=DOUBT, top=limit))
    return artists


def _caption(inputs: FigureInputs, label: str, data: pd.DataFrame, of: str) -> str:
    means = data.mean(numeric_only=True)
    every = classes.shows_every_class(inputs, of)
    outcomes = f"pixels by outcome of {of or inputs.shown_class}"
    pixels = "wrong pixels by the class they were given" if every else outcomes
    among = " and ".join(inputs.classes) if len(inputs.classes) == classes.TWO else "all classes"
    return (
        f"Where {label} doubts: image, {pixels}, entropy of "
        f"the mean prediction, and mutual information (high where members are sure and disagree), both of "
        f"the choice between {among}, whichever of them is predicted. Mean over "
        f"{len(data)} images: entropy {means['entropy_right']:.3f} nat at right and "
        f"{means['entropy_wrong']:.3f} at wrong pixels; the entropy finds wrong pixels with an area under "
        f"the ROC curve of {means['error_auc']:.3f}. "
        f"{data_sentence(inputs.data_kind)}{classes.tones_sentence(inputs)}"
    )
