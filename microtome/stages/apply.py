# SPDX-License-Identifier: MIT
"""Apply a trained run to new images."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.job import finished_folder
from microtome.stages.calibrate import calibrate_batch
from microtome.stages.ensemble import average_batch
from microtome.stages.images import import_images
from microtome.stages.predict import predict_batch
from microtome.stages.segment import segment_batch

Options = Mapping[str, Any]


def apply_run(
    options: Options,
    images: Sequence[Path],
    members: Sequence[Path],
    folder: Path,
    *,
    device: str,
    threads: int,
) -> None:
    """Predict and segment images that the study does not know.

    Args:
        options: The rule's options (see `plan.StudyPlan.apply`).
        images: Image files; their names without suffix become the names of the results.
        members: Folders of the trained runs: one, or the members of an ensemble, in the order of the options.
        folder: Gets `images/`, `predictions/` and `segmentations/`, one OME-TIFF an image each.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
    """
    rows = [{"sample": path.stem, "image": path.name, "page": 0, "mpp": options["mpp"]} for path in images]
    with finished_folder(folder) as partial, tempfile.TemporaryDirectory(dir=partial.parent) as scratch:
        import_images(rows, images[0].parent, partial / "images")
        maps = []
        for number, (settings, member) in enumerate(zip(options["members"], members, strict=True)):
            raw = Path(scratch) / f"{number}-raw"
            predict_batch(
                settings["predict"],
                member / "model.safetensors",
                partial / "images",
                raw,
                device=device,
                threads=threads,
            )
            maps.append(_calibrated(settings["calibrate"], member, raw))
        average_batch(maps, partial / "predictions")
        segment_batch(options["segment"], partial / "predictions", partial / "segmentations")


def _calibrated(settings: Options | None, member: Path, raw: Path) -> Path:
    """The folder of final maps of a run: calibrated, if the run is."""
    if settings is None:
        return raw
    calibrated = raw.with_name(raw.name.replace("raw", "calibrated"))
    calibrate_batch(settings, member / "calibration.json", raw, calibrated)
    return calibrated
