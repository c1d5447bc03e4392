# SPDX-License-Identifier: MIT
"""Apply a trained run to new images, one after another: one that fails does not stop the others."""

import logging
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from microtome.devices import repeatable
from microtome.files import (
    PARTIAL,
    digest_of_options,
    finished_folder,
    merge_folder,
    resumable_folder,
    sha256_of_file,
)
from microtome.io import images, views
from microtome.io.depth import as_dtype, is_darker
from microtome.io.errors import ImageError
from microtome.provenance.archives import read_archive, unpack
from microtome.provenance.cards import CARD_NAME, TUNED_NAME, WEIGHTS_NAME, read_json
from microtome.provenance.section_calls import SELECTION_NAME
from microtome.stages.applied import DONE, FAILED, SUMMARY
from microtome.stages.calibrate import calibrate_maps
from microtome.stages.cubes import calibrate_cubes, cut_batch, cut_raw_batch
from microtome.stages.images import import_images
from microtome.stages.objects import export_objects
from microtome.stages.predict import predict_folder, ready_model
from microtome.stages.runs import average_batch, write_uncertainty
from microtome.stages.segment import segment_batch
from microtome.stages.slides.apply import SlideApplier, ready_applier
from microtome.stages.stacks import write_stack
from microtome.stages.stain import normalize_batch
from microtome.stages.stain_targets import name_of_stain
from microtome.training.step_errors import HOST_MEMORY
from microtome.workflow.job import remedy

logger = logging.getLogger(__name__)
Options = Mapping[str, Any]
Row = Mapping[str, Any]
ApplyOne = Callable[[Row, Path], dict[str, Any]]
"""Does the image of a row in a scratch folder, whose `out` are its results; what was found in it."""

PER_IMAGE = (ValueError, OSError, MemoryError, torch.OutOfMemoryError)
"""Errors of one image."""
NO_MEMORY = (
    "not enough memory; where there is more, or with device=cpu, ask again with "
    "--forcerun apply_run (apply_model for a packed model)"
)
"""What is said of an image that is too large; the file itself need not change."""


@dataclass(frozen=True)
class Trained:
    """The files of a trained run.

    Attributes:
        members: Folders of the trained runs: one, or the members of an ensemble, in the order of the options.
        stains: Stain targets, `stains/{name}/target.json`, of the normalizations that they use.
        bands: The table of the bands that they see, `bands.tsv`, where they see any.
        tuned: Options of segmentation that were tuned, `tuned.json`, where some were.
    """

    members: Sequence[Path]
    stains: Sequence[Path] = ()
    bands: Sequence[Path] = ()
    tuned: Sequence[Path] = ()


@contextmanager
def unpacked(options: Options, archive: Path, beside: Path) -> Iterator[Trained]:
    """The files of a packed model, unpacked into a folder that is deleted afterwards.

    Args:
        options: Those of `apply_run`; `members` say which runs these are.
        archive: What `export_run` wrote.
        beside: The folder is made beside this one.

    Raises:
        ArchiveError: It is no packed model, or a file of it is not what was listed.
    """
    names = [member["run"] for member in options["members"]]
    folders = [
        name if names.count(name) == 1 else f"{name}/seed-{member['seed']}"
        for name, member in zip(names, options["members"], strict=True)
    ]
    beside.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=beside.parent, prefix=".model-") as scratch:
        folder = Path(scratch)
        unpack(read_archive(archive), folder)
        yield Trained(
            [folder / name for name in folders],
            sorted(folder.glob("stains/*/target.json")),
            sorted(folder.glob("bands.tsv")),
            sorted(folder.glob(TUNED_NAME)),
        )


def apply_run(
    options: Options, trained: Trained, folder: Path, *, device: str, threads: int, readers: int = 1
) -> pd.DataFrame:
    """Predict and segment images that the study does not know.

    Args:
        options: The rule's options (see `workflow.states`); `samples` are rows with sample, image, page, mpp.
        trained: The files of the run.
        folder: Gets `images/` (of cubes their pictures, and `cubes/`, what their calibration met),
            `predictions/`, `segmentations/` and, of ensembles that say where they doubt,
            `uncertainty/`, one OME-TIFF an image each; `stains/{name}/` where stains are normalized; of runs
            that separate objects `objects/`, GeoJSON and a table an image; and `summary.tsv`, a row an image.
            Of slides a folder each (`stages.slides.apply`), in place of these folders.
        device: `auto`, `cpu`, `cuda` or `mps`.
        threads: CPU threads of torch.
        readers: Threads that decode slides.

    Returns:
        The summary: image, sample, page, `status` (`done` or `failed`), message, and what was found: the
        number of objects, or the area of each class.

    Raises:
        OSError: The disk is full, or cannot be written to; other errors of an image stand in its row.
    """
    with repeatable(threads), _begun(options, trained, folder) as filled:
        apply_one = _ready(options, trained, device, readers)
        rows = [_attempted(row, apply_one, filled) for row in options["samples"]]
        table = pd.DataFrame(rows, dtype=object)  # whole numbers stay whole where an image has none
        table.to_csv(filled / SUMMARY, sep="\t", index=False)
    return table


