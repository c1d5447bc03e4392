# SPDX-License-Identifier: MIT
"""What the report shows: plain values, already read from disk, in the order of the page.

What could not be read carries its reason instead: `problem`, or `problems` where there may be several.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

Status = Literal["missing", "incomplete", "done"]
STATUS_ORDER: tuple[Status, ...] = ("missing", "incomplete", "done")


@dataclass(frozen=True)
class Citation:
    """A reference in words, and where to read it if anywhere: a plain link, never loaded by the page."""

    text: str
    url: str = ""


@dataclass(frozen=True)
class ExpectedRun:
    """One run the study asks for; `label` is the name to print, the run's own if empty."""

    run: str
    split: str
    seed: int
    label: str = ""

    @property
    def folder(self) -> str:
        """Folder of the run, relative to the study's folder."""
        return f"runs/{self.split}/{self.run}/seed-{self.seed}"

    @property
    def name(self) -> str:
        """Name to print."""
        return self.label or self.run


@dataclass(frozen=True)
class StudyMeta:
    """What a study is and what it should have produced.

    Attributes:
        name: Name of the study, and of its folder under the results folder.
        title: Heading.
        data_source: ``"phantom"``, ``"public"`` or ``"own"``.
        runs: Runs the study asks for; those without a card are shown first, as not produced.
        tables: Title by name of the tables it asks for, in the order to show them.
        figures: Title by name of the figures it asks for, in the order to show them.
        splits: Names of its splits.
        group_by: Column of ``samples.tsv`` whose value never sits in two parts, counted per part.
        case_metric: Metric that sorts the images; empty: the first in the first run's metrics.
        case_class: Class whose metric sorts the images.
        case_part: Part whose images are shown.
        higher_is_better: Whether a larger value of that metric is better.
        citations: The paper and the data sets.
    """

    name: str
    title: str
    data_source: str
    runs: tuple[ExpectedRun, ...] = ()
    tables: Mapping[str, str] = field(default_factory=dict)
    figures: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[str, ...] = ()
    group_by: str = "patient"
    case_metric: str = ""
    case_class: str = "all"
    case_part: str = "test"
    higher_is_better: bool = True
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True)
class Link:
    """A file beside the page: its format and its address relative to the page."""

    text: str
    href: str


@dataclass(frozen=True)
class Picture:
    """An embedded WebP picture, its size in pixels, and in words (`alt`) what it shows."""

    label: str
    alt: str
    webp: bytes = b""
    width: int = 0
    height: int = 0
    problem: str = ""


@dataclass(frozen=True)
class Cell:
    """One cell: its text, whether it is a number, text or a LaTeX formula, and whether it is the best."""

    text: str
    kind: Literal["number", "text", "math"] = "text"
    best: bool = False


@dataclass(frozen=True, kw_only=True)
class ProductInput:
    """A table or a figure: what its sidecar says, the files beside it, whether the study asks for it."""

    name: str
    title: str
    caption: str = ""
    links: tuple[Link, ...] = ()
    problems: tuple[str, ...] = ()
    expected: bool = True


@dataclass(frozen=True, kw_only=True)
class TableInput(ProductInput):
    """A table: headings and at most `limits.TABLE_ROWS` of all its rows, none if it is missing."""

    header: tuple[Cell, ...] = ()
    rows: tuple[tuple[Cell, ...], ...] = ()
    total_rows: int = 0
    note: str = ""
    units: str = ""


@dataclass(frozen=True, kw_only=True)
class FigureInput(ProductInput):
    """A figure."""

    picture: Picture | None = None


@dataclass(frozen=True, eq=False)
class RunInput:
    """A run, as far as it was produced: card, metrics, files."""

    expected: ExpectedRun
    card: Mapping[str, Any] | None = None
    metrics: pd.DataFrame | None = None
    links: tuple[Link, ...] = ()
    problems: tuple[str, ...] = ()

    @property
    def status(self) -> Status:
        """How far it got."""
        if self.card is None:
            return "missing"
        return "incomplete" if self.problems else "done"


@dataclass(frozen=True)
class PartCount:
    """How many samples and groups (patients, blocks) a part holds; groups is None if they are not known."""

    part: str
    samples: int
    groups: int | None


@dataclass(frozen=True)
class SplitInput:
    """A split: samples per part and the SHA-256 of what is in which part."""

    name: str
    parts: tuple[PartCount, ...] = ()
    digest: str = ""
    link: Link | None = None
    problem: str = ""


@dataclass(frozen=True)
class CaseRow:
    """One image: mean metric by run (None where a run has none), and pictures (of the worst images only)."""

    sample: str
    values: tuple[float | None, ...]
    mean: float
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True)
class CaseInput:
    """Metrics per image, worst first.

    Attributes:
        metric: Metric that sorts the images.
        class_name: Its class.
        part: Part of the images.
        higher_is_better: Direction of the metric.
        runs: Names of the runs, the columns; the best mean first.
        run_means: Mean of each run over the images.
        rows: The images, worst first; at most `limits.CASE_ROWS`.
        total_rows: Images in all.
        detail: All metrics, one row per run, seed and image, as text; worst first, header in front.
        detail_total: Rows of the detail in all.
        problem: Why there is nothing to show.
    """

    metric: str
    class_name: str
    part: str
    higher_is_better: bool
    runs: tuple[str, ...] = ()
    run_means: tuple[float, ...] = ()
    rows: tuple[CaseRow, ...] = ()
    total_rows: int = 0
    detail: tuple[tuple[str, ...], ...] = ()
    detail_total: int = 0
    problem: str = ""


@dataclass(frozen=True)
class RuleUsage:
    """Time and memory of the jobs of one rule, from Snakemake's benchmark files.

    Attributes:
        rule: Name of the rule.
        jobs: Number of benchmark files.
        total_seconds: Wall time of all jobs, seconds.
        max_seconds: Wall time of the longest job, seconds.
        peak_mb: Largest resident memory of a job, MiB; None where no job was long enough to be sampled.
        unread: Files that could not be read.
    """

    rule: str
    jobs: int
    total_seconds: float
    max_seconds: float
    peak_mb: float | None
    unread: int = 0


@dataclass(frozen=True, eq=False)
class StudyInputs:
    """Everything the page shows of one study."""

    meta: StudyMeta
    runs: tuple[RunInput, ...]
    tables: tuple[TableInput, ...]
    figures: tuple[FigureInput, ...]
    splits: tuple[SplitInput, ...]
    cases: CaseInput
    problems: tuple[str, ...] = ()

    @property
    def newest(self) -> str:
        """When its newest run finished (ISO 8601), or empty."""
        return max((str(run.card.get("finished") or "") for run in self.runs if run.card), default="")

    @property
    def is_phantom(self) -> bool:
        """Whether any of it comes from simulated images."""
        cards = {run.card.get("data_source") for run in self.runs if run.card}
        return "phantom" in cards | {self.meta.data_source}


@dataclass(frozen=True, eq=False)
class ReportInputs:
    """Everything the page shows of a scale; versions and machine are those of the process that made the page.

    `git` is the commit and dirty flag of the repository, or None outside one.
    """

    scale: str
    studies: tuple[StudyInputs, ...]
    rules: tuple[RuleUsage, ...]
    versions: Mapping[str, str]
    machine: Mapping[str, Any]
    git: Mapping[str, Any] | None
    command: str
    problems: tuple[str, ...] = ()

    @property
    def newest(self) -> str:
        """When the newest run of all finished (ISO 8601), or empty."""
        return max((study.newest for study in self.studies), default="")
