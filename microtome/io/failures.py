# SPDX-License-Identifier: MIT
"""Records of samples that could not be read: `{sample}.failed.json` takes the place of their results.

Where a slide of the part that is only tested is damaged, the others go on; whoever comes later passes the
record on, leaves the sample out, and counts it.
"""

import json
import logging
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from microtome.files import write_json
from microtome.io.errors import FileContentError

logger = logging.getLogger(__name__)

ENDING = ".failed.json"


@dataclass(frozen=True)
class Failure:
    """Why there is no result of a sample.

    Attributes:
        sample: Its name.
        path: Its file.
        what: What was found.
        where: The file, or the place in it.
        expected: What was expected.
        remedy: What to do about it.

    Example:
        >>> print(Failure("a", "a.svs", "a damaged tile", "a.svs, tile (3, 4)", "a whole file", "copy it"))
        a: a.svs, tile (3, 4): found a damaged tile, expected a whole file; copy it
    """

    sample: str
    path: str
    what: str
    where: str
    expected: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.sample}: {self.where}: found {self.what}, expected {self.expected}; {self.remedy}"

    def write(self, folder: Path) -> None:
        """Write the record into a folder."""
        write_json(folder / f"{self.sample}{ENDING}", asdict(self))


def of_error(sample: str, path: Path | str, error: FileContentError) -> Failure:
    """The record of an error of a sample's file.

    Example:
        >>> of_error("a", "a.svs", FileContentError("a.svs", "no tissue", "some", "leave it out")).what
        'no tissue'
    """
    found = error.found or str(error).removeprefix(f"{path}: ").rstrip(".")
    expected, remedy = error.expected or "a slide that can be read", error.remedy or "copy the file again"
    return Failure(sample, str(path), found, str(error.path if error.found else path), expected, remedy)


@contextmanager
def recorded(sample: str, path: Path | str, folder: Path, *, may_fail: bool) -> Iterator[None]:
    """Record an error of a sample's file in place of what was written of the sample into the folder.

    A record of an earlier try, which a folder that is gone on with may hold, is removed first.

    Args:
        sample: Name of the sample.
        path: Its file, for the record.
        folder: Where its results go.
        may_fail: Whether errors are recorded; otherwise they stop the job.

    Raises:
        FileContentError: The sample's file is at fault, and may not be; or it is there no more, as of a disk
            that is not mounted, which is no fault of the file.
    """
    (folder / f"{sample}{ENDING}").unlink(missing_ok=True)
    try:
        yield
    except FileContentError as error:
        if not (may_fail and Path(path).exists()):
            raise
        failure = of_error(sample, path, error)
        logger.warning("%s", failure)
        for written in _results(folder, sample):
            written.unlink()
        failure.write(folder)


def read_failures(*folders: Path) -> dict[str, Failure]:
    """The records in folders, by sample.

    Raises:
        ValueError: A record is damaged; names the file.
    """
    paths = [path for folder in folders for path in sorted(folder.glob(f"*{ENDING}"))]
    return {failure.sample: failure for failure in map(_read, paths)}


def pass_on(source: Path, folder: Path) -> frozenset[str]:
    """Copy the records of a folder into another; returns their samples."""
    failures = read_failures(source)
    for sample in failures:
        shutil.copyfile(source / f"{sample}{ENDING}", folder / f"{sample}{ENDING}")
    return frozenset(failures)


def _read(path: Path) -> Failure:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        failure = Failure(**content)
    except (ValueError, TypeError) as error:
        msg = f"{path} is no record of a failure ({error}); delete it and run its rule again"
        raise ValueError(msg) from error
    if not all(isinstance(value, str) for value in asdict(failure).values()):
        msg = f"{path} holds values that are no text; delete it and run its rule again"
        raise ValueError(msg)
    return failure


def _results(folder: Path, sample: str) -> list[Path]:
    """What was written of a sample: its files in the folder, or one level below."""
    found = (*folder.glob("*"), *folder.glob("*/*")) if folder.is_dir() else ()
    return [path for path in found if path.is_file() and path.stem == sample]
