# SPDX-License-Identifier: MIT
"""Reading everything the report shows from a results folder."""

from collections.abc import Sequence
from pathlib import Path

from microtome import environment
from microtome.report.benchmarks import files, read_benchmarks
from microtome.report.case_pictures import add_pictures
from microtome.report.cases import rank
from microtome.report.inputs import ReportInputs, RunInput, StudyInputs, StudyMeta
from microtome.report.limits import CASE_BYTES, CASE_PICTURES, FIGURE_BYTES, THUMBNAIL_BYTES
from microtome.report.products import figure_names, read_figures, read_tables
from microtome.report.runs import read_runs, unexpected_runs
from microtome.report.split_counts import read_splits

PICTURES_PER_CASE = 6


def collect(
    results_folder: Path | str,
    studies: Sequence[StudyMeta],
    *,
    command: str | None = None,
    repository: Path | str = ".",
) -> ReportInputs:
    """Read what the results folder of a scale holds.

    The page is meant to be written to ``{results_folder}/report.html``: its links start there.

    Args:
        results_folder: ``results/{scale}``, with one folder per study and ``benchmarks/``.
        studies: The studies, in order, and what each should have produced.
        command: Command that makes these results; None: Snakemake at this scale.
        repository: Folder of the workflow, whose git commit is shown.

    Returns:
        Everything the page shows; what is missing carries its reason.

    Raises:
        NotADirectoryError: The results folder does not exist.
        ValueError: No study is given, or two have the same name.
    """
    folder = Path(results_folder)
    _check(folder, studies)
    scale = folder.name
    names = [study.name for study in studies]
    return ReportInputs(
        scale=scale,
        studies=_read_studies(folder, studies),
        rules=read_benchmarks(folder / "benchmarks", studies=names),
        versions=environment.versions(),
        machine=environment.machine(),
        git=environment.git_state(repository),
        command=command or f"snakemake --cores all --config scale={scale}",
        problems=_no_benchmarks(folder / "benchmarks"),
    )


def _check(folder: Path, studies: Sequence[StudyMeta]) -> None:
    if not folder.is_dir():
        msg = f"{folder} is not a folder; run the workflow at this scale first"
        raise NotADirectoryError(msg)
    names = [study.name for study in studies]
    if not names or len(set(names)) < len(names):
        msg = f"the studies are {names}; name at least one, and each once"
        raise ValueError(msg)


def _read_studies(folder: Path, studies: Sequence[StudyMeta]) -> tuple[StudyInputs, ...]:
    """Read the studies, sharing what the pictures may take among them."""
    counts = [len(figure_names(folder / study.name / "figures", study.figures)) for study in studies]
    budget = FIGURE_BYTES // max(sum(counts), 1)
    affordable = CASE_BYTES // (len(studies) * PICTURES_PER_CASE * THUMBNAIL_BYTES)
    cases = max(1, min(CASE_PICTURES, affordable))
    return tuple(_read_study(folder, study, budget=budget, cases=cases) for study in studies)


def _read_study(root: Path, meta: StudyMeta, *, budget: int, cases: int) -> StudyInputs:
    """Read one study."""
    folder = root / meta.name
    runs = read_runs(folder, meta.runs, root=root)
    return StudyInputs(
        meta=meta,
        runs=runs,
        tables=read_tables(folder / "tables", meta.tables, root=root),
        figures=read_figures(folder / "figures", meta.figures, root=root, budget=budget),
        splits=read_splits(folder, meta.splits, group_by=meta.group_by, root=root),
        cases=add_pictures(rank(runs, meta), folder, runs, most=cases),
        problems=_study_problems(folder, runs),
    )


def _study_problems(folder: Path, runs: Sequence[RunInput]) -> tuple[str, ...]:
    """Say what is wrong with a study as a whole."""
    if not folder.is_dir():
        return (f"not produced: the folder {folder.name} does not exist; run the study at this scale",)
    stale = unexpected_runs(folder, runs)
    notes = [f"{name} is on disk, but the study does not ask for it; it is not shown" for name in stale]
    if not (folder / "samples.tsv").is_file():
        notes.append("not produced: samples.tsv does not exist, so groups per part are not counted")
    return tuple(notes)


def _no_benchmarks(folder: Path) -> tuple[str, ...]:
    if files(folder):
        return ()
    return (f"not produced: {folder.name}/ holds no benchmark file, so time and memory per rule are unknown",)
