# SPDX-License-Identifier: MIT
"""Runs × calibration of their probabilities, over the pixels of all images together; intervals by patient.

Errors and scores are those of `microtome.metrics.calibration`; less of each is better.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from microtome.metrics.calibration import BINS
from microtome.metrics.names import metric_name, rate_name
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, SD_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.parts.numbers import told_of_intervals
from microtome.tables.parts.published import note_of
from microtome.tables.parts.reliability import OF_CLASS, SCORES, Measured, measured
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
USES = frozenset({"patients"})
METRICS = ("bin_pixels@{bin}",)
WHOLE = {"format": ",.0f", "once": True}
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
        interval: Whether to add 95 % bootstrap intervals, resampling patients.
        seed: Seed of the bootstrap; the same patients are drawn for all runs.

    Returns:
        One row per run: each score with ``_sd``, ``_ci_low`` and ``_ci_high``, images, units, seeds, splits.

    Raises:
        ValueError: A run or a score does not exist, or the sums were not evaluated.
    """
    if unknown := sorted(set(scores) - set(SCORES)):
        msg = f"unknown scores {unknown} of calibration; expected some of {list(SCORES)}"
        raise ValueError(msg)
    chosen = select_rows(inputs.runs, rows)
    given = {"part": part, "units": inputs.units}
    every = [measured(row.records, inputs.classes, **given) for row in chosen]
    names = [*scores, *(f"{OF_CLASS}{name}" for name in inputs.classes if by_class)]
    draws = seed if interval else None
    frame = pd.DataFrame([_cells(row, of, names, draws) for row, of in zip(chosen, every, strict=True)])
    ends = [(frame[f"{name}{LOW_SUFFIX}"], frame[f"{name}{HIGH_SUFFIX}"]) for name in names]
    about = told_of_intervals(every[0].units, inputs.unit_name, ends) if interval else ""
    note = note_of(inputs, _told(inputs, every, scores, interval=interval), about)
    return Table(frame, _columns(inputs, scores, by_class=by_class), title, note, inputs.data_kinds)


def _cells(row: Row, of: Measured, names: Sequence[str], draws: int | None) -> dict[str, Any]:
    found = of.estimates(names, seed=draws)
    cells = {
        f"{name}{suffix}": getattr(one, field)
        for name, one in found.items()
        for field, suffix in SUFFIXES.items()
    }
    sizes = {"images": of.images, "units": of.units, "seeds": of.seeds, "splits": of.splits}
    return {"run": row.run, "label": row.label, **cells, **sizes, "data": row.data}


def _columns(inputs: Inputs, scores: Sequence[str], *, by_class: bool) -> tuple[Column, ...]:
    columns = [LABEL, *(Column(name, rate_name(name), better="low") for name in scores)]
    of_classes = [(f"{OF_CLASS}{name}", name) for name in inputs.classes if by_class]
    columns += [Column(key, name, better="low", group=metric_name("ece")) for key, name in of_classes]
    sizes = {"images": "Images", "units": inputs.unit_name.capitalize(), "seeds": "Seeds", "splits": "Splits"}
    if inputs.unit_name == "images":
        del sizes["units"]
    return (*columns, *(Column(key, label, **WHOLE) for key, label in sizes.items()), DATA)


def _told(inputs: Inputs, every: Sequence[Measured], scores: Sequence[str], *, interval: bool) -> str:
    """What the values are of."""
    several = every[0].splits > 1
    over = "mean ± sample sd over splits" if several else "one split"
    within = ", within each split" if several else ""
    said = (
        f"Labelled pixels of all images of a split together; {over} (seeds of a split averaged).",
        f"{'; '.join(TOLD[name] for name in scores)}.",
        f"In brackets: 95 % bootstrap interval, resampling {inputs.unit_name}, each whole{within}."
        * interval,
    )
    return " ".join(filter(None, said))
