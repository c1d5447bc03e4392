# SPDX-License-Identifier: MIT
"""Reading everything the report shows from a results folder."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from microtome.files import digest_of_options
from microtome.io.failures import Failure, read_failures
from microtome.provenance import environment
from microtome.report.benchmarks import complete, read_benchmarks
from microtome.report.cases import add_pictures, rank
from microtome.report.inputs import (
    PartCount,
    ProductInput,
    ReportInputs,
    RunInput,
    SplitInput,
    StudyInputs,
    StudyMeta,
    TableInput,
)
from microtome.report.limits import CASE_BYTES, CASE_PICTURES, FIGURE_BYTES, THUMBNAIL_BYTES
from microtome.report.products import (
    FIGURE_FORMATS,
    TABLE_FORMATS,
    links_to,
    product_names,
    read_figure,
    read_table,
)
from microtome.report.runs import read_runs, unexpected_runs
from microtome.report.verdict import judge, plural

PICTURES_PER_CASE = 6
KINDS_OF_DATA = {"phantom": "simulated ", "public": "public "}
Product = TypeVar("Product", bound=ProductInput)
RECORDING = ("images", "tissue", "sections", "targets")
"""Folders of a study whose batches may hold records of samples that could not be read, in their order."""
NO_BENCHMARKS = "not produced: benchmarks/ holds no benchmark file, so time and memory per rule are unknown"


def collect(
    results_folder: Path | str,
    studies: Sequence[StudyMeta],
    *,
    command: str | None = None,
    repository: Path | str = ".",
    threads: int = 1,
) -> ReportInputs:
    """Read what the results folder of a scale holds.

    The page's links start in the results folder, so it is meant for a folder from which each study's name
    leads to its results.

    Args:
        results_folder: ``results/{scale}``, with one folder per study and ``benchmarks/``.
        studies: The studies, in order, and what each should have produced.
        command: Command that makes these results; None: Snakemake at this scale.
        repository: Folder of the workflow, whose git commit is shown.
        threads: So many studies are read at once: most of the time goes into their pictures.

    Returns:
        Everything the page shows; what is missing carries its reason.

    Raises:
        NotADirectoryError: The results folder does not exist.
        ValueError: No study is given, or two have the same name.
    """
    folder = Path(results_folder)
    _check(folder, studies)
    scale = folder.name
    found = _read_studies(folder, studies, threads)
    rules = read_benchmarks(folder / "benchmarks", {study.meta.name: study.meta.jobs for study in found})
    return ReportInputs(
        scale=scale,
        studies=found,
        rules=rules,
        versions=environment.versions(),
        machine=environment.machine(),
        git=environment.git_state(repository),
        command=command or f"snakemake --cores all --config scale={scale}",
        problems=() if rules else (NO_BENCHMARKS,),
    )


def _check(folder: Path, studies: Sequence[StudyMeta]) -> None:
    if not folder.is_dir():
        msg = f"{folder} is not a folder; run the workflow at this scale first"
        raise NotADirectoryError(msg)
    names = [study.name for study in studies]
    if not names or len(set(names)) < len(names):
        msg = f"the studies are {names}; name at least one, and each once"
        raise ValueError(msg)


def _read_studies(folder: Path, studies: Sequence[StudyMeta], threads: int) -> tuple[StudyInputs, ...]:
    """Read the studies, sharing what the pictures may take among them."""
    counts = [len(_figures(folder / study.name, study)) for study in studies]
    budget = FIGURE_BYTES // max(sum(counts), 1)
    affordable = CASE_BYTES // (len(studies) * PICTURES_PER_CASE * THUMBNAIL_BYTES)
    cases = max(1, min(CASE_PICTURES, affordable))
    with ThreadPoolExecutor(threads) as pool:
        return tuple(pool.map(partial(_read_study, folder, budget=budget, cases=cases), studies))


def _read_study(root: Path, meta: StudyMeta, *, budget: int, cases: int) -> StudyInputs:
    """Read one study."""
    folder = root / meta.name
    runs = read_runs(folder, meta.runs, root=root)
    splits = read_splits(folder, meta.splits, group_by=meta.group_by, root=root)
    units = read_units(folder / "samples.tsv", meta.group_by)
    verdict = judge(runs, meta, units)
    jobs = complete(meta.jobs, folder, runs, units) if meta.jobs else None
    return StudyInputs(
        meta=replace(meta, jobs=jobs),
        runs=runs,
        tables=_grouped(_tables(folder, meta, root), meta, "tables"),
        figures=_grouped(
            [
                read_figure(folder / "figures", name, meta.figures, root=root, budget=budget)
                for name in _figures(folder, meta)
            ],
            meta,
            "figures",
        ),
        splits=splits,
        cases=add_pictures(rank(runs, meta), folder, runs, most=cases),
        problems=_study_problems(folder, runs),
        unread=read_unread(folder),
        verdict=verdict.sentence,
        verdict_note=verdict.note,
        main_number=verdict.number,
        what=describe(meta, splits),
        main_table=meta.main_table,
        main_figure=meta.main_figure,
        samples_are=meta.samples_are,
    )


def _tables(folder: Path, meta: StudyMeta, root: Path) -> list[TableInput]:
    names = product_names(folder / "tables", meta.tables, TABLE_FORMATS)
    return [read_table(folder / "tables", name, meta.tables, root=root) for name in names]


def _grouped(products: Sequence[Product], meta: StudyMeta, section: str) -> tuple[Product, ...]:
    """Say which tables or figures explain a method."""
    return tuple(
        replace(one, group="explanations") if (section, one.name) in meta.explanations else one
        for one in products
    )


def describe(meta: StudyMeta, splits: Sequence[SplitInput]) -> str:
    """What the data are and what is looked for: the study's own sentence, and how many samples there are.

    Example:
        >>> meta = StudyMeta("s", "S", "phantom", what="Cells are told from membranes", samples_are="slices")
        >>> describe(meta, [SplitInput("main", (PartCount("train", 6, 3), PartCount("test", 1, 1)))])
        'Cells are told from membranes. 7 simulated slices: 6 train, 1 test.'
    """
    own = f"{meta.what.strip().removesuffix('.')}. " if meta.what.strip() else ""
    kind = KINDS_OF_DATA.get(meta.data_source, "")
    counted = [split for split in splits if split.parts]
    if not counted:
        return own.strip()
    total = plural(sum(part.samples for part in counted[0].parts), f"{kind}{meta.samples_are}")
    if len(counted) > 1 or len(counted[0].parts) == 1:
        return f"{own}{total}."
    return f"{own}{total}: {', '.join(f'{part.samples:,} {part.part}' for part in counted[0].parts)}."


def read_unread(folder: Path) -> tuple[Failure, ...]:
    """The records of samples that could not be read, by name: each of the earliest stage that has one."""
    stages = [*RECORDING, *(f"runs/*/*/*/{name}" for name in ("predictions", "calls"))]
    folders = [place for stage in stages for place in sorted(folder.glob(f"{stage}/*")) if place.is_dir()]
    found = read_failures(*reversed(folders))
    return tuple(found[sample] for sample in sorted(found))


def _figures(folder: Path, meta: StudyMeta) -> list[str]:
    return product_names(folder / "figures", meta.figures, FIGURE_FORMATS)


def _study_problems(folder: Path, runs: Sequence[RunInput]) -> tuple[str, ...]:
    """Say what is wrong with a study as a whole."""
    if not folder.is_dir():
        return (f"not produced: the folder {folder.name} does not exist; run the study at this scale",)
    stale = unexpected_runs(folder, runs)
    notes = [f"{name} is on disk, but the study does not ask for it; it is not shown" for name in stale]
    if not (folder / "samples.tsv").is_file():
        notes.append("not produced: samples.tsv does not exist, so groups per part are not counted")
    return tuple(notes)


PART_ORDER = ("train", "val", "test")
GROUP_COLUMNS = ("unit", "patient", "block", "volume")


def read_splits(folder: Path, names: Iterable[str], *, group_by: str, root: Path) -> tuple[SplitInput, ...]:
    """Read the splits of a study: those expected (`names`), then others on disk.

    `folder` holds ``samples.tsv``, whose column `group_by` is counted beside the samples, and
    ``splits/{split}.tsv`` (columns sample and part).
    """
    units = read_units(folder / "samples.tsv", group_by)
    there = sorted(path.stem for path in folder.glob("splits/*.tsv"))
    paths = (folder / "splits" / f"{name}.tsv" for name in dict.fromkeys([*names, *there]))
    return tuple(_read_split(path, units, root=root) for path in paths)


def read_units(path: Path, group_by: str) -> dict[str, str]:
    """Read what must stay together: group by sample, from a sheet's column `group_by`.

    Else from the first of `GROUP_COLUMNS` that it has; empty without a sheet or such a column.
    """
    try:
        rows = _rows(path)
    except (OSError, ValueError, csv.Error):
        return {}
    columns = [name for name in (group_by, *GROUP_COLUMNS) if rows and name in rows[0]]
    return {row["sample"]: row[columns[0]] for row in rows if row.get("sample")} if columns else {}


def count(parts: Mapping[str, str], units: Mapping[str, str]) -> tuple[PartCount, ...]:
    """Count samples and groups by part (of each sample), train before val before test before others.

    Groups are not counted if a sample has none.

    Example:
        >>> count({"a": "train", "b": "train"}, {"a": "p1", "b": "p1"})
        (PartCount(part='train', samples=2, groups=1),)
    """
    found = dict.fromkeys(parts.values())
    names = [*[part for part in PART_ORDER if part in found], *sorted(set(found) - set(PART_ORDER))]
    return tuple(_count_part(part, [name for name in parts if parts[name] == part], units) for part in names)


def _count_part(part: str, samples: list[str], units: Mapping[str, str]) -> PartCount:
    groups = {units.get(sample, "") for sample in samples}
    return PartCount(part, len(samples), None if "" in groups else len(groups))


def _read_split(path: Path, units: Mapping[str, str], *, root: Path) -> SplitInput:
    """Read one split; without parts, and saying why, if that fails."""
    try:
        rows = _rows(path)
        parts = {row["sample"]: row["part"] for row in rows}
    except FileNotFoundError:
        return SplitInput(path.stem, problem=f"not produced: splits/{path.name} does not exist")
    except KeyError as error:
        return SplitInput(path.stem, problem=f"not shown: splits/{path.name} lacks the column {error}")
    except (OSError, ValueError, csv.Error) as error:
        return SplitInput(path.stem, problem=f"not shown: splits/{path.name} cannot be read ({error})")
    if not parts:
        return SplitInput(path.stem, problem=f"not shown: splits/{path.name} has no rows")
    (link,) = links_to({"TSV": path}, root=root)
    return SplitInput(path.stem, count(parts, units), digest_of_options(parts), link)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
