# SPDX-License-Identifier: MIT
"""Measure a run on every image of the parts that are evaluated."""

import importlib
import logging
import math
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pandas as pd

from microtome.files import finished_file, finished_folder, merge_folder
from microtome.io import images
from microtome.io.views import FULL, INSTANCES, WHITE, find_sample, of_sample, open_raster, place, read_map
from microtome.metrics.families._context import Context, Measure
from microtome.metrics.families.calibration import BINNED
from microtome.metrics.summary import summarize
from microtome.metrics.undefined import UndefinedMetricError
from microtome.objects.labels import OUTLINE_SUFFIXES
from microtome.provenance import tsv
from microtome.stages.targets import rasterize_targets
from microtome.tables.parts.confusion import COUNTS, added_up

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
Measures = dict[str, list[Measure]]
Said = list[list[Measure] | str]
"""By family what it says of an image, or why it says nothing."""
Folders = Mapping[str, Sequence[Path]]
"""The batch folders of one run: of `maps` (probabilities), `segmentations` and `targets`."""
FOLDERS = ("maps", "segmentations", "targets")
PART = "applied"
"""What stands for the part of the split."""


def evaluate_run(options: Options, folders: Folders, path: Path) -> None:
    """Compare a run's outputs with the targets and write `metrics.tsv`: a row per image, class and metric.

    Raises:
        ValueError: There is no sample to evaluate.
        FileNotFoundError: A sample has no map or no target.
    """
    if not options["samples"]:
        msg = "the evaluated parts hold no sample; see evaluate.parts and the split"
        raise ValueError(msg)
    write_metrics(measure_samples(options, lambda sample: _context(options, sample, folders)), path)


def measure_samples(options: Options, see: Callable[[str], Context]) -> pd.DataFrame:
    """Measure samples: a row per image, class and metric.

    Args:
        options: `study`, `split`, `run`, `seed`; `metrics`, the families; `samples`, the part of each, and
            `groups`, their groups.
        see: The truth and the prediction of a sample.
    """
    identity = {key: options[key] for key in ("study", "split", "run", "seed")}
    families = [importlib.import_module(f"microtome.metrics.families.{name}") for name in options["metrics"]]
    said: dict[str, dict[str, Said]] = {}
    for sample, part in options["samples"].items():
        context = see(sample)
        said.setdefault(part, {})[sample] = [_measured(family, context, sample) for family in families]
    rows = [
        identity
        | {"part": part, "sample": sample, "group": options["groups"][sample]}
        | {"class": m.class_name, "metric": m.metric, "value": m.value}
        for part, measures in _filled(said).items()
        for sample, found in _finished(families, measures).items()
        for m in found
    ]
    return pd.DataFrame(rows)


def _measured(family: ModuleType, context: Context, sample: str) -> list[Measure] | str:
    """What a family says of an image; why it has no value there, which stands in the log too."""
    try:
        if context.valid.any():
            with of_sample(sample):
                return family.measure(context)
        why = "no pixel is labelled"
    except UndefinedMetricError as error:
        why = str(error)
    name = family.__name__.rpartition(".")[2]
    text = "sample %s: its metrics of `%s` are undefined and left out of means: %s"
    logger.warning(text, sample, name, why)
    return why


def _filled(parts: Mapping[str, Mapping[str, Said]]) -> dict[str, Measures]:
    """The measures of each image; undefined ones as NaN, under the names that they have on other images.

    Raises:
        UndefinedMetricError: A family has no value on any image.
    """
    every = {sample: said for samples in parts.values() for sample, said in samples.items()}
    nothing: list[list[Measure]] = []
    for of_family in zip(*every.values(), strict=True):
        names = next((said for said in of_family if not isinstance(said, str)), None)
        if names is None:
            more = f" (and {len(every) - 1} further images)" if len(every) > 1 else ""
            msg = f"sample {next(iter(every))}{more}: {of_family[0]}"
            raise UndefinedMetricError(msg)
        nothing.append([m._replace(value=math.nan) for m in names])
    return {
        part: {sample: _joined(said, nothing) for sample, said in samples.items()}
        for part, samples in parts.items()
    }


def _joined(said: Said, nothing: Sequence[list[Measure]]) -> list[Measure]:
    pairs = zip(said, nothing, strict=True)
    return [m for measures, empty in pairs for m in (empty if isinstance(measures, str) else measures)]


def write_metrics(frame: pd.DataFrame, path: Path) -> None:
    """Write the rows of `measure_samples`."""
    with finished_file(path) as partial:
        frame.to_csv(partial, sep="\t", index=False)


