# SPDX-License-Identifier: MIT
"""What the crate of a scale tells: plain values, already read from disk."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class CrateFile:
    """A file of the crate, its size in bytes and its SHA-256: of weights the start; empty: not known."""

    path: str
    size: int
    name: str
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class CrateRun:
    """A trained run; `sources`: folders of runs whose weights it uses, members or the lender."""

    folder: str
    label: str
    card: Mapping[str, Any]
    sources: tuple[str, ...]
    files: tuple[CrateFile, ...]


@dataclass(frozen=True, kw_only=True)
class CrateProduct:
    """A table or a figure; `sources`: folders of runs (ending in a slash) and files that it was made from."""

    kind: Literal["table", "figure"]
    name: str
    caption: str
    files: tuple[CrateFile, ...]
    finished: str
    sources: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class CrateStudy:
    """A study.

    Attributes:
        name: Its name, and that of its folder.
        title: Heading.
        data_source: ``"phantom"``, ``"public"`` or ``"own"``.
        paper: Title of the paper it follows.
        dataset: The public data set: `name`, `title`, `licence`, `citation`, `doi`, `homepage`; None if the
            images are simulated or the user's.
        files: Sample sheet and splits.
        folders: Further folders, and what they hold.
        runs: Its runs.
        products: Its tables and figures.
    """

    name: str
    title: str
    data_source: str
    paper: str
    dataset: Mapping[str, Any] | None
    files: tuple[CrateFile, ...]
    folders: Mapping[str, str]
    runs: tuple[CrateRun, ...]
    products: tuple[CrateProduct, ...]


@dataclass(frozen=True, kw_only=True)
class CrateInputs:
    """Everything the crate tells.

    Attributes:
        scale: Scale of the results.
        command: Command that makes them.
        published: When the report was written, ISO 8601.
        report: The report.
        studies: The studies.
        workflow: The copy of the workflow and its configuration.
        versions: Version by package, Python and Microtome included.
        machine: The machine that wrote the report, in words.
        commit: Git commit of the workflow, in words; empty if it is not known.
    """

    scale: str
    command: str
    published: str
    report: CrateFile
    studies: tuple[CrateStudy, ...]
    workflow: tuple[CrateFile, ...]
    versions: Mapping[str, str]
    machine: str
    commit: str
