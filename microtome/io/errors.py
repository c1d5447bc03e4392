# SPDX-License-Identifier: MIT
"""Errors of files: what was found, what was expected, and the remedy."""

from functools import partial
from pathlib import Path


class FileContentError(ValueError):
    """A file or an array that cannot be used; the message names it, the finding and the remedy."""


class ImageError(FileContentError):
    """An image file or array that cannot be used."""


class AnnotationError(FileContentError):
    """An annotation file that cannot be used; the message names the region too."""


class CubeError(FileContentError):
    """A cube cannot be read or written exactly.

    Args:
        path: The file.
        found: What was found.
        expected: What was expected.
        remedy: What to do about it.
    """

    def __init__(self, path: Path | str, *, found: str, expected: str, remedy: str) -> None:
        super().__init__(f"{path}: found {found}, expected {expected}; {remedy}.")
        self.path, self.found, self.expected, self.remedy = Path(path), found, expected, remedy

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle with the parts, so that a pool of processes can hand it back."""
        again = partial(type(self), found=self.found, expected=self.expected, remedy=self.remedy)
        return again, (self.path,)


class EnviError(CubeError):
    """An ENVI header or its data file is at fault."""
