# SPDX-License-Identifier: MIT
"""Kumar: 30 H&E images at 40x of seven organs, 1000 x 1000 pixels, nuclei as ImageScope XML.

Kumar et al. 2017 (doi:10.1109/TMI.2017.2677499); the images are those that MoNuSeg 2018 trains on. Layout, as
published: `Tissue images/*.tif` with `Annotations/*.xml` of the same names. The authors publish no checksums.

The parts are the paper's: 16 images of breast, liver, kidney and prostate for training; of the same organs 8,
and of bladder, colon and stomach 6, for testing, which `block` tells apart (`same`, `different`). HoVer-Net's
authors train on another 16 of the 24 (their `data/README.md`). As no part is for validation, a study holds
windows out (`sampler.holdout`).
"""

from pathlib import Path

from microtome.datasets.monuseg2018 import ORGAN, ORGANS, PATIENT
from microtome.datasets.nuclei import Row, to_sheet

__all__ = ["discover", "to_sheet"]

SAME, OTHER = ("breast", "liver", "kidney", "prostate"), ("bladder", "colon", "stomach")
SIX, TWO = 6, 2
"""The first patients of an organ, as the challenge lists them: six of `SAME`, of which the last two are for
testing, and two of `OTHER`."""
IMAGES, LABELS = "Tissue images", "Annotations"


def discover(folder: Path) -> list[Row]:
    """List the images of a folder by name.

    Raises:
        ValueError: The layout is another, images and outlines do not pair up, or a patient is not Kumar's.
    """
    places = {place.name.lower(): place for place in folder.iterdir() if place.is_dir()}
    at = {
        "tif": places.get(IMAGES.lower(), folder / IMAGES),
        "xml": places.get(LABELS.lower(), folder / LABELS),
    }
    found = [{path.stem: path for path in place.glob(f"[!.]*.{end}")} for end, place in at.items()]
    if alone := sorted(found[0].keys() ^ found[1].keys()):
        msg = f"{folder}: found {alone} without partner; '{IMAGES}/*.tif' and '{LABELS}/*.xml' must pair up"
        raise ValueError(msg)
    if not found[0]:
        msg = f"{folder}: found no '{IMAGES}/*.tif' with '{LABELS}/*.xml'; unpack the archive there"
        raise ValueError(msg)
    return [_row(folder, name, *(one[name] for one in found)) for name in sorted(found[0])]


def _row(folder: Path, name: str, image: Path, label: Path) -> Row:
    patient = name[:PATIENT]
    organ = ORGAN.get(patient, "")
    listed = ORGANS.get(organ, "").split()[: SIX if organ in SAME else TWO]
    if organ not in (*SAME, *OTHER) or patient.removeprefix("TCGA-") not in listed:
        msg = f"{image}: found patient '{patient}', expected one of the 30 of Kumar; write a sample sheet"
        raise ValueError(msg)
    tested = patient.removeprefix("TCGA-") in listed[-TWO:]
    block = ("same" if organ in SAME else "different") if tested else "train"
    paths = (path.relative_to(folder).as_posix() for path in (image, label))
    return Row(name, *paths, part="test" if tested else "train", group=organ, patient=patient, block=block)
