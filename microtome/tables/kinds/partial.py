# SPDX-License-Identifier: MIT
"""Whether partial labels pay: runs that learn from some of the labels, and what is done with the rest.

Each run learns from a share of the labelled pixels (`learn`); the other pixels are left out of its loss, or
count as a class. All are measured against labels that are complete, so that pixels which nobody labelled
count, too.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from microtome.metrics.names import rate_name
from microtome.metrics.resampling import Values, expanded, p_of
from microtome.metrics.summary import holm
from microtome.tables.frame import HIGH_SUFFIX, LOW_SUFFIX, Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA, LABEL
from microtome.tables.kinds.pooled import best_of
from microtome.tables.parts import pixels
from microtome.tables.parts.claims import ALPHA, can_claim, claim_sentence
from microtome.tables.parts.numbers import told_of_intervals
from microtome.tables.parts.pixels import PER_CENT
from microtome.tables.parts.pooling import COMPLETE, Counted, counted, interval, of_seeds
from microtome.tables.parts.published import note_of
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs", "labels"})
NEEDS_WHEN = {("truth", None): {"complete_labels"}, ("truth", "full"): {"complete_labels"}}
USES = frozenset({"patients"})
METRICS = ("full_tp", "full_fp", "full_fn", "full_tn")
LEFT_OUT = "left out"
DIGITS = 6
"""To which numbers of labels are as many, per cent."""
OF_CLASS = "of_"
"""Before the name of a class: its column in the frame."""


@dataclass(frozen=True)
class Learner:
    """A run, what it learns from, and its counts.

    Attributes:
        row: The run.
        labelled: Pixels of training images whose label it learns, per cent of all.
        fill: The class that other pixels count as; empty: they are left out.
        counts: Its counts.
    """

    row: Row
    labelled: float
    fill: str
    counts: Counted


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Partial labels",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    rate: str = "dice",
    truth: Literal["full", "labels"] = COMPLETE,
    part: str = "test",
    seed: int = 0,
) -> Table:
    """Tabulate a rate of runs that learn from different shares of the labels.

    Args:
        inputs: Run records with counts (family ``counts``) and what they learnt from, targets, splits.
        title: Caption.
        rows: Runs; all by default.
        rate: Name of a rate, as in the kind ``pooled``.
        truth: ``full``: against labels that are complete; ``labels``: against those of the study.
        part: Part of the split that was evaluated.
        seed: Seed of the bootstrap; the same patients are drawn for all runs.

    Returns:
        One row per run, that of most labels first: ``labelled``, the pixels of training images whose label it
        learns (%), what the others count as, the rate of each class and ``average``, their mean, with its
        95 % interval. The note compares runs of as many labels that do different things with the rest.

    Raises:
        ValueError: A run or rate does not exist, or pixels were not counted.
    """
    given = {"part": part, "truth": truth, "units": inputs.units, "mean_classes": inputs.mean_classes}
    every = _labelled(inputs)
    learners = [
        Learner(row, _learnt(row, every), _fill(row), counted(row.records, inputs.classes, **given))
        for row in select_rows(inputs.runs, rows)
    ]
    learners.sort(key=lambda one: (-one.labelled, one.fill))
    apart = best_of([(one.row, one.counts) for one in learners], rate, seed)
    frame = pd.DataFrame([_row(one, rate, seed) for one in learners]).join(pd.DataFrame(apart))
    whole = {"format": ",.0f", "once": True}
    columns = (
        LABEL,
        Column("labelled", "Labelled for training", unit="% of pixels", format=".1f"),
        Column("rest", "Other pixels", kind="text"),
        *(Column(f"{OF_CLASS}{name}", name, better="high") for name in inputs.classes),
        Column("average", "Mean over classes", better="high"),
        Column("images", "Images", **whole),
        Column("units", inputs.unit_name.capitalize(), **whole),
        Column("seeds", "Seeds", **whole),
        DATA,
    )
    counts = [one.counts for one in learners]
    low, high = f"average{LOW_SUFFIX}", f"average{HIGH_SUFFIX}"
    whose = "labels that are complete" if truth == COMPLETE else "the labels"
    said = (
        f"{rate_name(rate)} of the pixels of all images of a split together, against {whose}. "
        f"{every:.1f} % of the pixels of training images are labelled; what a run does "
        "not learn is left out of its loss, or counts as a class.",
        f"In brackets: 95 % bootstrap interval, resampling {inputs.unit_name}, each whole.{of_seeds(counts)}",
        claim_sentence(
            len(counts), min(of.units for of in counts), inputs.unit_name, "where nothing is bold"
        ),
        told_of_intervals(learners[0].counts.units, inputs.unit_name, [(frame[low], frame[high])]),
        *_comparisons(learners, rate, seed),
    )
    return Table(frame, columns, title, note_of(inputs, *said), inputs.data_kinds)


def _labelled(inputs: Inputs) -> float:
    """The share of the pixels of the first split's training images that are labelled, per cent."""
    splits = pixels.parts_by_split(inputs)
    counts = pixels.of_parts(pixels.by_image(inputs), next(iter(splits.values())), ("train",))
    return float(PER_CENT * counts[list(inputs.classes)].to_numpy().sum() / counts.to_numpy().sum())


