# SPDX-License-Identifier: MIT
"""The data set table: which files make up a public data set, their checksums and sources."""

from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import yaml
from pydantic import Field, PositiveInt, ValidationError, field_validator, model_validator

from microtome.config.section import Section

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]


class DatasetFile(Section):
    """One file, checked by size and SHA-256 wherever it comes from."""

    path: str = Field(description="place inside the data set's folder")
    sha256: Sha256
    size: PositiveInt = Field(description="bytes")
    url: str | None = Field(None, description="where the file itself can be had; null: nowhere known")
    archive: str | None = Field(None, description="name of the archive that holds it")
    member: str | None = Field(None, description="path inside the archive; null: the same as `path`")

    @field_validator("path")
    @classmethod
    def _stays_inside(cls, value: str) -> str:
        place = PurePosixPath(value)
        if place.is_absolute() or ".." in place.parts or "\\" in value or ":" in value or not place.name:
            msg = "a path below the data set's folder, with '/' and without '..'"
            raise ValueError(msg)
        return value


class DatasetArchive(Section):
    """An archive of which only the listed files are taken out."""

    name: Name
    sha256: Sha256
    size: PositiveInt = Field(description="bytes")
    url: str | None = None
    format: Literal["zip", "tar"] = "zip"


class DatasetEntry(Section):
    """A public data set."""

    name: Name
    title: str
    licence: str
    citation: str
    doi: tuple[str, ...] = ()
    homepage: str | None = None
    note: str = ""
    files: tuple[DatasetFile, ...] = Field(min_length=1)
    archives: tuple[DatasetArchive, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> "DatasetEntry":
        paths = [file.path for file in self.files]
        archives = {archive.name for archive in self.archives}
        twice = sorted({path for path in paths if paths.count(path) > 1})
        unknown = sorted({file.archive for file in self.files if file.archive} - archives)
        if twice or unknown:
            msg = f"paths listed twice: {twice or 'none'}; unknown archives: {unknown or 'none'}"
            raise ValueError(msg)
        return self


def load_catalogue(path: Path) -> dict[str, DatasetEntry]:
    """Read the data set table, a YAML file: the entries by name.

    Raises:
        ValueError: If the file is missing, is no mapping, or an entry is not complete.
    """
    if not path.is_file():
        msg = f"{path}: no such file; expected the table of public data sets."
        raise ValueError(msg)
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not content:
        msg = f"{path}: found {type(content).__name__}, expected a mapping from data set name to its entry."
        raise ValueError(msg)
    entries = {}
    for name, entry in content.items():
        try:
            entries[str(name)] = DatasetEntry.model_validate({"name": name, **entry})
        except (ValidationError, TypeError) as error:
            msg = f"{path}: entry '{name}' is not valid: {error}"
            raise ValueError(msg) from error
    return entries