def _begun(options: Options, trained: Trained, folder: Path) -> AbstractContextManager[Path]:
    """The folder to fill; slides, which take long, are gone on with after a kill."""
    if "slides" not in options:
        return finished_folder(folder)
    files = [place / name for place in trained.members for name in (WEIGHTS_NAME, SELECTION_NAME)]
    return resumable_folder(folder, digest_of_options([options, *map(sha256_of_file, files)]))


def _ready(options: Options, trained: Trained, device: str, readers: int) -> ApplyOne:
    """The trained runs, ready for one image after another."""
    if "slides" in options:
        return ready_applier(options, trained.members[0], device=device, readers=readers)
    models = [
        ready_model(member["predict"], place / WEIGHTS_NAME, device=device)
        for member, place in zip(options["members"], trained.members, strict=True)
    ]
    return partial(_applied, options, trained, models)


def _attempted(row: Row, apply_one: ApplyOne, folder: Path) -> dict[str, Any]:
    """Do one image, in a folder of its own that joins the others when it is done; its row of the summary."""
    about = {"image": row["image"], "sample": row["sample"], "page": row["page"]}
    before = apply_one.before(row, folder) if isinstance(apply_one, SlideApplier) else None
    if before is not None:
        return about | {"status": DONE, "message": ""} | before
    with tempfile.TemporaryDirectory(dir=folder, prefix=f".{row['sample']}.{PARTIAL}-") as name:
        scratch = Path(name)
        try:
            found = apply_one(row, scratch)
        except (*PER_IMAGE, RuntimeError) as error:
            is_of_image = isinstance(error, PER_IMAGE) or _lacks_memory(error)
            if remedy(error) or not is_of_image:
                raise
            message = _message(error, row, scratch)
            logger.warning("%s: %s", row["image"], message)
            return about | {"status": FAILED, "message": " ".join(message.split())}
        merge_folder(scratch / "out", folder)
    return about | {"status": DONE, "message": ""} | found


def _message(error: Exception, row: Row, scratch: Path) -> str:
    """What is wrong with an image, without its name and without places that are gone soon."""
    text = str(error).replace(f"{scratch.as_posix()}/", "")
    text = text.removeprefix(f"sample {row['sample']}: ").removeprefix(f"{row['image']}: ")
    text = text or type(error).__name__
    return f"{NO_MEMORY} ({text})" if _lacks_memory(error) else text


def _lacks_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or HOST_MEMORY in str(error)


def _applied(
    options: Options, trained: Trained, models: Sequence[torch.nn.Module], row: Row, scratch: Path
) -> dict[str, Any]:
    """Do one image; what was found in it."""
    out = scratch / "out"
    _import(options, row, trained, scratch)
    maps = []
    for number, (settings, member) in enumerate(zip(options["members"], trained.members, strict=True)):
        raw = scratch / f"{number}-raw"
        predict_folder(models[number], settings["predict"], _seen(settings, trained, scratch), raw)
        maps.append(_calibrated(settings["calibrate"], member, raw))
    average_batch(maps, out / "predictions")
    if "uncertainty" in options:
        write_uncertainty(maps, out / "uncertainty", activation=options["uncertainty"])
    tuned = trained.tuned[0] if trained.tuned else None
    segment_batch(options["segment"], out / "predictions", out / "segmentations", tuned=tuned)
    return _found(options, row, out)