def _learnt(row: Row, every: float) -> float:
    """The share of the pixels whose label a run learns, per cent; `every` where its cards say of no less."""
    told = [record.card["labels"] for record in row.records if "labels" in record.card]
    shares = [PER_CENT * one["learnt"] / one["pixels"] for one in told]
    return sum(shares) / len(shares) if shares else every


def _fill(row: Row) -> str:
    """The class that pixels count as whose label a run does not learn; empty: they are left out."""
    return row.records[0].card.get("training", {}).get("learn", {}).get("fill") or ""


def _row(one: Learner, rate: str, seed: int) -> dict[str, object]:
    found = one.counts.rates(rate, seed=seed, of=one.row.run)
    of = {f"{OF_CLASS}{name}": found.mean[n] for n, name in enumerate(one.counts.classes)}
    average = {"average": found.mean[-1]}
    average |= {f"average{LOW_SUFFIX}": found.low[-1], f"average{HIGH_SUFFIX}": found.high[-1]}
    rest = f"as {one.fill}" if one.fill else LEFT_OUT
    about = {"run": one.row.run, "label": one.row.label, "labelled": one.labelled, "rest": rest}
    counts = one.counts
    sizes = {"images": counts.images, "units": counts.units, "seeds": counts.seeds, "data": one.row.data}
    return about | of | average | sizes


def _comparisons(learners: Sequence[Learner], rate: str, seed: int) -> Iterator[str]:
    """A sentence on each pair of runs of as many labels that do different things with the rest."""
    pairs = [
        (one, other)
        for one in learners
        for other in learners
        if _alike(one, other) and not one.fill and other.fill
    ]
    draws = [_difference(one, other, rate, seed) for one, other in pairs]
    units = [min(one.counts.units, other.counts.units) for one, other in pairs]
    found = [expanded(p_of(of_pair[:, 0]), count) for of_pair, count in zip(draws, units, strict=True)]
    p_values = holm(found)
    for pair, of_pair, p_value in zip(pairs, draws, p_values, strict=True):
        yield _comparison(*pair, rate, of_pair, float(p_value), len(pairs))


def _alike(one: Learner, other: Learner) -> bool:
    return round(one.labelled - other.labelled, DIGITS) == 0


def _difference(one: Learner, other: Learner, rate: str, seed: int) -> Values:
    """Draws of the difference of two runs, (draws, 1)."""
    draws = [learner.counts.drawn(rate, seed=seed, of=learner.row.run)[:, -1:] for learner in (one, other)]
    return draws[0] - draws[1]


def _comparison(one: Learner, other: Learner, rate: str, draws: Values, p_value: float, pairs: int) -> str:
    """Whether leaving out is better than filling, as far as the interval of the difference tells."""
    means = [float(learner.counts.rates(rate).mean[-1]) for learner in (one, other)]
    (low,), (high,) = interval(draws)
    difference = means[0] - means[1]
    pay = "pay" if difference > 0 else "do not pay"
    ends = f" [{low:.3f}, {high:.3f}]" if low <= high else ""  # none of a single patient
    if low <= 0 <= high:
        doubt = ", though the interval of the difference does not exclude 0"
    else:
        doubt = doubts(min(one.counts.units, other.counts.units), p_value, pairs)
    return (
        f"At {one.labelled:.1f} % partial labels {pay}: {means[0]:.3f} where the rest is left out, "
        f"{means[1]:.3f} where it counts as {other.fill}, a difference of "
        f"{difference:.3f}{ends}{doubt}."
    )


def doubts(units: int, p_value: float, pairs: int) -> str:
    """What speaks against a claim where the interval does not: few patients, several tests."""
    if not can_claim(units, pairs):
        return f", though nothing can be claimed of so few ({units})"
    several = f", corrected for {pairs} comparisons" if pairs > 1 else ""
    return f", though p is {p_value:.2g}{several}" if p_value >= ALPHA else ""