def _context(options: Options, sample: str, folders: Folders) -> Context:
    maps, segmentation, truth = (find_sample(folders[name], sample) for name in FOLDERS)
    chosen = {"tolerance": options["tolerance"]} if "tolerance" in options else {}
    return Context(
        truth=images.read(truth),
        truth_instances=map_beside(truth, INSTANCES),
        probability=read_map(maps),
        segmentation=images.read(segmentation),
        segmented_instances=map_beside(segmentation, INSTANCES),
        classes=options["classes"],
        thresholds=options["thresholds"],
        losses=options["losses"],
        betas=options.get("betas", ()),
        mean_classes=options.get("mean_classes", ()),
        activation=options.get("activation", "sigmoid"),
        full=map_beside(truth, FULL),
        mpp=images.header(truth).mpp,
        step=1 / WHITE if open_raster(maps).dtype == np.uint8 else 0.0,
        **chosen,
    )


def map_beside(path: Path, folder: str) -> np.ndarray | None:
    """The map beside a class map in a folder there (objects, complete labels), where there is one."""
    beside = path.parent / folder / path.name
    return images.read(beside) if beside.is_file() else None


def _finished(families: Sequence[ModuleType], measures: Measures) -> Measures:
    """Add what a family can only say of a whole part."""
    extra = [family.finish(measures) for family in families if hasattr(family, "finish")]
    return {sample: found + [m for more in extra for m in more[sample]] for sample, found in measures.items()}


def evaluate_applied(options: Mapping[str, Any], applied: Path, folder: Path) -> pd.DataFrame:
    """Compare what `apply_run` made with labels.

    Args:
        options: The rule's options (see `workflow.states`); `samples` are rows with sample, image, page and
            label, the label file.
        applied: What `apply_run` wrote.
        folder: Gets `targets/`, `metrics.tsv` (one row per image, class and metric), `summary.tsv` (mean, sd
            and a bootstrap 95 % interval over images), `images.tsv`, which says of each image whether it
            was measured, and `confusion.tsv`, the pixels of all images by true (rows) and predicted class.

    Returns:
        The summary.

    Raises:
        ValueError: No image could be measured; of single ones the reason stands in `images.tsv`.
    """
    with finished_folder(folder) as partial:
        rows = [_labelled(options, row, applied, partial / "targets") for row in options["samples"]]
        pd.DataFrame(rows).to_csv(partial / "images.tsv", sep="\t", index=False)
        samples = {str(row["sample"]): PART for row in rows if not row["message"]}
        if not samples:
            msg = f"no image could be measured; the first, {rows[0]['image']}: {rows[0]['message']}"
            raise ValueError(msg)
        places = (applied / "predictions", applied / "segmentations", partial / "targets")
        folders = {name: [place] for name, place in zip(FOLDERS, places, strict=True)}
        chosen = {**options, "samples": samples, "groups": dict.fromkeys(samples, "")}
        evaluate_run(chosen, folders, partial / "metrics.tsv")
        frame = tsv.read(partial / "metrics.tsv")
        matrix = added_up(frame, options["classes"])
        if matrix is not None:
            matrix.to_csv(partial / "confusion.tsv", sep="\t")
        table = summarize(frame[~frame["metric"].str.startswith((COUNTS, *BINNED))])
        with finished_file(partial / "summary.tsv") as path:
            table.to_csv(path, sep="\t", index=False)
    return table


def _labelled(options: Options, row: Mapping[str, Any], applied: Path, targets: Path) -> dict[str, Any]:
    """Make the target of one image; its row of the table, with a message where it cannot be measured."""
    about = {"image": row["image"], "sample": row["sample"], "label": row["label"]}
    done = place(applied / "segmentations", row["sample"])
    if not done.is_file():
        return about | {"status": "failed", "message": "the run could not be applied to it"}
    given, label = Path(row["image"]).absolute(), Path(row["label"]).absolute()
    is_reduced = "downsample" in options["targets"]
    try:
        page = row["page"] if row["page"] and images.header(label).pages > 1 else None
        if is_reduced and label.suffix.lower() not in OUTLINE_SUFFIXES:  # of which a part may be left out
            _require_same_size(label, _size(label, page), _size(given, row["page"]))
        named = {
            "sample": row["sample"],
            "image": given if is_reduced else (applied / "images" / done.name).absolute(),
            "label": label,
            "page": page,
            "mpp": row.get("mpp"),
        }
        with tempfile.TemporaryDirectory(dir=applied.parent, prefix=".") as scratch:
            made = Path(scratch) / "targets"
            rasterize_targets([named], Path("/"), made, targets=options["targets"])
            _require_same_size(label, _size(made / done.name), _size(done))
            merge_folder(made, targets)
    except (ValueError, OSError) as error:
        return about | {"status": "failed", "message": " ".join(str(error).split())}
    return about | {"status": "done", "message": ""}


def _size(path: Path, page: int | None = None) -> tuple[int, int]:
    found = images.header(path).of_page(page)
    return found.height, found.width


def _require_same_size(label: Path, *sizes: tuple[int, int]) -> None:
    if sizes[0] != sizes[1]:
        found, expected = (f"{height} rows x {width} columns" for height, width in sizes)
        msg = f"{label}: found {found}, expected {expected} as in its image; name the label of this image"
        raise ValueError(msg)