def _import(options: Options, row: Row, trained: Trained, scratch: Path) -> None:
    """Import the picture of one image; of a cube, also what the members see of it."""
    out, views_seen = scratch / "out", {member["view"] for member in options["members"]}
    if "cube" not in row:
        import_images([row], Path(), out / "images", **_reduced(options, trained))
        _require_like_training(options, row, trained, out / "images")
        _import_neighbours(options, row, trained, scratch)
        return
    settings, root, has_picture = options["cubes"], Path(), row["image"] != row["cube"]
    if "raw" in views_seen:
        cut_raw_batch(settings, [row], root, trained.bands[0], scratch / "raw")
    has_blank = settings["calibrated"] or row.get("blank")
    if "bands" in views_seen or (has_blank and not has_picture):
        chosen = {**settings, "rendered": [] if has_picture else [row["sample"]]}
        calibrate_cubes(chosen, [row], root, scratch / "cubes")
        report = f"{row['sample']}.json"
        (out / "cubes").mkdir(parents=True)
        (out / "cubes" / report).write_bytes((scratch / "cubes" / report).read_bytes())
    if "bands" in views_seen:
        cut_batch(scratch / "cubes", trained.bands[0], scratch / "bands")
    if has_picture:
        import_images([row], root, out / "images")
        _require_like_training(options, row, trained, out / "images")
    elif has_blank:
        import_images([row], root, out / "images", rendered=scratch / "cubes")
    else:
        _picture_of_bands(scratch / "raw", out / "images")


def _import_neighbours(options: Options, row: Row, trained: Trained, scratch: Path) -> None:
    """Import the slices that the members see around one, and stack them, `stacked/{neighbours}`."""
    slices, own = row.get("neighbours", ()), views.place(scratch / "out/images", row["sample"])
    paths = []
    for number, place in enumerate(slices):
        folder, other = scratch / "slices" / str(number), {**row, **place}
        if place == {"image": row["image"], "page": row["page"]}:
            paths.append(own)
            continue
        import_images([other], Path(), folder, **_reduced(options, trained))
        _require_like_training(options, other, trained, folder)
        paths.append(views.place(folder, row["sample"]))
    for count in sorted({_neighbours(member) for member in options["members"]} - {0}):
        middle = paths[len(paths) // 2 - count : len(paths) // 2 + count + 1]
        write_stack(middle, views.place(scratch / "stacked" / str(count), row["sample"]))


def _neighbours(settings: Options) -> int:
    """The slices on each side that a run sees beside one."""
    return settings["predict"]["input"].get("neighbours", 0)


def _reduced(options: Options, trained: Trained) -> dict[str, Any]:
    """How an image gets fewer pixels: as those of training did, with their type before it has."""
    if "downsample" not in options:
        return {}
    card = read_json(trained.members[0] / CARD_NAME)
    seen = card.get("value_range")
    told = {"dtype": card.get("dtype"), "value_range": seen and tuple(seen)}
    return {"downsample": options["downsample"], **told}


def _require_like_training(options: Options, row: Row, trained: Trained, folder: Path) -> None:
    """Give an imported image the type of values of those of training; refuse other channels."""
    pictured = [m for m, of in zip(trained.members, options["members"], strict=True) if of["view"] == "image"]
    path = views.place(folder, row["sample"])
    for card in (read_json(member / CARD_NAME) for member in pictured):
        found = images.header(path)
        if card.get("channels", found.channels) != found.channels:
            text, expected = f"{found.channels} channel(s)", f"{card['channels']}, as the run was trained on"
            raise ImageError(row["image"], text, expected, "convert it as the training images were")
        if card.get("dtype"):
            values, seen = views.read_pixels(path), card.get("value_range")
            seen = seen and tuple(seen)
            same = as_dtype(values, card["dtype"], name=row["image"], value_range=seen)
            if is_darker(same, seen):
                text = "%s: values up to %g, and up to %g in the images trained on; has it fewer bits?"
                logger.warning(text, row["image"], same.max(), seen[1])
            if same is not values:
                images.write(path, same, mpp=found.mpp)


def _picture_of_bands(source: Path, folder: Path) -> None:
    """A grey picture of raw bands, which no blank makes a colour of: their mean, black to white."""
    for sample, path in views.samples(source).items():
        mean = views.read_pixels(path).mean(0)
        low, high = float(mean.min()), float(mean.max())
        grey = np.rint(255 * (mean - low) / max(high - low, np.finfo(np.float32).tiny)).astype(np.uint8)
        images.write(views.place(folder, sample), grey, mpp=images.header(path).mpp)


def _seen(settings: Options, trained: Trained, scratch: Path) -> Path:
    """The folder of what a run sees: bands, or the picture, with its stains normalized."""
    out, stain = scratch / "out", settings["stain"]
    if settings["view"] != "image":
        return scratch / settings["view"]
    if _neighbours(settings):
        return scratch / "stacked" / str(_neighbours(settings))
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
