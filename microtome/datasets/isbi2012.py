# SPDX-License-Identifier: MIT
"""ISBI 2012 EM segmentation challenge: from its folders or stacks to sample rows.

Serial-section TEM of the Drosophila larva ventral nerve cord, 4x4x50 nm (Cardona et al. 2010,
doi:10.1371/journal.pbio.1000502); challenge: Arganda-Carreras et al. 2015, doi:10.3389/fnana.2015.00142.
Labels are 0 on membranes and 255 in cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from microtome.io import images

MPP = 0.004
STACKS = ("train-volume.tif", "train-labels.tif")
FOLDERS = ("train/images", "train/labels")
COLUMNS = ("sample", "block", "group", "part", "image", "label")
ORDERS = ("page", "z")


@dataclass(frozen=True)
class Row:
    """One labelled slice.

    Attributes:
        sample: Unique name.
        block: Block of consecutive slices that must stay in one part of a split.
        part: ``train``, ``val``, ``test`` or empty.
        image: Image file, relative to the data set's folder.
        label: Label file, likewise.
        page: Page of both files; None where each slice is a file of its own.
        z: Number of the slice in the stack; None where the page says it.
        group: What a split balances; one stack is one group.
    """

    sample: str
    block: str
    part: str
    image: str
    label: str
    page: int | None = None
    group: str = "vnc"
    z: int | None = None


def discover(folder: Path, *, block: int = 3, parts: Mapping[str, int] | None = None) -> list[Row]:
    """List the labelled slices of a folder, in stack order.

    Two layouts are known: ``train/images/NN.png`` with ``train/labels/NN.png``, and the challenge's
    ``train-volume.tif`` with ``train-labels.tif``.

    Args:
        folder: The data set.
        block: Consecutive slices in one block; neighbours resemble each other.
        parts: Number of slices of each part, in stack order; None leaves the part empty.

    Returns:
        One row per slice.

    Raises:
        ValueError: If neither layout is there, images and labels do not pair up, or the parts do not add up
            or cut through a block.
    """
    if block < 1:
        msg = f"found block={block}, expected at least one slice in a block."
        raise ValueError(msg)
    if all((folder / name).is_file() for name in STACKS):
        places = _stack_places(folder)
    elif all((folder / name).is_dir() for name in FOLDERS):
        places = _folder_places(folder)
    else:
        found = f"{folder}: found neither {' and '.join(STACKS)} nor the folders {' and '.join(FOLDERS)}"
        msg = f"{found}; fetch the data set isbi2012_em or correct the path."
        raise ValueError(msg)
    assigned = _parts(len(places), block, parts)
    return [
        Row(
            f"slice-{number:02d}",
            f"b{number // block}",
            part,
            image,
            label,
            page,
            z=number if page is None else None,
        )
        for number, ((image, label, page), part) in enumerate(zip(places, assigned, strict=True))
    ]


def to_sheet(rows: Sequence[Row]) -> str:
    """Format rows as a sample sheet (tab-separated, with a header; ``page`` and ``z`` only where filled).

    Example:
        >>> print(to_sheet([Row("slice-00", "b0", "train", "i/0.png", "l/0.png")]).replace(chr(9), " "))
        sample block group part image label
        slice-00 b0 vnc train i/0.png l/0.png
    """
    orders = [name for name in ORDERS if any(getattr(row, name) is not None for row in rows)]
    columns = [*COLUMNS, *orders]
    lines = ["\t".join(columns)]
    lines += ["\t".join(str(getattr(row, column)) for column in columns) for row in rows]
    return "\n".join(lines) + "\n"


def _folder_places(folder: Path) -> list[tuple[str, str, None]]:
    stems = [{path.name for path in (folder / name).glob("*.png")} for name in FOLDERS]
    if not stems[0] or stems[0] != stems[1]:
        alone = sorted(stems[0] ^ stems[1])
        found = f"found {alone or 'no PNG files'} without partner"
        msg = f"{folder}: images and labels must pair up by name; {found}."
        raise ValueError(msg)
    return [(f"{FOLDERS[0]}/{name}", f"{FOLDERS[1]}/{name}", None) for name in sorted(stems[0])]


def _stack_places(folder: Path) -> list[tuple[str, str, int]]:
    image, label = (images.header(folder / name) for name in STACKS)
    if (image.pages, image.height, image.width) != (label.pages, label.height, label.width):
        found = f"{image.pages}x{image.height}x{image.width} and {label.pages}x{label.height}x{label.width}"
        msg = f"{folder}: found stacks of {found} (pages, rows, columns); expected the same for both."
        raise ValueError(msg)
    return [(*STACKS, page) for page in range(image.pages)]


def _parts(count: int, block: int, parts: Mapping[str, int] | None) -> list[str]:
    if parts is None:
        return [""] * count
    if sum(parts.values()) != count or any(size < 0 for size in parts.values()):
        msg = f"found parts {dict(parts)} for {count} slices; the sizes must add up to the number of slices."
        raise ValueError(msg)
    assigned = [part for part, size in parts.items() for _ in range(size)]
    for start in range(0, count, block):
        if len(set(assigned[start : start + block])) > 1:
            cut = f"slices {start} to {start + block - 1}"
            msg = f"parts {dict(parts)} cut the block of {cut}; use multiples of {block}."
            raise ValueError(msg)
    return assigned
