# SPDX-License-Identifier: MIT
"""Fetch a public data set: from a mirror folder if there is one, else from its URL, always by checksum.

Every file appears under its name only when complete and verified, so an interrupted run goes on where it
stopped, file by file.
"""

import hashlib
import logging
import lzma
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from microtome.datasets.catalogue import DatasetArchive, DatasetEntry, DatasetFile
from microtome.files import MIRROR_VARIABLE, finished_file, sha256_of_file

CHUNK = 2**20
TIMEOUT_SECONDS = 60
LISTED = 12
DRAFTS = ".fetching"

DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, KeyError, RuntimeError)
"""What broken archives raise."""

logger = logging.getLogger(__name__)

Item = DatasetFile | DatasetArchive


class FetchError(OSError):
    """Files that could not be had; the message lists them and says what to put where."""


def fetch(
    entry: DatasetEntry, destination: Path, *, mirror: Path | None = None, offline: bool = False
) -> dict[str, list[str]]:
    """Bring a data set to ``destination`` and verify each file by size and SHA-256.

    Args:
        entry: What to fetch.
        destination: The data set's folder; files that are there and verify are not fetched again.
        mirror: Folder with a folder ``entry.name`` of the same layout, looked at first
            (see `microtome.files.mirror_folder`).
        offline: Never use the network; ``file://`` URLs still work.

    Returns:
        Paths by what was done: ``kept`` (they were there, verified), ``copied`` (from the mirror) and
        ``downloaded`` (from a URL or an archive).

    Raises:
        FetchError: If any file is missing in the end, with every reason and the remedy. What could be had
            stays.
    """
    destination = Path(destination)
    order = _Order(entry, destination, mirror, offline)
    found: dict[str, list[str]] = {"kept": [], "copied": [], "downloaded": []}
    missing: dict[str, str] = {}
    for file in entry.files:
        try:
            found[order.obtain(file)].append(file.path)
        except (OSError, ValueError) as error:
            missing[file.path] = str(error)
    if missing:
        raise FetchError(_instructions(entry, destination, mirror, missing))
    if (destination / DRAFTS).is_dir():
        shutil.rmtree(destination / DRAFTS)
    logger.info("%s: %s", entry.name, ", ".join(f"{len(paths)} {how}" for how, paths in found.items()))
    return found


def verify(entry: DatasetEntry, folder: Path) -> dict[str, str]:
    """Compare a folder with an entry.

    Returns:
        What is wrong with each file that is absent or differs; empty if all is well.
    """
    problems = {file.path: _problem(folder / file.path, file) for file in entry.files}
    return {path: problem for path, problem in problems.items() if problem}


@dataclass(frozen=True)
class _Order:
    """What is fetched, and how; see `fetch`."""

    entry: DatasetEntry
    destination: Path
    mirror: Path | None
    offline: bool

    def obtain(self, file: DatasetFile) -> str:
        """Bring one file to its place and say how."""
        target = self.destination / file.path
        if not _problem(target, file):
            return "kept"
        reasons = []
        if self.mirror is not None:
            source = self.mirror / self.entry.name / file.path
            problem = _problem(source, file)
            if not problem:
                with source.open("rb") as stream:
                    _store(stream, target, file)
                return "copied"
            reasons.append(f"mirror: {problem}")
        archive = next((one for one in self.entry.archives if one.name == file.archive), None)
        if file.url is None and archive is None:
            raise FetchError("; ".join([*reasons, "no URL known"]))
        try:
            if file.url is not None:
                _download(file.url, target, file, offline=self.offline)
            else:
                self._extract(archive, file)
        except (OSError, ValueError) as error:
            raise FetchError("; ".join([*reasons, str(error)])) from error
        return "downloaded"

    def _extract(self, archive: DatasetArchive, file: DatasetFile) -> None:
        """Take one listed member out of its archive; nothing else is written, whatever the archive names."""
        local, member = self._archive(archive), file.member or file.path
        try:
            with _member(local, archive.format, member) as stream:
                _store(stream, self.destination / file.path, file)
        except DAMAGE as error:
            msg = f"archive {archive.name}: member '{member}' cannot be read ({error})"
            raise FetchError(msg) from error

    def _archive(self, archive: DatasetArchive) -> Path:
        """A verified copy of the archive: already fetched, in the mirror, or downloaded."""
        places = [self.destination / DRAFTS / archive.name]
        places += [self.mirror / self.entry.name / archive.name] if self.mirror is not None else []
        for place in places:
            if not _problem(place, archive):
                return place
        if archive.url is None:
            msg = f"archive {archive.name}: no URL known"
            raise FetchError(msg)
        _download(archive.url, places[0], archive, offline=self.offline)
        return places[0]


