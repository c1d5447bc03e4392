# SPDX-License-Identifier: MIT
"""One slide in the files of several scanners, all with the same compressed tiles.

Tiles are compressed once and passed through, so that all of these show the same pixels to whoever decodes
them with the same library. Levels are half as fine each in TIFF, OME-TIFF and DICOM, and a quarter in SVS and
SCN, as their scanners have them.
"""

from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from pydicom import Dataset, FileMetaDataset, Sequence
from pydicom.encaps import encapsulate
from pydicom.uid import JPEGBaseline8Bit, VLWholeSlideMicroscopyImageStorage, generate_uid

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.phantoms.slides import slide_files
from microtome.phantoms.slides.scanning import scan_tile
from microtome.phantoms.slides.sheet import slides
from microtome.phantoms.slides.simulation import Section, mount, simulate
from microtome.phantoms.slides.slide_files import MULTIPLE, SIDE, Pyramid, Scan

Pixels = NDArray[np.uint8]
WHITE = np.array([245, 240, 244], np.uint8)
OPTIONS = {"height": 1300, "width": 2400, "sections": 2, "seed": 3}
"""Of the phantom that tests share: two sections, the first with a nodular tumour, the other without."""


@cache
def phantom(mpp: float = 1.0) -> tuple[Pixels, tuple[Section, ...]]:
    """The pixels ``(H, W, 3)`` of a slide of the phantom, and its sections with their truth (µm)."""
    settings = SlidePhantomData(mpp=mpp, **OPTIONS)
    slide = slides(settings)[0]
    sections = simulate(settings, slide)
    glass = mount(settings, slide, sections)
    rows, columns = (-(-side // SIDE) for side in glass.shape)
    image = np.broadcast_to(glass.white, (rows * SIDE, columns * SIDE, 3)).copy()
    for row, column in np.ndindex(rows, columns):
        tile = scan_tile(glass, row, column, SIDE)
        if tile is not None:
            image[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE] = tile
    return image[: glass.shape[0], : glass.shape[1]], sections


def write(kind: str, folder: Path, image: Pixels, mpp: float) -> Path:
    """Write an image ``(H, W, 3)`` as a slide; its sides are multiples of 64, or of 16 without levels.

    Args:
        kind: `tiff`, `svs`, `scn`, `ome` or `dicom`.
        folder: Where to; it is made.
        image: The pixels.
        mpp: Micrometres per pixel.

    Returns:
        The file that names the slide: of a DICOM series its first instance.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return FORMATS[kind](folder, scan_of(image, mpp))


def scan_of(image: Pixels, mpp: float) -> Scan:
    """An image as what a scanner gives, tile by tile."""
    if any(side % MULTIPLE for side in image.shape[:2]):
        msg = f"an image of {image.shape[:2]}; expected sides that are multiples of {MULTIPLE}"
        raise ValueError(msg)

    def tile(row: int, column: int) -> Pixels:
        found = np.broadcast_to(WHITE, (SIDE, SIDE, 3)).copy()
        part = image[row * SIDE : (row + 1) * SIDE, column * SIDE : (column + 1) * SIDE]
        found[: part.shape[0], : part.shape[1]] = part
        return found

    return Scan(image.shape[:2], mpp, tile, WHITE)


def _as(kind: str, suffix: str) -> Callable[[Path, Scan], Path]:
    def written(folder: Path, scan: Scan) -> Path:
        slide_files.write(folder / f"slide.{suffix}", scan, kind)
        return folder / f"slide.{suffix}"

    return written


def _ome(folder: Path, scan: Scan) -> Path:
    """Levels as SubIFDs of the first page, as Bio-Formats writes them."""
    path, pyramid = folder / "slide.ome.tif", Pyramid(scan, factor=2)
    size = {"PhysicalSizeX": scan.mpp, "PhysicalSizeY": scan.mpp}
    units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm"}
    page = pyramid.page(0) | {"metadata": {"axes": "YXS", **size, **units}}
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(**page, subifds=len(pyramid.shapes) - 1)
        for level in range(1, len(pyramid.shapes)):
            file.write(**pyramid.page(level))
    return path


def _dicom(folder: Path, scan: Scan) -> Path:
    """A series of VL Whole Slide Microscopy images, one instance a level (DICOM PS3.3, A.32.8)."""
    pyramid, series = Pyramid(scan, factor=2), generate_uid(entropy_srcs=["microtome", str(scan.mpp)])
    for level, shape in enumerate(pyramid.shapes):
        tiles = list(pyramid.tiles(level))
        instance = _instance(series, level, shape, scan.mpp * 2**level, tiles)
        instance.save_as(folder / f"level-{level}.dcm", enforce_file_format=True)
    return folder / "level-0.dcm"


def _instance(series: str, level: int, shape: tuple[int, int], mpp: float, tiles: list[bytes]) -> Dataset:
    found = Dataset()
    found.file_meta = FileMetaDataset()
    found.file_meta.TransferSyntaxUID = JPEGBaseline8Bit
    found.SOPClassUID = found.file_meta.MediaStorageSOPClassUID = VLWholeSlideMicroscopyImageStorage
    uid = generate_uid(entropy_srcs=[series, str(level)])
    found.SOPInstanceUID = found.file_meta.MediaStorageSOPInstanceUID = uid
    found.StudyInstanceUID = generate_uid(entropy_srcs=[series, "study"])
    found.FrameOfReferenceUID = generate_uid(entropy_srcs=[series, "frame"])
    found.SeriesInstanceUID, found.Modality, found.InstanceNumber = series, "SM", level + 1
    found.PatientName, found.PatientID = "Phantom", "phantom"
    found.ImageType = ["ORIGINAL" if level == 0 else "DERIVED", "PRIMARY", "VOLUME"]
    found.ImageType += ["NONE" if level == 0 else "RESAMPLED"]
    found.DimensionOrganizationType = "TILED_FULL"
    found.TotalPixelMatrixRows, found.TotalPixelMatrixColumns = shape
    found.ImagedVolumeHeight, found.ImagedVolumeWidth = (side * mpp / 1e3 for side in shape)
    found.Rows = found.Columns = SIDE
    found.NumberOfFrames, found.TotalPixelMatrixFocalPlanes = len(tiles), 1
    found.SamplesPerPixel, found.PlanarConfiguration = 3, 0
    found.BitsAllocated, found.BitsStored, found.HighBit, found.PixelRepresentation = 8, 8, 7, 0
    found.PhotometricInterpretation = "YBR_FULL_422"
    found.LossyImageCompression, found.LossyImageCompressionMethod = "01", "ISO_10918_1"
    measures, groups = Dataset(), Dataset()
    measures.PixelSpacing, measures.SliceThickness = [mpp / 1e3, mpp / 1e3], 0.004
    groups.PixelMeasuresSequence = Sequence([measures])
    found.SharedFunctionalGroupsSequence = Sequence([groups])
    path = Dataset()
    path.OpticalPathIdentifier = "1"
    found.OpticalPathSequence, found.NumberOfOpticalPaths = Sequence([path]), 1
    found.PixelData = encapsulate(tiles)
    found["PixelData"].is_undefined_length = True
    return found


FORMATS: dict[str, Callable[[Path, Scan], Path]] = {
    "tiff": _as("tiff", "tif"),
    "svs": _as("svs", "svs"),
    "scn": _as("scn", "scn"),
    "ome": _ome,
    "dicom": _dicom,
}
