# SPDX-License-Identifier: MIT
"""Down-sampling a mosaic and its label, from disk to disk, against scikit-image."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.slide_files import scratch

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIDE, QUICK_SIDE, FACTOR, BAND = 12_000, 1_200, 4, 400
CLASSES = 7
IMAGE, LABEL = "image.tif", "label.tif"


def mosaic(side: int) -> Path:
    """A folder with a mosaic and its label, written in another process than the one that is measured."""
    folder = scratch()
    command = [sys.executable, "-m", "benchmarks.mosaic_downsampling", folder.as_posix(), str(side)]
    subprocess.run(command, check=True)
    return folder


def write_here(folder: Path, side: int) -> None:
    """Write speckle as a plain TIFF, and regions as one of deflated tiles."""
    import numpy as np
    import tifffile
    from scipy import ndimage

    rng = np.random.default_rng(0)
    band = ndimage.gaussian_filter(rng.normal(size=(BAND, side)), 1.5)
    band = np.clip(110 + 60 * band / band.std(), 0, 255).astype(np.uint8)
    tifffile.imwrite(folder / IMAGE, np.tile(band, (side // BAND, 1)), resolution=(2e4, 2e4, "CENTIMETER"))
    places = ndimage.zoom(rng.integers(0, CLASSES, (side // BAND, side // BAND)), BAND, order=0)
    tifffile.imwrite(folder / LABEL, places.astype(np.uint8), tile=(512, 512), compression="zlib")


def streamed(quick: bool) -> Prepared:
    """The stages of the workflow, which also turn values into classes."""
    from microtome.stages.images import import_images
    from microtome.stages.targets import rasterize_targets

    folder = mosaic(QUICK_SIDE if quick else SIDE)
    row = {"sample": "a", "image": IMAGE, "label": LABEL, "page": None, "mpp": 0.5}
    classes = [(f"class {value}", value) for value in range(CLASSES)]
    targets = {"kind": "semantic", "classes": classes, "ignore": (), "downsample": FACTOR}

    def run() -> Path:
        import_images([row], folder, folder / "images", downsample=FACTOR)
        rasterize_targets([row], folder, folder / "targets", targets=targets)
        return folder

    return Prepared(run, error=lambda _: largest_error(folder, "images/a.tif", "targets/a.tif"))


def of_skimage(quick: bool) -> Prepared:
    """What a script would do: read, `downscale_local_mean`, round, write; of the label every fourth pixel."""
    import numpy as np
    import tifffile
    from skimage.transform import downscale_local_mean

    folder = mosaic(QUICK_SIDE if quick else SIDE)
    stored: dict[str, Any] = {"tile": (512, 512), "compression": "zlib", "compressionargs": {"level": 1}}

    def run() -> Path:
        mean = downscale_local_mean(tifffile.imread(folder / IMAGE), (FACTOR, FACTOR))
        tifffile.imwrite(folder / "small.tif", np.floor(mean + 0.5).astype(np.uint8), **stored)
        label = tifffile.imread(folder / LABEL)[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]
        tifffile.imwrite(folder / "classes.tif", label, **stored)
        return folder

    return Prepared(run, error=lambda _: largest_error(folder, "small.tif", "classes.tif"))


def largest_error(folder: Path, image: str, label: str) -> float:
    """Largest difference of both files from sums of whole numbers and from picked pixels."""
    import numpy as np
    import tifffile

    whole, truth = tifffile.imread(folder / IMAGE), tifffile.imread(folder / LABEL)
    side = whole.shape[0] // FACTOR
    sums = whole.reshape(side, FACTOR, side, FACTOR).sum((1, 3), dtype=np.int64)
    expected = (sums + FACTOR**2 // 2) // FACTOR**2
    picked = truth[FACTOR // 2 :: FACTOR, FACTOR // 2 :: FACTOR]
    return max(_apart(folder / image, expected), _apart(folder / label, picked))


def _apart(path: Path, expected: NDArray) -> float:
    import numpy as np
    import tifffile

    return float(np.abs(tifffile.imread(path).squeeze().astype(np.int64) - expected).max())


Variant = Callable[[bool], Prepared]
VARIANTS: dict[str, Variant] = {"streamed": streamed, "skimage": of_skimage}

CASE = Case(
    name="mosaic_downsampling",
    title=f"a mosaic of {SIDE}² bytes and its label to {SIDE // FACTOR}², disk to disk",
    variants=VARIANTS,
    comparisons=[
        Comparison("against scikit-image", "streamed", "skimage", 2.0),
        Comparison("likewise: added memory", "streamed", "skimage", 5.0, metric="peak_mb"),
    ],
    note="the stages of the workflow also turn label values into class indices and write pyramids",
)

if __name__ == "__main__":
    write_here(Path(sys.argv[1]), int(sys.argv[2]))
