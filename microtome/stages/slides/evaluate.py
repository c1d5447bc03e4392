# SPDX-License-Identifier: MIT
"""Measure a run on the slides of the evaluated parts: calls of sections against labels, heat-maps on pixels.

A slide stays in every table of rows under its name: with annotations it has pixel metrics, with labelled
sections counts of calls, and NaN where it lacks them or could not be read, so that runs stay paired.
"""

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from microtome.class_maps import IGNORE
from microtome.files import finished_file
from microtome.io import images, views
from microtome.io.failures import read_failures
from microtome.io.raster import Raster
from microtome.metrics import calibration, overlap
from microtome.metrics.calibration import Sums
from microtome.metrics.families import calibration as calibration_family
from microtome.metrics.families import overlap as pixel_family
from microtome.metrics.families import sections as section_family
from microtome.metrics.families._context import Measure
from microtome.provenance.section_calls import (
    DONE,
    FAILED,
    SECTION_COLUMNS,
    UNLABELLED,
    find,
    read_calls,
)
from microtome.stages.evaluate import write_metrics

Options = Mapping[str, Any]
T = TypeVar("T")
Folders = Mapping[str, Sequence[Path]]
"""The batch folders of one run: of `calls`, `predictions` and `targets`."""
FOLDERS = ("calls", "predictions", "targets")
THRESHOLD = 0.5
"""Probability from which a pixel is of the stored class, where only one class is stored."""
WINDOW = 2048
"""Side of the windows that are counted, pixels: whole tiles, whatever the width of the slide."""


def evaluate_slides(options: Options, folders: Folders, path_metrics: Path, path_sections: Path) -> None:
    """Compare the calls and heat-maps of a run with section labels and annotations.

    Args:
        options: `study`, `split`, `run`, `seed`; `classes`, in order; `metrics` (families `overlap`,
            `calibration` and `sections`), `betas`, `mean_classes`; `stored`, the classes of the maps'
            channels (empty: all); `called`, the class that sections are called; of the evaluated slides by
            name `samples` (their part), `groups`, and `units` (their patient; empty: the slide itself).
        folders: See `Folders`; `targets` holds the annotated slides alone.
        path_metrics: Gets a row per slide, class and metric (`microtome.provenance.runs.METRICS_COLUMNS`).
        path_sections: Gets a row per section (`SECTION_COLUMNS`); areas in µm².

    Raises:
        ValueError: There is no slide to evaluate, or a file does not fit the others.
        FileNotFoundError: A slide has neither calls (a map) nor the record of its failure.
    """
    if not options["samples"]:
        msg = "the evaluated parts hold no slide; see evaluate.parts and the split"
        raise ValueError(msg)
    failed = read_failures(*folders["calls"])
    slides = {name: _sections_of(options, folders, name, failed) for name in options["samples"]}
    write_metrics(_measured(options, folders, slides), path_metrics)
    _write_sections(list(slides.values()), path_sections)


def _sections_of(options: Options, folders: Folders, sample: str, failed: Collection[str]) -> pd.DataFrame:
    """The sections of a slide, with its part, patient and group, and the status of each."""
    about = {"part": options["samples"][sample], "sample": sample}
    about |= {"unit": options["units"].get(sample) or sample, "group": options["groups"][sample]}
    if sample in failed:
        return pd.DataFrame(
            [about | {"label": "", "call": "", "status": FAILED}], columns=list(SECTION_COLUMNS)
        )
    frame = read_calls(find(folders["calls"], f"{sample}.tsv"))
    status = np.where(frame["label"] == "", UNLABELLED, DONE)
    return frame.assign(**about, status=status)[list(SECTION_COLUMNS)]


def _write_sections(frames: Sequence[pd.DataFrame], path: Path) -> None:
    rows = [row for frame in frames for row in frame.to_dict("records")]
    with finished_file(path) as partial:
        pd.DataFrame(rows, columns=list(SECTION_COLUMNS)).to_csv(partial, sep="\t", index=False)


