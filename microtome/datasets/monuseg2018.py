# SPDX-License-Identifier: MIT
"""MoNuSeg 2018 nucleus segmentation challenge: from its folders to sample rows.

H&E sections of The Cancer Genome Atlas at 40x (0.25 µm), 1000x1000 pixels, one image a patient: 30 for
training of seven organs (Kumar et al. 2017, doi:10.1109/TMI.2017.2677499) and 14 for testing of seven, two of
them new (Kumar et al. 2020, doi:10.1109/TMI.2019.2947628). Organs are named as the challenge lists them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

MPP = 0.25
PATIENT = len("TCGA-XX-XXXX")
ORGANS = {
    "breast": "A7-A13E A7-A13F AR-A1AK AR-A1AS E2-A1B5 E2-A14V AC-A2FO AO-A0J2",
    "liver": "18-5592 38-6178 49-4488 50-5931 21-5784 21-5786",
    "kidney": "B0-5711 HE-7128 HE-7129 HE-7130 B0-5710 B0-5698 2Z-A9J9 GL-6846 IZ-8196",
    "prostate": "G9-6336 G9-6348 G9-6356 G9-6363 CH-5767 G9-6362 EJ-A46H HC-7209",
    "bladder": "DK-A2I6 G2-A2EK CU-A0YN ZF-A9R5",
    "colon": "AY-A8YK NH-A8F7 A6-6782",
    "stomach": "KB-A93J RD-A8N9",
    "lung": "44-2665 69-7764",
    "brain": "FG-A4MU HT-8564",
}
"""Patients of each organ, without "TCGA-"; the order of the organs is that of the challenge's table."""
ORGAN = {f"TCGA-{code}": organ for organ, codes in ORGANS.items() for code in codes.split()}
HELD_OUT = {"test": ("breast", "liver", "kidney", "prostate", "bladder", "colon"), "val": ("breast", "liver")}
"""Organs that give an image to each part where the challenge's test images are not at hand."""
FOLDERS = {"train": ("train/images", "train/labels"), "test": ("test/images", "test/labels")}
CHALLENGE = {
    "train": ("MoNuSeg 2018 Training Data/Tissue Images", "MoNuSeg 2018 Training Data/Annotations"),
    "test": ("MoNuSegTestData", "MoNuSegTestData"),
}
LAYOUTS = ((FOLDERS, ".png", ".png"), (CHALLENGE, ".tif", ".xml"))
COLUMNS = ("sample", "patient", "group", "part", "image", "label", "mpp")


@dataclass(frozen=True)
class Row:
    """One annotated image.

    Attributes:
        sample: Its name in the challenge.
        patient: The patient, who must stay in one part of a split.
        group: The organ, which a split balances.
        part: ``train``, ``val`` or ``test``.
        image: Image file, relative to the data set's folder.
        label: File of the nuclei: an instance image or the challenge's XML.
        mpp: Micrometres per pixel.
    """

    sample: str
    patient: str
    group: str
    part: str
    image: str
    label: str
    mpp: float = MPP


def discover(folder: Path) -> list[Row]:
    """List the annotated images of a folder: training, then test, by name.

    Two layouts are known, each with or without its test images: ``train/images/*.png`` with
    ``train/labels/*.png`` (and ``test/…`` alike), and the challenge's own archives, unpacked side by side:
    ``MoNuSeg 2018 Training Data/Tissue Images/*.tif`` with ``…/Annotations/*.xml``, and ``MoNuSegTestData``
    with both.

    Args:
        folder: The data set.

    Returns:
        One row per image, in the challenge's parts.

    Raises:
        ValueError: If neither layout is there, images and labels do not pair up, or a patient is unknown.
    """
    for layout, image_suffix, label_suffix in LAYOUTS:
        if (folder / layout["train"][0]).is_dir():
            return [
                _row(folder, part, name, (images_at, image_suffix), (labels_at, label_suffix))
                for part, (images_at, labels_at) in layout.items()
                for name in _names(folder, (images_at, image_suffix), (labels_at, label_suffix))
            ]
    found = f"{folder}: found neither '{FOLDERS['train'][0]}' nor '{CHALLENGE['train'][0]}'"
    remedy = "fetch the data set monuseg2018, unpack the challenge's archives there, or correct the path"
    msg = f"{found}; {remedy}."
    raise ValueError(msg)


def hold_out(rows: Sequence[Row]) -> list[Row]:
    """Divide the 30 training images into 22 for training, 2 for validation and 6 for testing.

    For use where the challenge's test images are not at hand. The rule looks at names alone: of each of the
    first six organs of the challenge's table, the image whose name sorts last is for testing; of each of the
    first two, the last of the others is for validation. The target of the stain normalization
    (TCGA-B0-5711-01Z-00-DX1) stays in training.

    Args:
        rows: The training images.

    Returns:
        The same rows, with other parts.

    Raises:
        ValueError: If an organ has too few images, or patients have several.
    """
    if len({row.patient for row in rows}) < len(rows):
        found = f"found {len(rows)} images of fewer patients, expected one of each"
        msg = f"{found}; a patient stays in one part."
        raise ValueError(msg)
    parts: dict[str, str] = {}
    for part, organs in HELD_OUT.items():
        for organ in organs:
            left = sorted(row.sample for row in rows if row.group == organ and row.sample not in parts)
            if not left:
                msg = f"found no image of {organ} for part '{part}'; expected the 30 training images."
                raise ValueError(msg)
            parts[left[-1]] = part
    return [replace(row, part=parts.get(row.sample, "train")) for row in rows]


def to_sheet(rows: Sequence[Row]) -> str:
    """Format rows as a sample sheet (tab-separated, with a header).

    Example:
        >>> row = Row("TCGA-B0-5711-01Z-00-DX1", "TCGA-B0-5711", "kidney", "train", "i.png", "l.png")
        >>> print(to_sheet([row]).replace(chr(9), " "))
        sample patient group part image label mpp
        TCGA-B0-5711-01Z-00-DX1 TCGA-B0-5711 kidney train i.png l.png 0.25
    """
    lines = ["\t".join(COLUMNS)]
    lines += ["\t".join(str(getattr(row, column)) for column in COLUMNS) for row in rows]
    return "\n".join(lines) + "\n"


def _names(folder: Path, image: tuple[str, str], label: tuple[str, str]) -> list[str]:
    """Names of the images that a part has, each with its label; none where the part is not there."""
    found = [
        {path.stem for path in (folder / place).glob(f"[!.]*{suffix}")} for place, suffix in (image, label)
    ]
    alone = sorted(found[0] ^ found[1])
    if alone:
        places = f"'{image[0]}' (*{image[1]}) and '{label[0]}' (*{label[1]})"
        msg = f"{folder}: found {alone} without partner; images and labels in {places} must pair up by name."
        raise ValueError(msg)
    return sorted(found[0])


def _row(folder: Path, part: str, name: str, image: tuple[str, str], label: tuple[str, str]) -> Row:
    patient = name[:PATIENT]
    if patient not in ORGAN:
        where = folder / image[0] / f"{name}{image[1]}"
        msg = f"{where}: found patient '{patient}', expected one of MoNuSeg 2018; write a sample sheet."
        raise ValueError(msg)
    paths = (f"{place}/{name}{suffix}" for place, suffix in (image, label))
    return Row(name, patient, ORGAN[patient], part, *paths)
