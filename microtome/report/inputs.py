# SPDX-License-Identifier: MIT
"""What the report shows: plain values, already read from disk, in the order of the page.

What could not be read carries its reason instead: `problem`, or `problems` where there may be several.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from microtome.io.failures import Failure as UnreadSample
from microtome.provenance.sidecars import Failure

Status = Literal["missing", "incomplete", "done"]
ACTIVATE = "source .venv/bin/activate"
STATUS_ORDER: tuple[Status, ...] = ("missing", "incomplete", "done")


@dataclass(frozen=True)
class Citation:
    """A reference in words, and where to read it if anywhere: plain links, never loaded by the page.

    Attributes:
        text: Authors, year, title, journal; or what a data set is.
        url: Its address.
        more: Further addresses, where several publications stand for one data set.
        licence: Terms of use, of data.
    """

    text: str
    url: str = ""
    more: tuple[str, ...] = ()
    licence: str = ""


@dataclass(frozen=True)
class ExpectedRun:
    """One run the study asks for; `label` is the name to print, the run's own if empty."""

    run: str
    split: str
    seed: int
    label: str = ""
    changed: tuple[tuple[str, str], ...] = ()  # settings that are not the defaults: dotted key, value

    @property
    def folder(self) -> str:
        """Folder of the run, relative to the study's folder."""
        return f"runs/{self.split}/{self.run}/seed-{self.seed}"

    @property
    def name(self) -> str:
        """Name to print."""
        return self.label or self.run


@dataclass(frozen=True)
class Jobs:
    """The jobs of a study that the page shows, by what the paths of their benchmark files name.

    Attributes:
        runs: Split, run and seed of those that are evaluated or trained.
        batches: Names of the batches.
        names: Other names in such paths (splits, stain normalizations, segmentations of other tools), and by
            rule (``tabulate``, ``draw``) the tables and the figures.
        dataset: The public data set that it fetches; empty: none.
    """

    runs: frozenset[tuple[str, str, str]] = frozenset()
    batches: frozenset[str] = frozenset()
    names: Mapping[str, frozenset[str]] = field(default_factory=dict)
    dataset: str = ""


@dataclass(frozen=True)
class StudyMeta:
    """What a study is and what it should have produced."""

    name: str  # name of the study, and of its folder under the results folder
    title: str  # heading
    data_source: str  # ``"phantom"``, ``"public"`` or ``"own"``
    runs: tuple[ExpectedRun, ...] = ()  # asked for; those without a card come first, as not produced
    tables: Mapping[str, str] = field(default_factory=dict)  # title by name, in the order to show them
    figures: Mapping[str, str] = field(default_factory=dict)  # likewise
    splits: tuple[str, ...] = ()  # names of its splits
    group_by: str = "patient"  # column of samples.tsv, counted by part; no value is in two
    case_metric: str = ""  # sorts the images; empty: the first of the first run's metrics
    case_class: str = "all"  # class whose metric sorts the images
    case_part: str = "test"  # part whose images are shown
    case_group: str = ""  # of several ways to divide the samples the one whose images are shown
    case_splits: tuple[str, ...] = ()  # its splits, several of folds; empty: all
    colors: Mapping[str, str] = field(default_factory=dict)  # colour (``#rrggbb``) by class, in order
    follows_paper: bool = True  # whether there are published values
    citations: tuple[Citation, ...] = ()  # the paper, if any, and the data sets
    what: str = ""  # what the data show and what is looked for, one sentence
    samples_are: str = "images"  # what samples are called, in the plural
    unit: str = "sample"  # what no split divides: patient, block, volume, or the sample itself
    main_table: str = ""  # name of the table that the overview shows
    main_figure: str = ""  # likewise of the figure
    metric: str = ""  # of the verdict; empty: `case_metric`
    pooled: bool = False  # whether it is taken of all samples together
    mean_classes: tuple[str, ...] = ()  # classes that macro means are over; empty: all
    compared: tuple[str, ...] = ()  # runs of the verdict; empty: all
    compared_splits: tuple[str, ...] = ()  # their splits; empty: `case_splits`
    explanations: tuple[tuple[str, str], ...] = ()  # section (``"figures"``) and name of those of the group
    jobs: Jobs | None = None  # its jobs, whose time and memory are shown; None: all that ran
    not_shown: tuple[tuple[str, str], ...] = ()  # figures of the paper that are not made: number, reason
    remarks: tuple[str, ...] = ()  # what is to be known of the paper's numbers