def _measured(options: Options, folders: Folders, slides: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    identity = {key: options[key] for key in ("study", "split", "run", "seed")}
    rows = [
        identity
        | {"part": part, "sample": sample, "group": options["groups"][sample]}
        | {"class": m.class_name, "metric": m.metric, "value": m.value}
        for sample, part in options["samples"].items()
        for m in _of_slide(options, folders, sample, slides[sample])
    ]
    return pd.DataFrame(rows)


def _of_slide(options: Options, folders: Folders, sample: str, sections: pd.DataFrame) -> Iterator[Measure]:
    """What each family says of a slide."""
    if "sections" in options["metrics"]:
        labelled = sections[sections["status"] == DONE]
        yield from section_family.measure(labelled, options["called"])
    if "overlap" in options["metrics"]:
        is_failed = (sections["status"] == FAILED).any()
        matrix = None if is_failed else _counted(options, folders, sample, count_pixels)
        yield from _of_pixels(options, matrix)
    if "calibration" in options["metrics"]:
        is_failed = (sections["status"] == FAILED).any()
        sums = None if is_failed else _counted(options, folders, sample, count_probabilities)
        yield from _of_probabilities(options["classes"], sums)


def _of_pixels(options: Options, matrix: pd.DataFrame | None) -> list[Measure]:
    """The pixel metrics of a slide, NaN where nothing is annotated."""
    classes, given = options["classes"], {key: options[key] for key in ("betas", "mean_classes")}
    if matrix is not None and matrix.to_numpy().any():
        return pixel_family.of_matrix(matrix, **given)
    one = pd.DataFrame(np.eye(len(classes), dtype=int), index=classes, columns=classes)
    return [m._replace(value=math.nan) for m in pixel_family.of_matrix(one, **given)]


def _of_probabilities(classes: Sequence[str], sums: Sums | None) -> list[Measure]:
    """How true the probabilities of a slide are, NaN where nothing is annotated."""
    if sums is not None and sums.pixels:
        return calibration_family.of_sums(sums, classes)
    none = calibration_family.of_sums(calibration.nothing(len(classes)), classes)
    return [m._replace(value=math.nan) for m in none]


def _counted(options: Options, folders: Folders, sample: str, count: Callable[..., T]) -> T | None:
    """What is counted of an annotated slide and its map; None of a slide without annotations."""
    target = next((p for f in folders["targets"] if (p := views.place(f, sample)).is_file()), None)
    if target is None:
        return None
    heat = views.find_sample(folders["predictions"], sample)
    decide = Decision(tuple(options["classes"]), tuple(options["stored"]))
    with views.of_sample(sample):
        factor = _factor(target, heat)
        return count(views.open_raster(target), views.open_raster(heat), decide, factor=factor)


def _factor(target: Path, heat: Path) -> int:
    """How many pixels of the target a pixel of the heat-map stands for, on each side.

    Raises:
        ValueError: The two are not of one slide, or on lattices that do not fit.
    """
    true, found = images.header(target), images.header(heat)
    ratio = found.mpp / true.mpp if found.mpp and true.mpp else true.height / found.height
    factor = max(1, round(ratio))
    expected = (-(-true.height // factor), -(-true.width // factor))
    if (found.height, found.width) != expected:
        msg = (
            f"{heat}: found {found.height} rows x {found.width} columns, expected {expected[0]} x "
            f"{expected[1]}, a {factor}th of its target ({target}); predict or rasterize it again"
        )
        raise ValueError(msg)
    return factor


@dataclass(frozen=True)
class Decision:
    """From stored probabilities to classes.

    Attributes:
        classes: All classes, in order.
        stored: Classes of the channels; empty: all.
    """

    classes: tuple[str, ...]
    stored: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Check that what is stored tells the classes apart."""
        if len(self.stored) not in (0, len(self.classes)) and (len(self.stored), len(self.classes)) != (1, 2):
            msg = (
                f"the heat-map holds {list(self.stored)} of the classes {list(self.classes)}; expected all "
                f"of them, or one of two: set predict.store.classes, or evaluate without `overlap`"
            )
            raise ValueError(msg)

    def __call__(self, maps: NDArray) -> NDArray[np.uint8]:
        """Class indices (H, W) of probabilities (K, H, W), float or uint8 (255 is 1).

        One stored class is there from `THRESHOLD` on; of several the most probable one counts, of equal ones
        (all are 0 where nothing was predicted) the first in class order.

        Example:
            >>> decide = Decision(("normal", "tumor"), ("tumor",))
            >>> decide(np.array([[[127, 128]]], np.uint8)).tolist()
            [[0, 1]]
        """
        if len(self.stored) == 1 and len(self.classes) > 1:
            least = THRESHOLD * (np.iinfo(maps.dtype).max if maps.dtype.kind == "u" else 1)
            index = self.classes.index(self.stored[0])
            return np.where(maps[0] >= least, index, 1 - index).astype(np.uint8)
        return self._in_order(maps).argmax(axis=0).astype(np.uint8)

    def probabilities(self, maps: NDArray) -> NDArray[np.float32]:
        """Probabilities (K, H, W) of all classes, of those that are stored, 0 to 1.

        Example:
            >>> Decision(("normal", "tumor"), ("tumor",)).probabilities(np.array([[[51]]], np.uint8)).tolist()
            [[[0.800000011920929]], [[0.20000000298023224]]]
        """
        scaled = maps / np.float32(views.WHITE) if maps.dtype == np.uint8 else maps.astype(np.float32)
        if len(self.stored) == 1 and len(self.classes) > 1:
            pair = scaled[0], 1 - scaled[0]
            return np.stack(pair if self.classes.index(self.stored[0]) == 0 else pair[::-1])
        return self._in_order(scaled)

    def _in_order(self, maps: NDArray) -> NDArray:
        """Maps of all classes in the order of these."""
        stored = self.stored or self.classes
        return maps[[stored.index(name) for name in self.classes]]


def count_pixels(
    target: Raster, heat: Raster, decide: Decision, *, factor: int = 1, window: int = WINDOW
) -> pd.DataFrame:
    """Count the annotated pixels of a slide by true and predicted class, window by window.

    Args:
        target: Class indices, `IGNORE` where unlabelled, (1, H, W) uint8.
        heat: Stored probabilities, (K, H / factor, W / factor), rounded up; each of its pixels stands for
            `factor` x `factor` pixels of the target.
        decide: From probabilities to classes.
        factor: Pixels of the target that a pixel of the map is long.
        window: Side of a window, pixels of the target; memory grows with its square alone.

    Returns:
        Pixels (int64), K x K, as `microtome.metrics.overlap.confusion_matrix`.
    """
    names = pd.Index(decide.classes, name="truth"), pd.Index(decide.classes, name="prediction")
    total = pd.DataFrame(np.zeros((len(decide.classes),) * 2, np.int64), *names)
    for truth, maps in _windows(target, heat, factor, window):
        full = _enlarged(decide(maps), factor, truth.shape)
        total = total + overlap.confusion_matrix(truth, full, classes=decide.classes)
    return total


def count_probabilities(
    target: Raster, heat: Raster, decide: Decision, *, factor: int = 1, window: int = WINDOW
) -> Sums:
    """Count the annotated pixels of a slide by class and probability, with the arguments of `count_pixels`.

    Returns:
        Their sums, as `microtome.metrics.calibration.count`.
    """
    step = 1 / views.WHITE if heat.dtype == np.uint8 else 0.0
    total = calibration.nothing(len(decide.classes))
    for truth, maps in _windows(target, heat, factor, window):
        shares = _enlarged(decide.probabilities(maps), factor, truth.shape)
        total = total + calibration.count(shares, truth, floor=max(calibration.FLOOR, step / 2))
    return total


def _windows(
    target: Raster, heat: Raster, factor: int, window: int
) -> Iterator[tuple[NDArray[np.uint8], NDArray]]:
    """Target (h, w) and stored maps (K, h / factor, …) of each window with a labelled pixel."""
    _, height, width = target.shape
    side = max(1, window // factor) * factor
    for top in range(0, height, side):
        for left in range(0, width, side):
            rows, columns = min(side, height - top), min(side, width - left)
            truth = target.read(top, left, rows, columns)[0]
            if (truth != IGNORE).any():
                size = -(-rows // factor), -(-columns // factor)
                yield truth, heat.read(top // factor, left // factor, *size)


def _enlarged(values: NDArray, factor: int, shape: tuple[int, ...]) -> NDArray:
    """Values (…, h, w) at the pixels (H, W) of the target that each of theirs stands for."""
    full = values.repeat(factor, axis=-2).repeat(factor, axis=-1)
    return full[..., : shape[0], : shape[1]]
