# SPDX-License-Identifier: MIT
"""Views of a sample: folders that hold one picture, map, target or cube a sample, under the sample's name.

Whoever lists, finds or opens the samples of a folder does it here: the picture of a sample is a TIFF, or a
reference to a slide (`microtome.io.slides`), which stays where it is.
"""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microtome.io import images
from microtome.io.raster import EVERY, Raster

IMAGE = ".tif"
"""Ending of images, targets and maps."""
SLIDE = images.SLIDE
"""Ending of references to slides, which lie where images do."""
CUBE = ".hdr"
"""Ending of cubes: the ENVI header."""
FULL = "full"
"""Folder of class maps of labels that are complete, beside those of the labels that a study works with."""
REGIONS = "regions"
"""Folder of the maps of regions, a bit of each pixel for each, beside the class maps."""
INSTANCES = "instances"
"""Folder of the maps of objects, beside the class maps."""
PROFILES = "profiles"
"""Folder of the images' own stain profiles, `{sample}.json`, beside the normalized images."""
BLOCK = 2**20
"""Bytes of a file that are read at a time."""
WHITE = 255
"""What probability 1 is in a map of bytes."""


def place(folder: Path, sample: str, *, ending: str = IMAGE) -> Path:
    """Where the file of a sample lies in a folder, or will lie.

    Example:
        >>> place(Path("images/0000"), "a").as_posix()
        'images/0000/a.tif'
    """
    return folder / f"{sample}{ending}"


def samples(*folders: Path, ending: str = IMAGE) -> dict[str, Path]:
    """The files of folders by sample, folder after folder, each in order; of two of a name, the later one.

    Where images are asked for, references to slides are found, too.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for name in ("b.tif", "a.tif", "a.json", "c.slide"):
        ...     (folder / name).touch()
        >>> list(samples(folder))
        ['a', 'b', 'c']
    """
    endings = _endings(ending)
    return {
        path.stem: path
        for folder in folders
        for path in sorted(file for each in endings for file in folder.glob(f"*{each}"))
    }


def _endings(ending: str) -> tuple[str, ...]:
    return (IMAGE, SLIDE) if ending == IMAGE else (ending,)


def find_sample(folders: Iterable[Path], sample: str) -> Path:
    """The file of a sample in one of several batch folders.

    Raises:
        FileNotFoundError: None has it.
    """
    folders = [Path(folder) for folder in folders]
    for path in (place(folder, sample, ending=one) for folder in folders for one in _endings(IMAGE)):
        if path.is_file():
            return path
    msg = f"no file of sample '{sample}' in {', '.join(map(str, folders))}; has it an image and a label?"
    raise FileNotFoundError(msg)


@contextmanager
def of_sample(sample: str) -> Iterator[None]:
    """Name a sample in what goes wrong with it, where the message names neither it nor a file.

    Example:
        >>> try:
        ...     with of_sample("a"):
        ...         raise ValueError("nothing is labelled")
        ... except ValueError as error:
        ...     print(error)
        sample a: nothing is labelled
    """
    try:
        yield
    except ValueError as error:
        is_named = any(said in str(error) for said in (f"sample {sample}", f"'{sample}'", f"/{sample}."))
        if type(error) is not ValueError or is_named:
            raise
        msg = f"sample {sample}: {error}"
        raise ValueError(msg) from error


def open_raster(path: Path) -> Raster:
    """Open the file of a sample for reading by windows.

    Raises:
        ImageError: It cannot be read.
    """
    return images.open_source(path)


@dataclass(frozen=True)
class Probabilities:
    """Maps that are kept as bytes, 255 times the probability, as a raster of probabilities."""

    source: Raster

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, rows, columns."""
        return self.source.shape

    @property
    def dtype(self) -> np.dtype:
        """That of probabilities."""
        return np.dtype(np.float32)

    def read(self, y: int, x: int, height: int, width: int, channels: slice = EVERY) -> NDArray[np.float32]:
        """Probabilities in a window."""
        return self.source.read(y, x, height, width, channels) / np.float32(WHITE)


def open_map(path: Path) -> Raster:
    """Open a probability map for reading by windows: float32, 0 to 1, also where it is kept as bytes.

    Raises:
        ImageError: It cannot be read.
    """
    source = open_raster(path)
    return Probabilities(source) if source.dtype == np.uint8 else source


def read_map(path: Path) -> NDArray[np.float32]:
    """Read a probability map whole: (K, H, W) float32, 0 to 1, also where it is kept as bytes.

    Raises:
        ImageError: It cannot be read.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "a.tif"
        >>> images.write(path, np.array([[0, 51, 255]], np.uint8))
        >>> read_map(path).tolist() == [[[0, np.float32(0.2), 1]]]
        True
    """
    source = open_map(path)
    return source.read(0, 0, *source.shape[1:])


def read_pixels(path: Path) -> NDArray:
    """Read the file of a sample whole, as it is kept: (channels, H, W).

    Raises:
        ImageError: It cannot be read.
    """
    source = open_raster(path)
    return source.read(0, 0, *source.shape[1:])


def content(path: Path) -> Iterator[bytes]:
    """What tells two files of samples apart, in blocks: their bytes; of references to slides, not the place.

    A reference names its slide by a digest and a size, so no pixel is read.
    """
    if path.suffix == SLIDE:
        told = json.loads(path.read_text(encoding="utf-8"))
        told.pop("path")
        yield json.dumps(told, sort_keys=True).encode()
        return
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            yield block
