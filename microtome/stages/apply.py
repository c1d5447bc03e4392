# SPDX-License-Identifier: MIT
"""Apply a trained run to new images."""

import tempfile
from collections.abc import Mapping, Sequence
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


def apply_run(
    options: Options,
    images: Sequence[Path],
    trained: Sequence[Path],
    stains: Sequence[Path],
    folder: Path,
    *,
    device: str,
    threads: int,
) -> None:
    """Predict and segment images that the study does not know.

    Args:
        options: The rule's options (see `workflow.states`).
        images: Image files; their names without suffix become the names of the results.
        trained: Folders of the trained runs: one, or the members of an ensemble, in the order of the options.
        stains: Stain targets, `stains/{name}/target.json`, of the normalizations that they use.
        folder: Gets `images/`, `predictions/`, `segmentations/` and, of ensembles that say where they doubt,
            `uncertainty/`, one OME-TIFF an image each; and `stains/{name}/` where stains are normalized.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
    """
    rows = [{"sample": path.stem, "image": path.name, "page": 0, "mpp": options["mpp"]} for path in images]
    with finished_folder(folder) as partial, tempfile.TemporaryDirectory(dir=partial.parent) as scratch:
        import_images(rows, images[0].parent, partial / "images")
        maps = []
        for number, (settings, member) in enumerate(zip(options["members"], trained, strict=True)):
            raw, seen = Path(scratch) / f"{number}-raw", _seen(settings["stain"], stains, partial)
            weights = member / WEIGHTS_NAME
            predict_batch(settings["predict"], weights, seen, raw, device=device, threads=threads)
            maps.append(_calibrated(settings["calibrate"], member, raw))
        average_batch(maps, partial / "predictions")
        if "uncertainty" in options:
            write_uncertainty(maps, partial / "uncertainty", activation=options["uncertainty"])
        segment_batch(options["segment"], partial / "predictions", partial / "segmentations")


def _seen(stain: Options | None, targets: Sequence[Path], folder: Path) -> Path:
    """The folder of the images that a run sees: stain-normalized, if the run's are."""
    if stain is None:
        return folder / "images"
    normalized = folder / "stains" / stain["name"]
    if not normalized.is_dir():
        target = next(path for path in targets if path.parent.name == stain["name"])
        normalize_batch(stain, target, folder / "images", normalized)
    return normalized


def _calibrated(settings: Options | None, member: Path, raw: Path) -> Path:
    """The folder of final maps of a run: calibrated, if the run is."""
    if settings is None:
        return raw
    calibrated = raw.with_name(raw.name.replace("raw", "calibrated"))
    calibrate_maps(settings, member / "calibration.json", raw, calibrated)
    return calibrated
