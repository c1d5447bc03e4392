# SPDX-License-Identifier: MIT
"""Measure segmentations that other tools made, as a run is measured."""

import logging
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from microtome.class_maps import semantic_target
from microtome.config.features import Features
from microtome.config.scoring import Scoring
from microtome.faults import Fault, raise_faults
from microtome.files import SEGMENTATIONS, files_by_name, finished_folder
from microtome.io import images, views
from microtome.io.downsample import middle_of_squares
from microtome.metrics.families._context import Context
from microtome.metrics.names import ALL_CLASSES
from microtome.objects.features import load_classes, load_objects
from microtome.objects.labels import OUTLINE_SUFFIXES, load_instances
from microtome.objects.types import class_map
from microtome.provenance.cards import METRICS_NAME
from microtome.provenance.runs import RunRecord, external_records
from microtome.stages.evaluate import map_beside, measure_samples, write_metrics
from microtome.tables.frame import Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds import confusion_matrix, paired_tests
from microtome.tables.kinds import metrics as metrics_table
from microtome.tables.parts.confusion import COUNTS
from microtome.tables.parts.save import save_table

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
Pair = tuple[Path, Path]
"""The file of the truth and that of the prediction of one image."""
PART, SPLIT = "scored", "main"
IMAGE_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".jp2", ".bmp")
PICKED = (
    *("aji", "aji_plus", "pq", "mpq", "object_f1", "dice", "mean_dice", "iou", "mean_iou", "accuracy"),
    *("v_rand", "v_info", "pixel_error", "boundary_f", "hd95"),
)
"""Metrics of the table; the others are in `metrics.tsv`."""
TESTED = ("aji", "pq", "mpq", "dice", "mean_dice", "accuracy", "v_rand")
LOW = ("pixel_error", "hd95")
THRESHOLDS = (0.5,)
"""Of boundary metrics: a map of classes is the same at each between 0 and 1."""
EVERY = Features(regions="keep")
"""Outlines of a prediction: one that encloses others is a fault of the tool, and counts."""
ORDER = "area"
BINARY = 2
LISTED = 8
"""Names in a message."""


def score(
    truth: Path,
    predictions: Mapping[str, Path],
    folder: Path,
    *,
    scoring: Scoring,
    pictures: Path | None = None,
) -> Table:
    """Score the segmentations of one or several tools against one truth.

    Args:
        truth: A label file, or a folder of them: label images, GeoJSON, XML of Aperio or ASAP.
        predictions: Name of a tool to its file, or its folder with a file of the same name (whatever the
            suffix) for each file of the truth.
        folder: Gets `metrics.tsv` (as of a run: a row per tool, image, class and metric), `scores` (mean, sd
            and a bootstrap 95 % interval over images), of classes `confusion_matrix`, and of two tools or
            more `paired_tests_{metric}`, each table as TSV, Markdown, LaTeX and JSON. Written whole or not at
            all.
        scoring: What is measured.
        pictures: Folder of the images that were segmented, for their size, where truth and prediction are
            both outlines.

    Returns:
        The table of scores.

    Raises:
        ConfigurationError: A folder is empty, or a name has no partner or two; all are listed.
        ValueError: A file is at fault, or two differ in size.
    """
    _check_place(folder)
    pairs = {name: match(truth, path) for name, path in predictions.items()}
    sizes = {} if pictures is None else _listed(pictures, IMAGE_SUFFIXES)
    frames = [_measure(name, found, sizes, scoring) for name, found in pairs.items()]
    frame = pd.concat(frames, ignore_index=True)
    records = [_record(name, of, folder) for name, of in frame.groupby("run", sort=False)]
    tables = tabulate(records, frame, tuple(scoring.classes))
    with finished_folder(folder) as partial:
        write_metrics(frame, partial / METRICS_NAME)
        for stem, table in tables.items():
            save_table(table, partial / stem)
    return tables["scores"]


def score_external(
    options: Options, predictions: Sequence[Path], targets: Sequence[Path], path: Path
) -> None:
    """Measure what another tool made of the evaluated images of a study, and write `metrics.tsv`.

    Args:
        options: The rule's options (see `workflow.states.runs.score_external`).
        predictions: The tool's files, in the order of `images`.
        targets: Folders of the study's targets.
        path: The file; its rows are those of a run with seed 0 in each split.

    Raises:
        ValueError: A file is at fault, or has another size than its target.
    """
    files = dict(zip(options["images"], predictions, strict=True))
    given = {name: options[name] for name in ("kind", "convention")}
    scoring = Scoring(classes=dict(options["classes"]), **given)

    def see(sample: str) -> Context:
        place = views.find_sample(targets, sample)
        truth = images.read(place)
        found = _reduced_map(files[sample], truth.shape, scoring, options.get("downsample", 1))
        given = ("thresholds", "betas", "mean_classes", "tolerance")
        names = {name: options[name] for name in given if name in options}
        names |= {"classes": list(scoring.classes), "mpp": images.header(place).mpp}
        names["full"] = map_beside(place, views.FULL)
        return certain(truth, map_beside(place, views.INSTANCES), *found, **names)

    frames = [
        measure_samples({**options, "split": split, "samples": samples}, see)
        for split, samples in options["samples"].items()
    ]
    write_metrics(pd.concat(frames, ignore_index=True), path)


