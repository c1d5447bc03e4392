# SPDX-License-Identifier: MIT
"""Apply a trained run to new images, one after another: one that fails does not stop the others."""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from microtome.devices import repeatable
from microtome.files import finished_folder, merge_folder
from microtome.io import images, views
from microtome.provenance.cards import WEIGHTS_NAME
from microtome.stages.applied import DONE, FAILED, SUMMARY
from microtome.stages.calibrate import calibrate_maps
from microtome.stages.images import import_images
from microtome.stages.objects import export_objects
from microtome.stages.predict import predict_folder, ready_model
from microtome.stages.runs import average_batch, write_uncertainty
from microtome.stages.segment import segment_batch
from microtome.stages.stain import name_of_stain, normalize_batch
from microtome.workflow.job import remedy

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
Row = Mapping[str, Any]

PER_IMAGE = (ValueError, OSError, MemoryError)
"""Errors of one image."""


@dataclass(frozen=True)
class Trained:
    """The files of a trained run.

    Attributes:
        members: Folders of the trained runs: one, or the members of an ensemble, in the order of the options.
        stains: Stain targets, `stains/{name}/target.json`, of the normalizations that they use.
    """

    members: Sequence[Path]
    stains: Sequence[Path] = ()


def apply_run(options: Options, trained: Trained, folder: Path, *, device: str, threads: int) -> pd.DataFrame:
    """Predict and segment images that the study does not know.

    Args:
        options: The rule's options (see `workflow.states`); `samples` are rows with sample, image, page, mpp.
        trained: The files of the run.
        folder: Gets `images/`, `predictions/`, `segmentations/` and, of ensembles that say where they doubt,
            `uncertainty/`, one OME-TIFF an image each; `stains/{name}/` where stains are normalized; of runs
            that separate objects `objects/`, GeoJSON and a table an image; and `summary.tsv`, a row an image.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.

    Returns:
        The summary: image, sample, page, `status` (`done` or `failed`), message, and what was found: the
        number of objects, or the area of each class.

    Raises:
        OSError: The disk is full, or cannot be written to; other errors of an image stand in its row.
    """
    with repeatable(threads), finished_folder(folder) as partial:
        models = [
            ready_model(member["predict"], place / WEIGHTS_NAME, device=device)
            for member, place in zip(options["members"], trained.members, strict=True)
        ]
        rows = [_attempted(options, row, trained, models, partial) for row in options["samples"]]
        table = pd.DataFrame(rows)
        table.to_csv(partial / SUMMARY, sep="\t", index=False)
    return table


def _attempted(
    options: Options, row: Row, trained: Trained, models: Sequence[torch.nn.Module], folder: Path
) -> dict[str, Any]:
    """Do one image, in a folder of its own that joins the others when it is done; its row of the summary."""
    about = {"image": row["image"], "sample": row["sample"], "page": row["page"]}
    with tempfile.TemporaryDirectory(dir=folder, prefix=".") as name:
        scratch = Path(name)
        try:
            found = _applied(options, row, trained, models, scratch)
        except PER_IMAGE as error:
            if remedy(error):
                raise
            message = str(error).replace(f"{scratch.as_posix()}/", "").removeprefix(f"{row['image']}: ")
            message = message or type(error).__name__
            logger.warning("%s: %s", row["image"], message)
            return about | {"status": FAILED, "message": " ".join(message.split())}
        merge_folder(scratch / "out", folder)
    return about | {"status": DONE, "message": ""} | found


def _applied(
    options: Options, row: Row, trained: Trained, models: Sequence[torch.nn.Module], scratch: Path
) -> dict[str, Any]:
    """Do one image; what was found in it."""
    out = scratch / "out"
    import_images([row], Path(), out / "images")
    maps = []
    for number, (settings, member) in enumerate(zip(options["members"], trained.members, strict=True)):
        raw = scratch / f"{number}-raw"
        predict_folder(models[number], settings["predict"], _seen(settings, trained, out), raw)
        maps.append(_calibrated(settings["calibrate"], member, raw))
    average_batch(maps, out / "predictions")
    if "uncertainty" in options:
        write_uncertainty(maps, out / "uncertainty", activation=options["uncertainty"])
    segment_batch(options["segment"], out / "predictions", out / "segmentations")
    return _found(options, row, out)


def _seen(settings: Options, trained: Trained, out: Path) -> Path:
    """The folder of the image that a run sees: stain-normalized, if the run's are."""
    stain = settings["stain"]
    if stain is None:
        return out / "images"
    normalized = out / "stains" / stain["name"]
    if not normalized.is_dir():
        target = next(path for path in trained.stains if name_of_stain(path) == stain["name"])
        normalize_batch(stain, target, out / "images", normalized)
    return normalized


def _calibrated(settings: Options | None, member: Path, raw: Path) -> Path:
    """The folder of final maps of a run: calibrated, if the run is."""
    if settings is None:
        return raw
    calibrated = raw.with_name(raw.name.replace("raw", "calibrated"))
    calibrate_maps(settings, member / "calibration.json", raw, calibrated)
    return calibrated


def _found(options: Options, row: Row, out: Path) -> dict[str, Any]:
    """Measure what was segmented in one image: its objects, or the area of each class."""
    path = views.place(out / "segmentations", row["sample"])
    labels, mpp = images.read(path), images.header(path).mpp
    found = {"height": labels.shape[0], "width": labels.shape[1], "mpp": mpp}
    if (out / "segmentations" / views.INSTANCES).is_dir():
        normalized = [member["stain"]["name"] for member in options["members"] if member["stain"]]
        stains = out / "stains" / normalized[0] if normalized else None
        export_objects(
            options["objects"], out / "segmentations", out / "images", out / "objects", stains=stains
        )
        numbers = images.read(views.place(path.parent / views.INSTANCES, row["sample"]))
        found["objects"] = len(np.unique(numbers[numbers > 0]))
    counts = np.bincount(labels.ravel(), minlength=len(options["classes"]))
    for name, count in zip(options["classes"], counts.tolist(), strict=False):
        found |= {f"{name}_pixels": count, f"{name}_share": count / labels.size}
        found |= {f"{name}_um2": count * mpp**2} if mpp else {}
    return found
