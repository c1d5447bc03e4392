# SPDX-License-Identifier: MIT
"""The images of a study by their metric, worst first."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from microtome.config.colors import bright_class, class_of_interest
from microtome.config.evaluated import leading, lower_is_better
from microtome.formats import number
from microtome.io import views
from microtome.metrics.names import metric_name
from microtome.report.inputs import CaseInput, CaseRow, Picture, RunInput, StudyMeta
from microtome.report.limits import CASE_PICTURES, CASE_ROWS, DETAIL_ROWS
from microtome.report.thumbnails import (
    encode_thumbnail,
    load_overview,
    show_errors,
    show_image,
    show_labels,
    show_object_errors,
    show_probability,
)

RUN_KEYS = ["run", "split", "seed"]
DETAIL_KEYS = ["sample", *RUN_KEYS]
LIGHTEST = np.uint8(255)
NO_FILE = "not produced: no such file"
OBJECT_ERRORS = "Errors: objects found are green, missed ones blue, and those that are not there vermillion."
BINARY = 2
"""Classes of which one map tells both."""


def rank(runs: Sequence[RunInput], meta: StudyMeta) -> CaseInput:
    """Rank the images of a study by its metric, class, part and direction.

    A study without runs has none.

    Returns:
        One row per image with its mean by run (over the seeds and splits that hold it), the image with the
        worst mean over the runs first; runs are ordered by their mean, the best first. Of a study that
        divides its samples in several ways only one counts (`StudyMeta.case_splits`).
    """
    runs = [run for run in runs if run.expected.split in (meta.case_splits or [run.expected.split])]
    frame = _all_metrics(runs, meta)
    metric = meta.case_metric or (leading(frame["metric"]) if len(frame) else "")
    is_high = not lower_is_better(metric)
    of = (metric, meta.case_class, meta.case_part, is_high)
    called = {"metric_name": metric_name(metric) if metric else ""}
    empty = CaseInput(*of, meta.case_group, colors=meta.colors, **called)
    chosen = frame[frame["metric"] == metric].dropna(subset="value") if len(frame) else frame
    if chosen.empty:
        return replace(empty, problem=_why_empty(frame, metric, meta) if meta.runs or runs else "")
    means = chosen.pivot_table(index="sample", columns="run", values="value", aggfunc="mean")
    by_run = means.mean().sort_values(ascending=not is_high, kind="stable")
    by_sample = means.mean(axis=1).sort_values(ascending=is_high, kind="stable")
    labels = {run.expected.run: run.expected.name for run in runs}
    named = frame.assign(run=frame["run"].map(lambda name: labels.get(name, name)))
    detail = _detail(named, metric, ascending=is_high)
    return replace(
        empty,
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


def _why_empty(frame: pd.DataFrame, metric: str, meta: StudyMeta) -> str:
    where = f"part {meta.case_part}, class {meta.case_class}"
    if frame.empty:
        return f"not produced: no run has metrics of {where}"
    known = ", ".join(sorted(set(frame["metric"])))
    return f"not shown: no run has a value of the metric {metric} of {where}; there are {known}"


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
    return ((*DETAIL_KEYS, *map(metric_name, names)), *body)


Files = Mapping[str, Path]


@dataclass(frozen=True)
class Sources:
    """Files of one study by sample: images, targets, true objects if any; by run the folders of its seeds.

    `activations` are those behind each run's maps, `colors` those of the classes, in order; `of` is the place
    of the class that the study is about, `bright` that of the class whose probability is shown: of two the
    one that is white in the truth beside it.
    """

    images: Files
    targets: Files
    objects: Files
    runs: Mapping[str, tuple[Path, ...]]
    activations: Mapping[str, str]
    colors: tuple[str, ...] = ()

    of: int = 1
    bright: int = 1

    @property
    def typed(self) -> bool:
        """Whether there are objects of several classes."""
        return bool(self.objects) and len(self.colors) > BINARY


def add_pictures(
    cases: CaseInput, folder: Path, runs: Sequence[RunInput], *, most: int = CASE_PICTURES
) -> CaseInput:
    """Add thumbnails to the `most` worst images of a study in `folder`.

    A picture that cannot be made carries the reason.
    """
    if not cases.rows or most < 1:
        return cases
    sources = Sources(
        images=index(folder / "images"),
        targets=index(folder / "targets"),
        objects=index(folder / "targets", below=views.INSTANCES),
        runs=_folders(folder, runs),
        activations={
            run.expected.name: run.card.get("activation", "") for run in runs if run.card is not None
        },
        colors=tuple(cases.colors.values()),
        of=_place_of_interest(list(cases.colors)),
        bright=list(cases.colors).index(bright_class(cases.colors)) if cases.colors else 1,
    )
    first = [replace(row, pictures=_pictures(row, cases, sources)) for row in cases.rows[:most]]
    shown = cases.colors if sources.typed or not sources.objects else {}
    told = {"colors": shown, "objects": bool(sources.objects), "legend": _legend(cases, sources)}
    return replace(cases, rows=(*first, *cases.rows[most:]), **told)


def _place_of_interest(classes: Sequence[str]) -> int:
    """The place of the class that a study is about; 1 where no classes are told."""
    return classes.index(class_of_interest(classes)) if classes else 1


def _legend(cases: CaseInput, sources: Sources) -> str:
    """What the maps and the errors of a study show."""
    classes = list(cases.colors)
    is_binary = len(classes) <= BINARY
    of = classes[sources.of] if sources.of < len(classes) else ""
    bright = classes[sources.bright] if sources.bright < len(classes) else ""
    maps = f"Maps: the probability of {bright}, from black (0) to white (1)." if is_binary and bright else ""
    if sources.objects:
        errors = OBJECT_ERRORS
    elif is_binary:
        errors = f"Errors: wrongly taken for {of} is vermillion, missed {of} blue." if of else ""
    else:
        errors = "Errors: a wrong pixel has the colour of the class that was given."
    return " ".join(filter(None, (maps or "Maps: the likeliest class." * (not is_binary), errors)))


def index(folder: Path, *, below: str = "") -> dict[str, Path]:
    """Find the files of a folder's batches by sample: ``{batch}/{sample}.tif``, or ``{batch}/{below}/…``.

    Empty if the folder does not exist.
    """
    return views.samples(*sorted(folder.glob(f"*/{below}" if below else "*")))


def _folders(folder: Path, runs: Sequence[RunInput]) -> dict[str, tuple[Path, ...]]:
    """Folders of a run's seeds and splits by the run's printed name."""
    found: dict[str, tuple[Path, ...]] = {}
    for run in runs:
        if run.card is not None:
            found[run.expected.name] = (*found.get(run.expected.name, ()), folder / run.expected.folder)
    return found


def _pictures(row: CaseRow, cases: CaseInput, sources: Sources) -> tuple[Picture, ...]:
    """Input, truth, then the best run on the whole and the worst on this image.

    Not every slide is annotated, and runs leave maps of slides, no segmentations: nothing is missing there.
    """
    given = [(name, value) for name, value in zip(cases.runs, row.values, strict=True) if value is not None]
    best, worst = given[0][0], (min if cases.higher_is_better else max)(given, key=lambda pair: pair[1])[0]
    pictures = [
        _picture("input", row.sample, sources.images, show_image),
        _truth(row.sample, sources),
        *_outputs("best run", best, row.sample, sources),
    ]
    if worst != best:
        pictures += _outputs("worst here", worst, row.sample, sources)
    is_slide = sources.images.get(row.sample, Path()).suffix == views.SLIDE
    return tuple(one for one in pictures if not (is_slide and one.problem == NO_FILE))


def _truth(sample: str, sources: Sources) -> Picture:
    """The true objects, or the true classes in their colours, also those of objects."""
    if sample in sources.objects and not sources.typed:
        return _picture("truth", sample, sources.objects, show_labels)
    return _picture("truth", sample, sources.targets, partial(show_labels, colors=sources.colors))


def _outputs(role: str, run: str, sample: str, sources: Sources) -> list[Picture]:
    """Probability map and errors of a run on one image, of the first seed that has it."""
    folders = sources.runs.get(run, ())
    predictions = _merged([index(folder / "predictions") for folder in folders])
    segmentations = _merged([index(folder / "segmentations") for folder in folders])
    objects = _merged([index(folder / "segmentations", below=views.INSTANCES) for folder in folders])
    compare = partial(show_errors, colors=sources.colors, of=sources.of)
    errors = _errors_against(sources.targets.get(sample), compare)
    activation = sources.activations.get(run, "")
    probable = partial(_show_output, colors=sources.colors, activation=activation, of=sources.bright)
    if sample in objects and sample in sources.objects:
        segmentations, errors = objects, _errors_against(sources.objects[sample], show_object_errors)
    return [
        _picture(f"{role}: {run}", sample, predictions, probable),
        _picture(f"errors of {run}", sample, segmentations, errors),
    ]


def _show_output(maps: np.ndarray, *, colors: Sequence[str], activation: str, of: int) -> np.ndarray:
    """The likeliest class of softmax maps; of two classes the probability of the class at place `of`.

    Of sigmoid maps the first is that of the second class (of objects: their mask), and so is the last of two
    softmax maps.
    """
    planes = maps[None] if maps.ndim == 2 else maps
    if activation == "sigmoid":
        shown = show_probability(planes[0], colors)
    else:
        shown = show_probability(planes[1] if activation and len(planes) == BINARY else planes, colors)
    is_binary = len(colors) <= BINARY and (activation == "sigmoid" or len(planes) <= BINARY)
    return LIGHTEST - shown if is_binary and of == 0 else shown


def _merged(files: Sequence[Files]) -> dict[str, Path]:
    """First file of each sample."""
    return {sample: path for found in reversed(files) for sample, path in found.items()}


def _errors_against(
    target: Path | None, compare: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> Callable[[np.ndarray], np.ndarray]:
    """Make the comparison with a target file."""

    def show(segmentation: np.ndarray) -> np.ndarray:
        if target is None:
            msg = "there is no truth to compare with"
            raise ValueError(msg)
        return compare(segmentation, load_overview(target))

    return show


def _picture(label: str, sample: str, files: Files, show: Callable[[np.ndarray], np.ndarray]) -> Picture:
    """Make one thumbnail; without a picture, and saying why, if that fails."""
    alt = f"{label} of {sample}"
    path = files.get(sample)
    if path is None:
        return Picture(label, alt, problem=NO_FILE)
    try:
        return encode_thumbnail(show(load_overview(path)), label=label, alt=alt)
    except (OSError, ValueError, KeyError, IndexError) as error:
        return Picture(label, alt, problem=f"not shown: {error}")
