# SPDX-License-Identifier: MIT
"""Runs × calibration of their probabilities, over the pixels of all images together; intervals by patient.

Errors and scores are those of `microtome.metrics.calibration`; less of each is better. Errors are distances,
and so larger of fewer different images: those of patients that are drawn anew lie rather high.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from microtome.metrics.calibration import BINS
from microtome.metrics.names import metric_name, rate_name
from microtome.metrics.resampling import Values, groups_of
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.claims import add_claims, told_of_claims
from microtome.tables.parts.numbers import told_of_intervals
from microtome.tables.parts.pooling import of_seeds
from microtome.tables.parts.published import note_of
from microtome.tables.parts.reliability import OF_CLASS, SCORES, Measured, measured
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
METRICS = ("bin_pixels@{bin}",)
WHOLE = {"format": ",.0f", "once": True}
FORMATS = {"aurc": ".4f"}
"""Of scores that are as small as the third decimal of others."""
DISTANCES = ("ece", "ace", "mce", "mean_ece")
"""What the names of scores begin with that are distances: noise alone makes them larger than 0."""
RATHER_HIGH = (
    "Calibration errors are distances, which noise makes larger, and {units} drawn anew are fewer different "
    "ones, so the intervals of these errors lie rather high."
)
SUFFIXES = {"mean": "", "sd": SD_SUFFIX, "low": LOW_SUFFIX, "high": HIGH_SUFFIX}
TOLD = {
    "ece": f"ECE: distance of mean probability and share that is true, over {BINS} bins of equal width, of "
    "the most probable class of each pixel (Guo et al. 2017)",
    "ace": "ACE: the same over bins of equally many pixels (Nixon et al. 2019)",
    "mce": "MCE: the same in the worst bin of equal width",
    "mean_ece": "mean ECE: mean over the classes of the ECE of the probability of each (Kull et al. 2019)",
    "brier": "Brier score: squared distance, summed over the classes, 0 to 2",
    "nll": "NLL: -ln of the probability of the true class",
    "aurc": "AURC: area under the share of wrong pixels among the surest ones, by their share (Geifman and "
    "El-Yaniv 2017)",
}


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Calibration of the probabilities",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    scores: Sequence[str] = SCORES,
    by_class: bool = False,
    part: str = "test",
    interval: bool = True,
    seed: int = 0,
) -> Table:
    """Tabulate how true the probabilities of runs are, pooled over the pixels of a part.

    Args:
        inputs: Run records with sums of probabilities (family ``calibration``).
        title: Caption.
        rows: Runs; all by default.
        scores: Of ``ece``, ``ace``, ``mce``, ``mean_ece``, ``brier``, ``nll`` and ``aurc`` those to show.
        by_class: Whether to show the calibration error of each class, too.
        part: Part of the split that was evaluated.
        interval: Whether to add 95 % bootstrap intervals, resampling patients and seeds.
        seed: Seed of the bootstrap; the same patients are drawn for all runs.

    Returns:
        One row per run: each score with ``_sd``, ``_ci_low``, ``_ci_high`` and ``_told_apart``, images,
        units, seeds, splits.

    Raises:
        ValueError: A run or a score does not exist, or the sums were not evaluated.
    """
    if unknown := sorted(set(scores) - set(SCORES)):
        msg = f"unknown scores {unknown} of calibration; expected some of {list(SCORES)}"
        raise ValueError(msg)
    chosen = select_rows(inputs.runs, rows)
    names = [*scores, *(f"{OF_CLASS}{name}" for name in inputs.classes if by_class)]
    columns = _columns(inputs, scores, by_class=by_class)
    every = [measured(row.records, inputs.classes, part=part) for row in chosen]
    samples = sorted({name for of in every for name in of.frame["sample"]})
    every = [of.grouped(groups_of(samples, inputs.units)) for of in every]
    whose = {inputs.units.get(name) or name for name in samples}
    draws = [of.drawn(names, seed=seed, of=row.run) for row, of in zip(chosen, every, strict=True)]
    frame = _frame(chosen, every, names, draws, interval=interval).assign(units=len(whose))
    by_name = {name: [drawn[:, n] for drawn in draws] for n, name in enumerate(names)}
    frame = add_claims(frame, columns, by_name, len(whose))
    claims = told_of_claims(frame, columns, len(whose), inputs.unit_name)
    is_one = len(whose) == 1 < len(samples)
    about = _about_intervals(inputs, frame, every, names, is_one=is_one) if interval else ""
    note = note_of(inputs, _told(every, scores), about, claims)
    return Table(frame, columns, title, note, inputs.data_kinds)


def _frame(
    rows: Sequence[Row],
    every: Sequence[Measured],
    names: Sequence[str],
    draws: Sequence[Values],
    *,
    interval: bool,
) -> pd.DataFrame:
    """A row for each run."""
    each = zip(rows, every, draws, strict=True)
    return pd.DataFrame([_cells(row, of, names, drawn if interval else None) for row, of, drawn in each])


def _cells(row: Row, of: Measured, names: Sequence[str], draws: Values | None) -> dict[str, Any]:
    found = of.estimates(names, draws)
    cells = {
        f"{name}{suffix}": getattr(one, field)
        for name, one in found.items()
        for field, suffix in SUFFIXES.items()
    }
    sizes = {"images": of.images, "seeds": of.seeds, "splits": of.splits}
    return {"run": row.run, "label": row.label, **cells, **sizes, "data": row.data}


def _columns(inputs: Inputs, scores: Sequence[str], *, by_class: bool) -> tuple[Column, ...]:
    how = {name: {"better": "low", "format": FORMATS.get(name, ".3f")} for name in scores}
    columns = [LABEL, *(Column(name, rate_name(name), **how[name]) for name in scores)]
    of_classes = [(f"{OF_CLASS}{name}", name) for name in inputs.classes if by_class]
    columns += [Column(key, name, better="low", group=metric_name("ece")) for key, name in of_classes]
    sizes = {"images": "Images", "units": inputs.unit_name.capitalize(), "seeds": "Seeds", "splits": "Splits"}
    if inputs.unit_name == "images":
        del sizes["units"]
    return (*columns, *(Column(key, label, **WHOLE) for key, label in sizes.items()), DATA)


def _told(every: Sequence[Measured], scores: Sequence[str]) -> str:
    """What the values are of."""
    over = "mean ± sample sd over splits" if every[0].splits > 1 else "one split"
    pooled = f"Labelled pixels of all images of a split together; {over} (seeds of a split averaged)."
    return f"{pooled} {'; '.join(TOLD[name] for name in scores)}."


def _about_intervals(
    inputs: Inputs, frame: pd.DataFrame, every: Sequence[Measured], names: Sequence[str], *, is_one: bool
) -> str:
    """What the intervals are of, and what is to be known of them."""
    drawn = "images" if is_one else inputs.unit_name
    whole = f"{drawn}, each with all of its images," if drawn != "images" else drawn
    within = " within each split" if every[0].splits > 1 else ""
    ends = [(frame[f"{name}{LOW_SUFFIX}"], frame[f"{name}{HIGH_SUFFIX}"]) for name in names]
    said = f"In brackets: 95 % bootstrap interval, resampling {f'{whole}{within}'.rstrip(',')}."
    alone = f" All images are of one {inputs.unit}, so they say nothing of others." if is_one else ""
    few = told_of_intervals(min(of.units for of in every), drawn, ends)
    high = RATHER_HIGH.format(units=drawn) if any(name.startswith(DISTANCES) for name in names) else ""
    return " ".join(filter(None, (f"{said}{of_seeds(every)}{alone}", high, few)))
