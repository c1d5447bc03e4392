# SPDX-License-Identifier: MIT
"""Labelled pixels of each class: counted in label files, written into a sheet, compared with what it says."""

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from microtome.class_maps import IGNORE, class_counts, colour_target, semantic_target
from microtome.config.features import Features
from microtome.files import finished_file
from microtome.io import images
from microtome.io.downsample import bands
from microtome.io.views import of_sample
from microtome.objects.features import read_areas
from microtome.objects.labels import OUTLINE_SUFFIXES
from microtome.study.sample import PIXELS, Sample
from microtome.study.sheet_cells import filled

logger = logging.getLogger(__name__)
Row = Mapping[str, Any]
Options = Mapping[str, Any]
BAND = 1024
"""Rows of outlines that are drawn at once."""


def count_labelled(row: Row, root: Path, targets: Options) -> dict[str, int]:
    """Count the pixels of each class in a label as it is, whatever `data.downsample` makes of it.

    Args:
        row: Of the sheet, with sample, image (for the size of outlines), label, page.
        root: Folder that the row's paths start from.
        targets: As for `stages.targets.rasterize_targets`, of kind `semantic`.

    Returns:
        Class name to pixels, in class order; those that are ignored are of no class.

    Raises:
        ValueError: The label cannot be read, or has values that no class has; names the sample.
    """
    names = [name for name, _ in targets["classes"]]
    total = np.zeros(len(names), np.int64)
    with of_sample(row["sample"]):
        for band in _bands(row, root, targets):
            total += class_counts(band, len(names))
    return dict(zip(names, total.tolist(), strict=True))


def check_counts(row: Row, root: Path, targets: Options) -> None:
    """Compare a label with the labelled pixels that the sheet says of it, where it says some.

    Args:
        row: Of the sheet, with columns `pixels_<class>`.
        root: Folder that the row's paths start from.
        targets: As for `count_labelled`.

    Raises:
        ValueError: They differ; folds that were balanced by them are none.
    """
    said = {key.removeprefix(PIXELS): n for key, n in row.items() if key.startswith(PIXELS) and n}
    if not said:
        return
    counted = count_labelled(row, root, targets)
    wrong = [
        f"{counted[name]} of {name} ({PIXELS}{name}: {n})"
        for name, n in said.items()
        if int(n) != counted[name]
    ]
    if wrong:
        msg = (
            f"sample {row['sample']}: label '{row['label']}' has other pixels than the sheet says: "
            f"{', '.join(wrong)}; correct the label, or count again: python -m microtome count SHEET"
        )
        raise ValueError(msg)


def count_sheet(sheet: Path, samples: Sequence[Sample], root: Path, targets: Options) -> int:
    """Write the labelled pixels of each class into the columns `pixels_<class>` of a sheet.

    Args:
        sheet: Written whole or not at all; other columns stay as they are.
        samples: Its rows; those without a label get empty cells.
        root: Folder that their paths start from.
        targets: As for `count_labelled`.

    Returns:
        Number of rows whose counts were not what they are now.

    Raises:
        ValueError: A label cannot be counted; names the sample.
    """
    columns = [PIXELS + name for name, _ in targets["classes"]]
    cells: dict[int, dict[str, str]] = {}
    for one in samples:
        row = {"sample": one.sample, "image": one.image, "label": one.label, "page": one.page}
        counts = count_labelled(row, root, targets) if one.label else {}
        cells[one.row] = {name: str(counts.get(name.removeprefix(PIXELS), "")) for name in columns}
        logger.info("%s: %s", one.sample, counts or "no label")
    text = filled(sheet, columns, cells)
    with finished_file(sheet) as partial:
        partial.write_text(text, encoding="utf-8", newline="")
    before = {one.row: {name: one.more.get(name, "") for name in columns} for one in samples}
    return sum(before[row] != now for row, now in cells.items())


def _bands(row: Row, root: Path, targets: Options) -> Iterator[np.ndarray]:
    """Class indices (H, W) of a label by bands; whole where colours or few bits have to be understood."""
    path, name = root / row["label"], f"label '{row['label']}' of sample {row['sample']}"
    if path.suffix.lower() in OUTLINE_SUFFIXES:
        yield from _drawn(path, root / row["image"], row["page"], targets)
        return
    if colors := targets.get("colors"):
        pixels = images.read(path, page=row["page"], palette="colours")
        yield colour_target(pixels, dict(colors), ignore=targets["ignore_colors"], name=name)
        return
    source = images.open_source(path, page=row["page"], palette="index", cache_bytes=0)
    known = {"classes": dict(targets["classes"]), "ignore": targets["ignore"], "name": name}
    if (step := images.header(path).step) > 1:
        band = source.read(0, 0, *source.shape[1:])
        yield semantic_target(_plane(band), **known, step=step)
        return
    for _, _, band in bands(source, 1):
        yield semantic_target(_plane(band), **known)


def _plane(band: np.ndarray) -> np.ndarray:
    """Values (H, W) of a label (1, H, W); channels last of what is none."""
    return band[0] if len(band) == 1 else np.moveaxis(band, 0, -1)


def _drawn(path: Path, image: Path, page: int | None, targets: Options) -> Iterator[np.ndarray]:
    """Class indices of outlines, which have the size of their image."""
    header, classes = images.header(image).of_page(page), [name for name, _ in targets["classes"]]
    shape, outside = (header.height, header.width), targets["outside"]
    options = {key: targets[key] for key in ("order", "convention")} | {"classes": classes}
    options |= {"regions": dict(targets.get("regions", ()))}
    options["outside"] = IGNORE if outside is None else classes.index(outside)
    areas, _ = read_areas(path, shape, Features.model_validate(targets["features"]), **options)
    yield from (band.classes for band in areas.bands(shape, BAND))
