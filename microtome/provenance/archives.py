# SPDX-License-Identifier: MIT
"""Trained runs packed for use elsewhere: what is in an archive, checked before anything of it is used.

Archives come from other people. Nothing in one is executed: weights are safetensors, all else is JSON and
text. Names, sizes and digests of all files are compared with the list in `model.json`; files are unpacked
under names that this module knows, as streams that end with the size that was listed.
"""

from __future__ import annotations

import errno
import hashlib
import re
import struct
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from microtome.config.expected import Expected
from microtome.config.study import Study
from microtome.files import sha256_of_bytes
from microtome.provenance.cards import parse_json

MODEL = "model.json"
"""What the archive is: the study as far as the run needs it, and the digest of every other file."""
FORMAT = 1
MEBI = 2**20
LARGEST = {".safetensors": 8192 * MEBI, ".json": 8 * MEBI, ".tsv": 256 * MEBI, ".md": 8 * MEBI}
"""Bytes of a file, by its ending; others are refused."""
MOST_FILES = 1000
MOST_PACKED = 50
"""How much larger than packed a file may be; weights hardly shrink, tables to a tenth."""
SMALL = MEBI
"""Bytes up to which a file may be packed as tightly as it is."""
NOT_PACKED = dict.fromkeys(
    ("tables", "figures", "report", "external", "patches", "split", "splits", "paper"), True
) | {
    "data": {"samples", "root", "allow_outside", "phantom", "batch_size", "group_by", "origin", "dataset"}
    | {"citation", "licence"},
    "evaluate": {"rank_by", "parts"},
    "runs": {"__all__": {"splits"}},
}
"""Options of a study on which neither applying nor measuring a run depends."""
NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/){0,2}[A-Za-z0-9_][A-Za-z0-9_.-]*")
PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""Names of what a study has several of, which become folders."""
BLOCK = MEBI
BROKEN = (
    *(zipfile.BadZipFile, zipfile.LargeZipFile, zlib.error, struct.error),
    *(NotImplementedError, RuntimeError, EOFError, UnicodeDecodeError),
)
"""What the library raises for broken archives, beside `OSError` for an offset before the file begins."""
LISTED = 3
"""Faults of a study that a message lists."""


class ArchiveError(ValueError):
    """A file is no packed model that can be used; the message says why, and what to do."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)
    format: Literal[1]
    run: Annotated[str, Field(min_length=1, max_length=200)]
    split: Annotated[str, Field(min_length=1, max_length=200)]
    seed: NonNegativeInt
    scale: Annotated[str, Field(max_length=20)]
    rendered: bool
    version: Annotated[str, Field(max_length=200)]
    plugins: Annotated[list[Annotated[str, Field(max_length=200)]], Field(max_length=100)]
    expected: dict[str, Any]
    study: dict[str, Any]
    files: dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


@dataclass(frozen=True)
class Packed:
    """A packed model.

    Attributes:
        path: The archive.
        study: The study of the run, with this run and the members of it alone.
        run: The run.
        split: The split that it was trained on.
        seed: Its seed.
        scale: The scale of its study.
        expected: What its images were like.
        rendered: Whether the pictures of its study are made from other files.
        files: Name of each file to its SHA-256.
        digest: Of all of this: what names the model.
    """

    path: Path
    study: Study
    run: str
    split: str
    seed: int
    scale: str
    expected: Expected
    rendered: bool
    files: Mapping[str, str]
    digest: str


def packed_study(study: Study, runs: Iterable[str], *, losses: Iterable[str] = ()) -> dict[str, Any]:
    """What an archive says of a study: what predicting and measuring with some runs depend on, no paths.

    Of the runs in `losses` it holds the options of the loss alone, which may be measured on all. Runs and
    classes are pairs of name and content: their order counts, and keys of JSON have none.
    """
    content = study.model_dump(mode="json", exclude=NOT_PACKED) | {"title": study.name}
    content["data"]["classes"] = [list(pair) for pair in study.data.classes.items()]
    kept = {name: content["runs"][name] for name in runs}
    of_losses = {name: {"loss": content["runs"][name]["loss"]} for name in losses if name not in kept}
    packed = kept | of_losses
    content["runs"] = [[name, packed[name]] for name in content["runs"] if name in packed]
    return content


def read_archive(path: Path) -> Packed:
    """Look at a packed model: everything but the content of its files is checked.

    Raises:
        FileNotFoundError: There is no such file.
        ArchiveError: It is no packed model, or not one that this version can use.
    """
    if not path.is_file():
        msg = f"{path} does not exist; expected a packed model (`snakemake export_model`)"
        raise FileNotFoundError(msg)
    with _opened(path) as archive:
        members = _checked_members(path, archive)
        content = _read(path, archive, members.get(MODEL), MODEL)
    found = _model(path, content)
    if set(found.files) != set(members) - {MODEL}:
        differing = sorted(set(found.files) ^ (set(members) - {MODEL}))[:LISTED]
        _refuse(path, f"files that are not as listed ({', '.join(differing)})")
    study, expected = _validated(path, found)
    own = {name: getattr(found, name) for name in ("run", "split", "seed", "scale", "rendered", "files")}
    return Packed(path, study, expected=expected, digest=sha256_of_bytes(content), **own)


