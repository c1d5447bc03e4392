# SPDX-License-Identifier: MIT
"""Errors of files: what was found, what was expected, and the remedy."""


class FileContentError(ValueError):
    """A file or an array that cannot be used.

    Args:
        path: The file, or what else the message names; alone, it is the whole message.
        found: What was found.
        expected: What was expected.
        remedy: What to do about it.

    Example:
        >>> print(ImageError("a.tif", "an empty file", "an image", "copy it again"))
        a.tif: found an empty file, expected an image; copy it again.
    """

    def __init__(self, path: object, found: str = "", expected: str = "", remedy: str = "") -> None:
        super().__init__(path, found, expected, remedy)
        self.path, self.found, self.expected, self.remedy = path, found, expected, remedy

    def __str__(self) -> str:
        told = f"{self.path}: found {self.found}, expected {self.expected}; {self.remedy}."
        return told if self.found else str(self.path)


class ImageError(FileContentError):
    """An image file or array that cannot be used."""


class VolumeError(ImageError):
    """A file of volumes (NRRD, MATLAB) that is no image, or not the whole of one."""


class AnnotationError(FileContentError):
    """An annotation file that cannot be used; the message names the region too."""


class CubeError(FileContentError):
    """A cube cannot be read or written exactly."""


class EnviError(CubeError):
    """An ENVI header or its data file is at fault."""
