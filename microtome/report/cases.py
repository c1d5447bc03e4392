# SPDX-License-Identifier: MIT
"""The images of a study by their metric, worst first."""

from collections.abc import Sequence

import pandas as pd

from microtome.formats import number
from microtome.report.inputs import CaseInput, CaseRow, RunInput, StudyMeta
from microtome.report.limits import CASE_ROWS, DETAIL_ROWS

RUN_KEYS = ["run", "split", "seed"]
DETAIL_KEYS = ["sample", *RUN_KEYS]


def rank(runs: Sequence[RunInput], meta: StudyMeta) -> CaseInput:
    """Rank the images of a study.

    Args:
        runs: Its runs.
        meta: The study: which metric, class, part and direction.

    Returns:
        One row per image with its mean by run (over the seeds and splits that hold it), the image with the
        worst mean over the runs first; runs are ordered by their mean, the best first.
    """
    frame = _all_metrics(runs, meta)
    metric = meta.case_metric or _first_metric(frame)
    empty = CaseInput(metric, meta.case_class, meta.case_part, meta.higher_is_better)
    chosen = frame[frame["metric"] == metric].dropna(subset="value") if len(frame) else frame
    if chosen.empty:
        return _replace_problem(empty, _why_empty(frame, metric, meta))
    means = chosen.pivot_table(index="sample", columns="run", values="value", aggfunc="mean")
    by_run = means.mean().sort_values(ascending=not meta.higher_is_better, kind="stable")
    by_sample = means.mean(axis=1).sort_values(ascending=meta.higher_is_better, kind="stable")
    detail = _detail(frame, metric, ascending=meta.higher_is_better)
    labels = {run.expected.run: run.expected.name for run in runs}
    return CaseInput(
        metric=metric,
        class_name=meta.case_class,
        part=meta.case_part,
        higher_is_better=meta.higher_is_better,
        runs=tuple(labels[name] for name in by_run.index),
        run_means=tuple(map(float, by_run)),
        rows=_rows(means.loc[by_sample.index[:CASE_ROWS], by_run.index]),
        total_rows=len(means),
        detail=detail[: DETAIL_ROWS + 1],
        detail_total=len(detail) - 1,
    )


def _all_metrics(runs: Sequence[RunInput], meta: StudyMeta) -> pd.DataFrame:
    """Metrics of all runs, of the part and class of the study."""
    frames = [run.metrics for run in runs if run.metrics is not None]
    if not frames:
        return pd.DataFrame()
    frame = pd.concat(frames, ignore_index=True)
    return frame[(frame["part"] == meta.case_part) & (frame["class"] == meta.case_class)]


def _first_metric(frame: pd.DataFrame) -> str:
    return str(frame["metric"].iloc[0]) if len(frame) else ""


def _why_empty(frame: pd.DataFrame, metric: str, meta: StudyMeta) -> str:
    where = f"part {meta.case_part}, class {meta.case_class}"
    if frame.empty:
        return f"not produced: no run has metrics of {where}"
    known = ", ".join(sorted(set(frame["metric"])))
    return f"not shown: no run has a value of the metric {metric} of {where}; there are {known}"


def _replace_problem(case: CaseInput, problem: str) -> CaseInput:
    return CaseInput(case.metric, case.class_name, case.part, case.higher_is_better, problem=problem)


def _rows(means: pd.DataFrame) -> tuple[CaseRow, ...]:
    """One row per image; None where a run has no value."""
    return tuple(
        CaseRow(
            sample=str(sample),
            values=tuple(None if pd.isna(value) else float(value) for value in values),
            mean=float(values.mean()),
        )
        for sample, values in means.iterrows()
    )


def _detail(frame: pd.DataFrame, metric: str, *, ascending: bool) -> tuple[tuple[str, ...], ...]:
    """Every metric of every run, seed and image as text, header in front, the worst first."""
    # pivot_table would drop what has no value; the keys are unique (`records.read_metrics` sees to it)
    wide = frame.pivot(index=DETAIL_KEYS, columns="metric", values="value").reset_index()  # noqa: PD010
    names = [metric, *[name for name in dict.fromkeys(frame["metric"]) if name != metric]]
    ordered = wide.sort_values([metric, *DETAIL_KEYS], ascending=[ascending, True, True, True, True])
    rows = ordered[[*DETAIL_KEYS, *names]].itertuples(index=False, name=None)
    keys = len(DETAIL_KEYS)
    body = [(*map(str, row[:keys]), *(number(value) for value in row[keys:])) for row in rows]
    return ((*DETAIL_KEYS, *names), *body)
