# SPDX-License-Identifier: MIT
"""Apply a trained run to new images."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from microtome.files import finished_folder
from microtome.provenance.cards import WEIGHTS_NAME
from microtome.stages.calibrate import calibrate_maps
from microtome.stages.images import import_images
from microtome.stages.predict import predict_batch
from microtome.stages.runs import average_batch, write_uncertainty
from microtome.stages.segment import segment_batch
from microtome.stages.stain import normalize_batch

Options = Mapping[str, Any]


@dataclass(frozen=True)
class TrainedRuns:
    """What was trained.

    Attributes:
        folders: Folders of the runs: one, or the members of an ensemble, in the order of the options.
        stains: Stain targets, `stains/{name}/target.json`, of the normalizations that they use.
    """

    folders: Sequence[Path]
    stains: Sequence[Path] = ()

    def target(self, stain: str) -> Path:
        """The target of a stain normalization."""
        return next(path for path in self.stains if path.parent.name == stain)


def apply_run(
    options: Options, images: Sequence[Path], trained: TrainedRuns, folder: Path, *, device: str, threads: int
) -> None:
    """Predict and segment images that the study does not know.

    Args:
        options: The rule's options (see `plan.StudyPlan.apply`).
        images: Image files; their names without suffix become the names of the results.
        trained: The trained runs.
        folder: Gets `images/`, `predictions/`, `segmentations/` and, of ensembles that say where they doubt,
            `uncertainty/`, one OME-TIFF an image each; and `stains/{name}/` where stains are normalized.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
    """
    rows = [{"sample": path.stem, "image": path.name, "page": 0, "mpp": options["mpp"]} for path in images]
    with finished_folder(folder) as partial, tempfile.TemporaryDirectory(dir=partial.parent) as scratch:
        import_images(rows, images[0].parent, partial / "images")
        maps = []
        for number, (settings, member) in enumerate(zip(options["members"], trained.folders, strict=True)):
            raw, seen = Path(scratch) / f"{number}-raw", _seen(settings["stain"], trained, partial)
            weights = member / WEIGHTS_NAME
            predict_batch(settings["predict"], weights, seen, raw, device=device, threads=threads)
            maps.append(_calibrated(settings["calibrate"], member, raw))
        average_batch(maps, partial / "predictions")
        if "uncertainty" in options:
            write_uncertainty(maps, partial / "uncertainty", activation=options["uncertainty"])
        segment_batch(options["segment"], partial / "predictions", partial / "segmentations")


def _seen(stain: Options | None, trained: TrainedRuns, folder: Path) -> Path:
    """The folder of the images that a run sees: stain-normalized, if the run's are."""
    if stain is None:
        return folder / "images"
    normalized = folder / "stains" / stain["name"]
    if not normalized.is_dir():
        normalize_batch(stain, trained.target(stain["name"]), folder / "images", normalized)
    return normalized


def _calibrated(settings: Options | None, member: Path, raw: Path) -> Path:
    """The folder of final maps of a run: calibrated, if the run is."""
    if settings is None:
        return raw
    calibrated = raw.with_name(raw.name.replace("raw", "calibrated"))
    calibrate_maps(settings, member / "calibration.json", raw, calibrated)
    return calibrated
