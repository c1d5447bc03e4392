# SPDX-License-Identifier: MIT
"""Rates × runs × classes of the pixels of all images together: mean ± sd over splits, interval by patient.

Unlike means over images (kind ``metrics``), pixels of the images of a split are added up first, so an image
weighs as much as it has labelled pixels, and a class that is in few images has a value all the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd

from microtome.metrics.names import rate_name
from microtome.tables.frame import APART_SUFFIX, HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.claims import claim_sentence, told_apart
from microtome.tables.parts.numbers import check_groups, group_names, told_of_intervals
from microtome.tables.parts.pooling import COMPLETE, Counted, Rates, counted, of_seeds
from microtome.tables.parts.published import note_of, remark_of, short_heading
from microtome.tables.parts.published_classes import AVERAGE, DERIVED, class_cells
from microtome.tables.parts.rows import Row, named_rows, select_rows

NEEDS = frozenset({"runs"})
NEEDS_WHEN = {("truth", "full"): {"complete_labels"}}
USES = frozenset({"patients"})
METRICS = ("tp", "fp", "fn", "tn")
PUBLISHED_OPTIONS = ("published",)
DEFAULT_RATES = ("sensitivity", "specificity", "dice")
HERE = "this study"
OF_CLASS = "of_"
"""Before the name of a class: its column in the frame."""
SUFFIXES = (SD_SUFFIX, LOW_SUFFIX, HIGH_SUFFIX)
WHOLE = ",.0f"


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Rates of all pixels together",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    labels: Sequence[str] = (),
    rates: Sequence[str] = DEFAULT_RATES,
    truth: Literal["labels", "full"] = "labels",
    by_group: bool = False,
    groups: Sequence[str] = (),
    group_heading: str = "Clinic",
    part: str = "test",
    interval: bool = True,
    published: str = "",
    published_rows: Sequence[str] = (),
    seed: int = 0,
) -> Table:
    """Tabulate rates of each class and their mean, pooled over the pixels of a part.

    Args:
        inputs: Run records with counts (family ``counts``), published values.
        title: Caption.
        rows: Runs; all by default.
        labels: What the rows are called, in their order, where not as the runs.
        rates: Names of rates that follow from counts: ``sensitivity``, ``specificity``, ``dice``, ``iou``,
            ``precision``, ``false_positive_rate``, ``f1.5`` and the like.
        truth: ``labels``, or ``full`` for labels that are complete, of the images that have them.
        by_group: Whether the images of each group (clinic) are pooled by themselves, too.
        groups: With `by_group`, those to show, in order; all by name by default.
        group_heading: What groups are.
        part: Part of the split that was evaluated.
        interval: Whether to add 95 % bootstrap intervals of the mean, resampling patients.
        published: Published table to show below ours: rows are runs, columns rates, cells values by class.
        published_rows: Its rows, one for each run, where they are not called as the runs.
        seed: Seed of the bootstrap; the same patients are drawn for all runs.

    Returns:
        A row per rate, group and run, with the best of each class within a rate. The frame holds the mean of
        each class (``of_`` and its name), ``average``, the mean over classes, each with ``_sd``, ``_ci_low``
        and ``_ci_high``, and ``mean_sd``, the mean over classes of each class's sd.

    Raises:
        ValueError: A run, rate, group or published value does not exist, or pixels were not counted.
    """
    chosen = named_rows(select_rows(inputs.runs, rows), labels, published_rows)
    given = {"part": part, "truth": truth, "units": inputs.units, "mean_classes": inputs.mean_classes}
    counts = [counted(row.records, inputs.classes, **given) for row in chosen]
    shown = _groups(counts, groups, part) if by_group else {None: ""}
    how = {"draws": seed if interval else None, "published": published}
    found = [
        {"group": name, **row}
        for rate in rates
        for group, name in shown.items()
        for row in _rows(inputs, chosen, counts, (rate, group), **how)
    ]
    frame = pd.DataFrame(found)
    columns = _columns(inputs, group_heading if by_group else "", published)
    about = _about_intervals(inputs, frame, counts) if interval else ""
    units = min(of.units for of in counts)
    claims = claim_sentence(len(chosen), units, inputs.unit_name, "where nothing is bold")
    said = (_told(inputs, counts, truth, interval=interval), about, claims, DERIVED * bool(published))
    note = note_of(inputs, *said, remark_of(inputs, published), published=published)
    return Table(frame, columns, title, note, inputs.data_kinds)


def _check_names(classes: Sequence[str]) -> None:
    """Refuse a class that is called as the spread of another."""
    if taken := sorted({f"{name}{suffix}" for name in classes for suffix in SUFFIXES} & set(classes)):
        msg = f"{', '.join(taken)}: a class, and sd or interval of another; rename the class"
        raise ValueError(msg)


def _groups(counts: Sequence[Counted], groups: Sequence[str], part: str) -> dict[str | None, str]:
    """The groups to show and what they are called; all images together (None) last."""
    names = group_names(group for one in counts for group in one.frame["group"])
    named = {name: group for group, name in names.items()}
    check_groups(groups, list(named)[:-1], part)
    shown = [*dict.fromkeys([*map(named.get, groups), None])] if groups else list(names)
    return {group: names[group] for group in shown}


def _rows(
    inputs: Inputs,
    chosen: Sequence[Row],
    counts: Sequence[Counted],
    what: tuple[str, str | None],
    *,
    draws: int | None,
    published: str,
) -> Iterator[dict[str, Any]]:
    """The rows of a rate and a group (None: of all images): each run, and what is published of it."""
    rate, group = what
    every = zip(chosen, counts, strict=True)
    shown = [(row, one if group is None else one.of_group(group)) for row, one in every]
    shown = [(row, of) for row, of in shown if of.images]
    for (row, of), told in zip(shown, best_of(shown, rate, draws or 0), strict=True):
        about = {"rate": rate_name(rate), "run": row.run, "label": row.label}
        sizes = {"images": of.images, "units": of.units, "splits": of.splits, "seeds": of.seeds}
        sizes |= {"data": row.data}
        block = {"source": HERE, "block": f"{rate} of {'all' if group is None else f'group {group}'}"}
        yield about | block | _cells(of.rates(rate, seed=draws, of=row.run), of) | told | sizes
        if published and group is None:
            cells = class_cells(inputs, published, row, rate, of.classes, of.mean_classes)
            yield about | {"source": short_heading(inputs), "block": ""} | _published(cells, of.classes)


def best_of(shown: Sequence[tuple[Row, Counted]], rate: str, seed: int = 0) -> list[dict[str, float]]:
    """By run whether its rate of each class is the best, and told apart from that of every other run.

    The columns of the frame with `APART_SUFFIX`, of each class and of their mean (``average``).
    """
    runs, counts = [row.run for row, _ in shown], [of for _, of in shown]
    keys = [*(f"{OF_CLASS}{name}" for name in counts[0].classes), AVERAGE] if counts else []
    means = np.array([of.rates(rate).mean for of in counts])
    draws = [of.drawn(rate, seed=seed, of=run) for run, of in zip(runs, counts, strict=True)]
    units = min((of.units for of in counts), default=0)
    apart = {
        f"{key}{APART_SUFFIX}": told_apart(
            means[:, n], [one[:, n] for one in draws], better="high", units=units
        )
        for n, key in enumerate(keys)
    }
    return pd.DataFrame(apart).to_dict("records")


def _cells(rates: Rates, of: Counted) -> dict[str, float]:
    """The columns of the frame that hold a rate."""
    keys = [*(f"{OF_CLASS}{name}" for name in of.classes), AVERAGE]
    parts = {"": rates.mean, SD_SUFFIX: rates.sd, LOW_SUFFIX: rates.low, HIGH_SUFFIX: rates.high}
    cells = {f"{key}{suffix}": v[n] for suffix, v in parts.items() for n, key in enumerate(keys)}
    return {key: float(value) for key, value in cells.items()} | {"mean_sd": rates.mean_sd}


def _published(cells: pd.DataFrame, classes: Sequence[str]) -> dict[str, float]:
    """The same of what is published (`class_cells`)."""
    means = {f"{OF_CLASS}{name}": cells.loc[name, "mean"] for name in classes}
    spreads = {f"{OF_CLASS}{name}{SD_SUFFIX}": cells.loc[name, "sd"] for name in classes}
    return means | spreads | {AVERAGE: cells.loc[AVERAGE, "mean"], "mean_sd": cells.loc[AVERAGE, "sd"]}


def _columns(inputs: Inputs, groups: str, published: str) -> tuple[Column, ...]:
    _check_names(inputs.classes)
    best = {"better": "high", "within": "block"}
    columns = [Column("rate", "Rate", kind="text", once=True)]
    columns += [Column("group", groups, kind="text")] * bool(groups) + [LABEL]
    columns += [Column("source", "Source", kind="text")] * bool(published)
    columns += [Column(f"{OF_CLASS}{name}", name, **best) for name in inputs.classes]
    columns += [Column(AVERAGE, "Mean over classes", short="Mean", **best)]
    whole = {"format": WHOLE, "once": True}
    columns += [Column("images", "Images", **whole)]
    columns += [Column("units", inputs.unit_name.capitalize(), **whole)] * (inputs.unit_name != "images")
    return (*columns, Column("splits", "Splits", **whole), Column("seeds", "Seeds", **whole), DATA)


def _about_intervals(inputs: Inputs, frame: pd.DataFrame, counts: Sequence[Counted]) -> str:
    """What is to be known of the intervals: those of ours, as what is published has none."""
    keys = [*(f"{OF_CLASS}{name}" for name in inputs.classes), AVERAGE]
    ends = [(frame[f"{key}{LOW_SUFFIX}"], frame[f"{key}{HIGH_SUFFIX}"]) for key in keys]
    return told_of_intervals(counts[0].units, inputs.unit_name, ends)


def _told(inputs: Inputs, counts: Sequence[Counted], truth: str, *, interval: bool) -> str:
    """What the values are of."""
    first = counts[0]
    several, resampled = first.splits > 1, f"{inputs.unit_name}, each whole"
    whose = "labels that are complete, of the images that have them" if truth == COMPLETE else "the labels"
    over = "mean ± sample sd over splits" if several else "one split"
    within = f"{resampled}, within each split" if several else resampled
    said = (
        f"Pixels of all images of a split are added up before a rate is taken, against {whose}; {over} "
        "(seeds of a split averaged).",
        f"Means over classes are over {', '.join(first.mean_classes)}, as far as they have a value.",
        "The sd of the mean over classes is over splits." * several,
        f"In brackets: 95 % bootstrap interval of the mean, resampling {within}.{of_seeds(counts)}"
        * interval,
    )
    return " ".join(one for one in said if one)