@dataclass(frozen=True)
class Link:
    """A file beside the page: its format and its address relative to the page."""

    text: str
    href: str


@dataclass(frozen=True)
class Picture:
    """An embedded WebP picture, its size in pixels, and in words (`alt`) what it shows.

    `millimetres` is the width that a figure was drawn for; 0 is not known.
    """

    label: str
    alt: str
    webp: bytes = b""
    width: int = 0
    height: int = 0
    problem: str = ""
    millimetres: int = 0


@dataclass(frozen=True)
class Cell:
    """One cell: its text; whether that is a number, text, a check mark or a LaTeX formula, and the best.

    A formula is also `mathml` where it can be; `small` follows the text in small type (an interval).
    """

    text: str
    kind: Literal["number", "text", "mark", "math"] = "text"
    best: bool = False
    mathml: str = ""
    small: str = ""


@dataclass(frozen=True, kw_only=True)
class ProductInput:
    """A table or a figure: what its sidecar says, the files beside it, whether the study asks for it."""

    name: str
    title: str
    caption: str = ""
    links: tuple[Link, ...] = ()
    problems: tuple[str, ...] = ()
    failed: Failure | None = None  # why it could not be made
    expected: bool = True
    group: Literal["results", "explanations"] = "results"  # explanations of a method are folded


@dataclass(frozen=True, kw_only=True)
class TableInput(ProductInput):
    """A table: headings and at most `limits.TABLE_ROWS` of all its rows, none if it is missing.

    `groups`: text and number of columns of what spans headings, over all columns; empty if nothing does.
    """

    header: tuple[Cell, ...] = ()
    groups: tuple[tuple[str, int], ...] = ()
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
    """Metrics per image, worst first."""

    metric: str  # metric that sorts the images
    class_name: str  # its class
    part: str  # part of the images
    higher_is_better: bool  # direction of the metric
    group: str = ""  # of several ways to divide the samples the one that they are of
    runs: tuple[str, ...] = ()  # names of the runs, the columns; the best mean first
    run_means: tuple[float, ...] = ()  # mean of each run over the images
    rows: tuple[CaseRow, ...] = ()  # the images, worst first; at most `limits.CASE_ROWS`
    total_rows: int = 0  # images in all
    detail: tuple[tuple[str, ...], ...] = ()  # metrics by run, seed and image, worst first; header in front
    detail_total: int = 0  # rows of the detail in all
    colors: Mapping[str, str] = field(default_factory=dict)  # by class, of maps of classes
    objects: bool = False  # whether errors are shown of objects
    legend: str = ""  # what maps and errors show, in sentences
    metric_name: str = ""  # what the metric is called in print
    problem: str = ""  # why there is nothing to show


@dataclass(frozen=True)
class RuleUsage:
    """Time and memory of the jobs of one rule, from Snakemake's benchmark files.

    Wall seconds of all jobs and of the longest; the largest resident memory, MiB, is None where no job was
    long enough to be sampled; `unread` counts the files that could not be read.
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
    unread: tuple[UnreadSample, ...] = ()  # samples that could not be read, which are left out everywhere
    what: str = ""  # data and task in one sentence
    verdict: str = ""  # what came out, with its uncertainty, in one sentence
    verdict_note: str = ""  # how its number, interval and tests were made
    main_number: tuple[str, str] = ("", "")  # what it is, and the number as printed
    main_table: str = ""  # name of the table that the overview shows; empty: the first with results
    main_figure: str = ""  # likewise the figure
    samples_are: str = "images"  # what its samples are called, in the plural

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
    def commands(self) -> tuple[str, ...]:
        """What to type, line by line in any shell, in the folder of the workflow, to make the same again."""
        checkout = (f"git checkout {self.git['commit']}",) if self.git else ()
        return (*checkout, ACTIVATE, self.command)

    @property
    def newest(self) -> str:
        """When the newest run of all finished (ISO 8601), or empty."""
        return max((study.newest for study in self.studies), default="")
