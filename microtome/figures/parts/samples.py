# SPDX-License-Identifier: MIT
"""Which samples a figure shows: those named, one of each group, or the best or worst of a run."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd

from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.metrics.names import ALL_CLASSES
from microtome.provenance.runs import RunRecord
from microtome.tables.parts.numbers import values_of

Order = Literal["", "worst", "best"]
ORDERS = ("", "worst", "best")
PHRASES = {"": "", "worst": ", worst first", "best": ", best first"}
NO_GROUP = ""
DATA_SENTENCES = {
    "phantom": "Phantom images, not comparable with real ones.",
    "public": "Images of a public data set.",
    "own": "Own images.",
}


def choose_samples(
    inputs: FigureInputs,
    *,
    samples: Sequence[str] = (),
    groups: Sequence[str] = (),
    count: int = 3,
    run: str = "",
    needs: Sequence[str] = (),
    ranking: pd.DataFrame | None = None,
) -> list[tuple[str, SampleSources]]:
    """Choose samples.

    Args:
        inputs: Files and groups of the samples.
        samples: Names; they decide alone if given.
        groups: One sample of each of these groups.
        count: Largest number of samples, where none is named; of several groups different ones come first.
        run: Run whose maps are needed, and whose test samples come first.
        needs: What a chosen sample must have (see `FigureInputs.sample`).
        ranking: Result of `rank_samples`; the samples are then taken in its order, whatever their groups.

    Returns:
        Names and files.

    Raises:
        ValueError: A sample or group asked for is not there, or none has what is needed.
    """
    if samples:
        return [inputs.sample(name) for name in samples]
    inputs.sample(run=run, needs=needs)  # raises where none has what is needed
    able = inputs.candidates(run=run, needs=needs)
    if ranking is not None:
        able = [name for name in ranking["sample"] if name in able]
    if groups:
        able = [_first_of(inputs, able, group) for group in groups]
        return [inputs.sample(name) for name in able]
    if ranking is None:
        able = spread(inputs, able)
    return [inputs.sample(name) for name in able[:count]]


def rank_samples(record: RunRecord, metric: str, order: Order, *, part: str = "test") -> pd.DataFrame:
    """Sort the samples of a run by a score that is better the higher it is, ``worst`` or ``best`` first.

    Returns columns sample and value; ties by name.

    Raises:
        ValueError: The order is unknown, or the run lacks the metric.
    """
    if order not in ORDERS[1:]:
        msg = f"order is {order!r}, expected one of {list(ORDERS)}"
        raise ValueError(msg)
    values = values_of([record], metric, class_name=ALL_CLASSES, part=part)[["sample", "value"]]
    ascending = [order == "worst", True]
    return values.dropna().sort_values(["value", "sample"], ascending=ascending, ignore_index=True)


def score_of(record: RunRecord, metric: str, sample: str) -> float:
    """Give a score of one sample as evaluated, or NaN where it was not."""
    frame = record.metrics
    is_it = (frame["metric"] == metric) & (frame["class"] == ALL_CLASSES) & (frame["sample"] == sample)
    return float(frame.loc[is_it, "value"].mean())


def tested(records: Sequence[RunRecord], sample: str, *, part: str = "test") -> RunRecord | None:
    """The first of some records (seeds and splits of a run) that has a sample in a part of its split.

    Of five folds it is the one that learnt nothing of the sample.
    """
    for record in records:
        metrics = record.metrics
        if ((metrics["part"] == part) & (metrics["sample"] == sample)).any():
            return record
    return None


def data_sentence(data_kind: str) -> str:
    """Say for a caption where the images come from (``phantom``, ``public`` or ``own``).

    Example:
        >>> data_sentence("own")
        'Own images.'
    """
    return DATA_SENTENCES[data_kind]


def spread(inputs: FigureInputs, names: Sequence[str]) -> list[str]:
    """Order samples so that the first of each group come first, then the second of each, and so on."""
    seen: dict[str, int] = {}
    turns = []
    for name in names:
        group = inputs.groups.get(name, NO_GROUP)
        seen[group] = seen.get(group, 0) + 1
        turns.append(seen[group])
    return [name for _, name in sorted(zip(turns, names, strict=True), key=lambda pair: pair[0])]


def _first_of(inputs: FigureInputs, names: Sequence[str], group: str) -> str:
    found = [name for name in names if inputs.groups.get(name) == group]
    if not found:
        known = sorted({inputs.groups.get(name, "none") for name in names})
        msg = f"no sample of group {group!r} has what the figure shows; the groups at hand: {known}"
        raise ValueError(msg)
    return found[0]