def _problem(path: Path, item: Item) -> str:
    """Say what is wrong with a file, or nothing."""
    if not path.is_file():
        return "absent"
    size = path.stat().st_size
    if size != item.size:
        return f"found {size} bytes, expected {item.size}"
    digest = sha256_of_file(path)
    return "" if digest == item.sha256 else f"found SHA-256 {digest}, expected {item.sha256}"


def _store(stream: IO[bytes], target: Path, item: Item) -> None:
    """Write a stream to its place, if it has the expected size and checksum; never read more than that."""
    digest, left = hashlib.sha256(), item.size + 1
    with finished_file(target, is_shared=True) as draft:
        with draft.open("wb") as out:
            while left and (chunk := stream.read(min(CHUNK, left))):
                digest.update(chunk)
                left -= out.write(chunk)
        if left != 1 or digest.hexdigest() != item.sha256:
            size = f"{item.size + 1 - left}{' or more' if not left else ''}"
            msg = f"found {size} bytes, SHA-256 {digest.hexdigest()}; expected {item.size}, {item.sha256}"
            raise FetchError(msg)


def _download(url: str, target: Path, item: Item, *, offline: bool) -> None:
    """Fetch a URL to its place; ``file://`` needs no network."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        with Path(unquote(parts.path)).open("rb") as stream:
            _store(stream, target, item)
        return
    if offline:
        msg = f"offline, and {url} needs the network"
        raise FetchError(msg)
    import pooch

    downloaders = {"http": pooch.HTTPDownloader, "https": pooch.HTTPDownloader, "doi": pooch.DOIDownloader}
    if parts.scheme not in downloaders:
        msg = f"found URL {url}, expected one that starts with {', '.join(downloaders)} or file"
        raise FetchError(msg)
    with finished_file(target, is_shared=True) as draft:
        downloaders[parts.scheme](timeout=TIMEOUT_SECONDS)(url, str(draft), None)
        if problem := _problem(draft, item):
            msg = f"{url}: {problem}"
            raise FetchError(msg)


@contextmanager
def _member(path: Path, kind: str, name: str) -> Iterator[IO[bytes]]:
    """Open one regular member of an archive for reading."""
    if kind == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(name) as stream:
            yield stream
        return
    with tarfile.open(path) as archive:
        stream = archive.extractfile(name) if archive.getmember(name).isreg() else None
        if stream is None:
            msg = f"'{name}' is no regular file"
            raise KeyError(msg)
        with stream:
            yield stream


def _instructions(
    entry: DatasetEntry, destination: Path, mirror: Path | None, missing: dict[str, str]
) -> str:
    """Tell the user what is missing, why, where to get it and where to put it."""
    known: dict[str, Any] = {item.path: item.url or item.archive for item in entry.files}
    lines = [f"{entry.title} ({entry.name}): {len(missing)} of {len(entry.files)} files could not be had."]
    lines += [f"  {path}: {reason}" for path, reason in _first(missing.items())]
    lines += [f"  ... and {len(missing) - LISTED} more"] if len(missing) > LISTED else []
    sources = sorted({str(known[path]) for path in missing if known[path]}) or [
        entry.homepage or "its authors"
    ]
    lines.append(f"Get them from {', '.join(_first(sources))}, and put them, with the paths above, into")
    lines.append(f"  {destination}")
    place = f"{mirror}/{entry.name}" if mirror else f"a folder {entry.name} under ${MIRROR_VARIABLE}"
    lines.append(f"or into {place}. Licence: {entry.licence}")
    return "\n".join(lines)


def _first(items: Iterable[Any]) -> list[Any]:
    return list(items)[:LISTED]