def unpack(packed: Packed, folder: Path) -> None:
    """Write the files of an archive to a folder, each after its digest was compared.

    Raises:
        ArchiveError: A file is not what was listed.
        OSError: It cannot be written.
    """
    with _opened(packed.path) as archive:
        members = _checked_members(packed.path, archive)
        for name, digest in packed.files.items():
            if name not in members:
                _refuse(packed.path, f"no {name} any more")
            place = folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            _copy(packed.path, archive, members[name], place, digest)


@contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """Open an archive; what the library makes of a broken one becomes an error that names it."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except (*BROKEN, OSError) as error:
        if isinstance(error, OSError) and error.errno != errno.EINVAL:
            raise
        msg = f"{path}: a damaged archive ({error}); expected a packed model: copy it again"
        raise ArchiveError(msg) from error


def _refuse(path: Path, found: str, remedy: str = "get it again from whoever packed it") -> None:
    msg = f"{path}: found {found}, expected a packed model (`snakemake export_model`); {remedy}"
    raise ArchiveError(msg)


def _checked_members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The members of an archive by name, after names and sizes were looked at."""
    listed = archive.infolist()
    if len(listed) > MOST_FILES:
        _refuse(path, f"{len(listed)} files")
    for one in listed:
        most = LARGEST.get(Path(one.filename).suffix, 0)
        if not NAME.fullmatch(one.filename) or ".." in one.filename or not most:
            _refuse(path, f"a file called {one.filename[:80]!r}")
        if one.file_size > most or one.file_size > max(SMALL, MOST_PACKED * one.compress_size):
            _refuse(path, f"{one.filename} of {one.file_size} bytes, packed to {one.compress_size}")
    members = {one.filename: one for one in listed}
    folders = {parent.as_posix() for name in members for parent in PurePosixPath(name).parents}
    if len({name.casefold() for name in members}) < len(listed) or folders & members.keys():
        _refuse(path, "a file twice, or a file and a folder of one name")
    return members


def _read(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo | None, name: str) -> bytes:
    if member is None:
        _refuse(path, f"no {name}", "pack the run again, with this version")
    with archive.open(member) as file:
        content = file.read(member.file_size + 1)
    if len(content) != member.file_size:
        _refuse(path, f"{name} of another size than listed")
    return content


def _copy(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo, place: Path, digest: str) -> None:
    """Write a member, block by block, up to the size that it is said to have."""
    left, hashed = member.file_size, hashlib.sha256()
    with archive.open(member) as source, place.open("wb") as target:
        while block := source.read(min(BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                _refuse(path, f"{member.filename} larger than listed")
            hashed.update(block)
            target.write(block)
    if hashed.hexdigest() != digest:
        _refuse(path, f"{member.filename} with other content than listed (SHA-256)")


def _model(path: Path, content: bytes) -> _Model:
    try:
        return _Model.model_validate(parse_json(content, f"{path}: {MODEL}"))
    except ValidationError as error:
        msg = f"{path}: {MODEL} is not what this version writes ({_listed(error)}); pack the run again"
        raise ArchiveError(msg) from error
    except ValueError as error:
        raise ArchiveError(str(error)) from error


def _validated(path: Path, found: _Model) -> tuple[Study, Expected]:
    """The study and the expectations, in the types of this version; plugins that are missing are named."""
    try:
        study = Study.model_validate(_ordered(found.study))
        expected = Expected.model_validate(found.expected)
    except ValidationError as error:
        plugged = ", ".join(found.plugins)
        remedy = (
            f"it needs plugins ({plugged}): put them into `plugins/` of this project, as where it comes from"
            if plugged
            else f"it was packed by {found.version}: use that version, or pack the run again"
        )
        msg = f"{path}: this version cannot use the model ({_listed(error)}); {remedy}"
        raise ArchiveError(msg) from error
    if unfit := next((name for name in _part_names(found) if not PART.fullmatch(name)), None):
        _refuse(path, f"a part of its study called {unfit[:80]!r}")
    names = [found.run, *(study.runs[found.run].members if found.run in study.runs else ())]
    if missing := [name for name in names if name not in study.runs]:
        _refuse(path, f"no run {missing[0]!r}")
    return study, expected


def _part_names(found: _Model) -> Iterator[str]:
    """The split, and the names of runs and of whatever else the study has by name."""
    yield found.split
    for section in _ordered(found.study).values():
        if isinstance(section, dict) and all(isinstance(entry, dict) for entry in section.values()):
            yield from section


def _ordered(study: Mapping[str, Any]) -> Mapping[str, Any]:
    """A packed study with its runs and classes by name, in their order, as far as these are pairs."""
    data = study.get("data")
    data = data | {"classes": _by_name(data.get("classes"))} if isinstance(data, dict) else data
    return {**study, "data": data, "runs": _by_name(study.get("runs"))}


def _by_name(pairs: Any) -> Any:
    is_sound = isinstance(pairs, list) and all(
        isinstance(pair, list) and len(pair) == len(("name", "value")) and isinstance(pair[0], str)
        for pair in pairs
    )
    return dict(pairs) if is_sound else pairs


def _listed(error: ValidationError) -> str:
    details = error.errors()[:LISTED]
    return "; ".join(f"{'.'.join(map(str, one['loc']))[:80]}: {one['msg']}" for one in details)