def match(truth: Path, prediction: Path) -> dict[str, Pair]:
    """The files of truth and prediction by the name of the image; those of two files belong together.

    A prediction without a truth is left out if other images match.

    Raises:
        ConfigurationError: A path is not there or holds nothing, or a truth has no prediction.
        ValueError: Two files have one name.
    """
    if truth.is_file() and prediction.is_file():
        return {next(iter(files_by_name(truth, (truth.suffix.lower(),)))): (truth, prediction)}
    found = _listed(truth, SEGMENTATIONS), _listed(prediction, SEGMENTATIONS)
    missing = [name for name in found[0] if name not in found[1]]
    if missing:
        surplus = [name for name in found[1] if name not in found[0]]
        there = f"; it has {_some(surplus)}, which the truth has not" if surplus else ""
        remedy = f"a file of the same name for each of the {len(found[0])} in {truth}"
        raise_faults([Fault(str(prediction), f"no file for {_some(missing)}{there}", remedy)])
    return {name: (path, found[1][name]) for name, path in found[0].items()}


def read_map(
    path: Path, shape: tuple[int, int] | None, scoring: Scoring, *, is_truth: bool
) -> tuple[np.ndarray, np.ndarray | None]:
    """Read classes (H, W) uint8 and, of objects, their numbers (H, W) int32.

    Args:
        path: A label image, or outlines.
        shape: Rows and columns; None: those of the file, which is no outlines then.
        scoring: Kind, classes, what is not labelled, the convention of outlines.
        is_truth: Whether values may mean 'not labelled'.

    Raises:
        ValueError: The file is at fault, or has another size.
    """
    shape = _size(path) if shape is None else shape
    if path.suffix.lower() in OUTLINE_SUFFIXES:
        return _drawn(path, shape, scoring, Features() if is_truth else EVERY)
    if (header := images.header(path)).is_stack:
        found = f"{path} is a stack of {len(header.pictures)} pages, and one image a file is scored"
        msg = f"{found}; save each page as a file of its own, such as {path.stem}-000{path.suffix}"
        raise ValueError(msg)
    if scoring.kind == "instances":
        return _numbered(path, shape, scoring)
    values = images.read(path, palette="index")
    if values.shape[:2] != shape:
        found = "{} x {}".format(*values.shape)
        msg = f"{path} has {found} pixels, its partner {shape[0]} x {shape[1]}; give maps of one size"
        raise ValueError(msg)
    ignore = scoring.ignore if is_truth else ()
    known = {"ignore": ignore, "step": header.step}
    return semantic_target(values, scoring.classes, name=str(path), **known), None


def _reduced_map(
    path: Path, shape: tuple[int, int], scoring: Scoring, factor: int
) -> tuple[np.ndarray, np.ndarray | None]:
    """What another tool made of an image whose targets have fewer pixels, or of these pixels, at theirs."""
    native = (shape[0] * factor, shape[1] * factor)
    if path.suffix.lower() not in OUTLINE_SUFFIXES:
        size = _size(path)
        if size == shape or (size[0] // factor, size[1] // factor) != shape:
            return read_map(path, shape, scoring, is_truth=False)
        native = size
    classes, objects = read_map(path, native, scoring, is_truth=False)
    return middle_of_squares(classes, factor), None if objects is None else middle_of_squares(objects, factor)


def tabulate(records: Sequence[RunRecord], frame: pd.DataFrame, classes: tuple[str, ...]) -> dict[str, Table]:
    """The table of scores, of classes the confusion matrix, and the paired tests of several tools."""
    inputs = Inputs(runs=records, data_kind="own", classes=classes)
    has = frame[["metric", "class"]].drop_duplicates()
    known = [(m, c) for m in PICKED for metric, c in has.itertuples(index=False) if m == metric]
    columns = [{"metric": m, "class": c, "better": "low" if m in LOW else "high"} for m, c in known]
    options = {"part": PART, "title": "Scores", "interval": True}
    tables = {"scores": metrics_table.tabulate(inputs, columns=columns, **options)}
    if has["metric"].str.startswith(COUNTS).any():
        tables["confusion_matrix"] = confusion_matrix.tabulate(inputs, part=PART)
    for metric, of in known if len(records) > 1 else ():
        values = frame.loc[(frame["metric"] == metric) & (frame["class"] == of), "value"]
        if metric in TESTED and values.notna().any():
            stem = f"paired_tests_{metric}" + (f"_{of}" if of != ALL_CLASSES else "")
            tables[stem] = paired_tests.tabulate(inputs, metric=metric, class_name=of, part=PART)
    return tables


def _check_place(folder: Path) -> None:
    """Refuse to replace a folder that holds something else than scores."""
    if (
        folder.exists()
        and not (folder / METRICS_NAME).is_file()
        and (folder.is_file() or any(folder.iterdir()))
    ):
        expected = "a new folder, or one that holds scores, which are replaced"
        raise_faults([Fault(f"--out {folder}", "something else than scores", expected)])


def _measure(
    name: str, pairs: Mapping[str, Pair], sizes: Mapping[str, Path], scoring: Scoring
) -> pd.DataFrame:
    """The metrics of one tool."""
    identity = {"study": "-", "split": SPLIT, "run": name, "seed": 0}
    samples = {"samples": dict.fromkeys(pairs, PART), "groups": dict.fromkeys(pairs, "")}
    options = identity | samples | {"metrics": scoring.families}
    return measure_samples(options, lambda sample: _seen(sample, pairs[sample], sizes, scoring))


def _seen(sample: str, pair: Pair, sizes: Mapping[str, Path], scoring: Scoring) -> Context:
    """One image, read from both files."""
    shape = _shape(sample, pair, sizes)
    (truth, numbers), found = (read_map(path, shape, scoring, is_truth=path is pair[0]) for path in pair)
    return certain(truth, numbers, *found, classes=list(scoring.classes))


def certain(
    truth: np.ndarray,
    numbers: np.ndarray | None,
    segmentation: np.ndarray,
    objects: np.ndarray | None,
    *,
    classes: Sequence[str],
    thresholds: Sequence[float] = THRESHOLDS,
    **more: Any,
) -> Context:
    """An image whose prediction is certain of each pixel, as a tool's map has no probabilities."""
    names = range(len(classes)) if len(classes) > BINARY else (1,)
    return Context(
        truth=truth,
        truth_instances=numbers,
        probability=np.stack([segmentation == index for index in names]).astype(np.float32),
        segmentation=segmentation,
        segmented_instances=objects,
        classes=classes,
        thresholds=thresholds,
        activation="softmax" if len(classes) > BINARY else "sigmoid",
        **more,
    )


def _shape(sample: str, pair: Pair, sizes: Mapping[str, Path]) -> tuple[int, int]:
    """Rows and columns of an image, from its truth, its prediction, or its picture."""
    known = [path for path in pair if path.suffix.lower() not in OUTLINE_SUFFIXES]
    if sample in sizes:
        return _size(sizes[sample])
    if not known:
        found = f"{pair[0]} and {pair[1]} are outlines, which do not say how large the image is"
        msg = f"{found}; name the folder of the images with --images (an image called {sample})"
        raise ValueError(msg)
    return _size(known[0])


def _size(path: Path) -> tuple[int, int]:
    header = images.header(path)
    return header.height, header.width


def _numbered(path: Path, shape: tuple[int, int], scoring: Scoring) -> tuple[np.ndarray, np.ndarray]:
    """The objects of a label image, which are of one class."""
    if len(scoring.classes) > BINARY:
        found = f"numbers objects of {len(scoring.classes) - 1} classes without saying theirs"
        msg = f"{path} {found}; give outlines that name them (GeoJSON), or score two classes"
        raise ValueError(msg)
    labels = load_instances(path, shape).labels
    return (labels > 0).astype(np.uint8), labels


def _drawn(
    path: Path, shape: tuple[int, int], scoring: Scoring, features: Features
) -> tuple[np.ndarray, np.ndarray | None]:
    """Classes and objects from outlines; what none covers is of the first class."""
    options = {"classes": list(scoring.classes), "convention": scoring.convention}
    if scoring.kind == "instances":
        found, of, left_out = load_objects(path, shape, features, **options)
        drawn = class_map(found.labels, of), found.labels
    else:
        target, left_out = load_classes(path, shape, features, order=ORDER, outside=0, **options)
        drawn = target, None
    if left_out:
        reasons = ", ".join(f"{count} ({reason})" for reason, count in left_out.items())
        logger.warning("%s: outlines that are left out: %s", path, reasons)
    return drawn


def _listed(path: Path, suffixes: Collection[str]) -> dict[str, Path]:
    """The files of a folder by name, or the one file."""
    found = files_by_name(path, suffixes)
    if not found:
        kind = "no file of these endings" if path.exists() else "nothing"
        raise_faults([Fault(str(path), kind, f"a file, or a folder of files, {', '.join(suffixes)}")])
    return found


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return f"{', '.join(names[:LISTED])}{more}"


def _record(name: str, metrics: pd.DataFrame, folder: Path) -> RunRecord:
    """What tables take for a run."""
    return external_records(name, metrics, folder, data_source="own")[0]
