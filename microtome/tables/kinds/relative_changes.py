# SPDX-License-Identifier: MIT
"""Relative changes of rates between runs, ours and published, beside what the published text says."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Literal

import pandas as pd

from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.kinds.metrics import DATA
from microtome.tables.parts.published import heading, note_of, published_cells
from microtome.tables.parts.rates import RATES, image_values, pooled
from microtome.tables.parts.rows import Row, select_rows

NEEDS = frozenset({"runs"})
METRICS = ("sensitivity", "specificity")
CLASS_OPTIONS = ("of",)
PUBLISHED_OPTIONS = ("published",)
DEFAULT_CHANGES: tuple[Mapping[str, Any], ...] = (
    {"rate": "fnr", "direction": "drop", "published": "tpr"},
    {"rate": "fpr", "direction": "rise", "published": "fpr"},
)
DIRECTIONS = ("drop", "rise")
PER_CENT = 100
DIGITS = 9
"""So that 87.5 % from printed rates is not 87.4999… %."""
QUANTITY = Column("quantity", "Change", kind="text")
NOTE = (
    "{run} against other runs: change of the mean rate over the images of part {part}, relative to that of "
    "the other run; a negative drop is a rise."
)
TEXT_NOTE = (
    "From the published table: recomputed from the rates printed there; in the published text: as claimed "
    "there, which the table does not bear out everywhere."
)


@dataclass(frozen=True)
class Change:
    """One quantity whose change is tabulated.

    Attributes:
        rate: One of `microtome.tables.parts.rates.RATES`.
        direction: ``drop`` or ``rise``: which one is a positive change.
        published: Column of the published table with the rate, or with what is missing to 1 (``tpr`` for the
            rate ``fnr``); empty for none.
        claims: What the published text says: its key among the text claims, by the other run.
    """

    rate: str
    direction: Literal["drop", "rise"] = "drop"
    published: str = ""
    claims: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_published_complement(self) -> bool:
        """Whether the published column is what is missing to 1."""
        return self.published in RATES and self.published != self.rate

    def of(self, value: float, reference: float) -> float:
        """The relative change, per cent; NaN from a reference of 0."""
        if not reference:
            return float("nan")
        change = round(PER_CENT * (value - reference) / reference, DIGITS)
        return -change if self.direction == "drop" else change


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Relative changes",
    rows: Sequence[str | Mapping[str, str]] | None = None,
    changes: Sequence[Mapping[str, Any]] = DEFAULT_CHANGES,
    of: str = "",
    part: str = "test",
    published: str = "",
) -> Table:
    """Tabulate how rates of the first run differ from those of the others.

    Args:
        inputs: Run records and published values.
        title: Caption.
        rows: Runs: the first is compared with each of the others.
        changes: Quantities: mappings with the attributes of `Change`.
        of: Class whose rates they are; needed unless the metrics hold one class only.
        part: Part of the split that was evaluated.
        published: Published table with the rates of these runs.

    Returns:
        One row per quantity and other run: both rates, the change in per cent, the change by the published
        table, the change by the published text.

    Raises:
        ValueError: There are fewer than two runs, or a run, class, quantity or claim is not there.
    """
    chosen = select_rows(inputs.runs, rows)
    if len(chosen) < 2:
        msg = f"a table of changes compares a run with others, found {[row.run for row in chosen]} only"
        raise ValueError(msg)
    quantities = [_read(change) for change in changes]
    class_name = of or _only_class(chosen)
    frame = pd.DataFrame(
        [
            _row(inputs, change, chosen[0], other, class_name=class_name, part=part, table=published)
            for change in quantities
            for other in chosen[1:]
        ]
    )
    has_claims = bool(frame["claimed"].notna().any())
    sentences = (NOTE.format(run=chosen[0].label, part=part), TEXT_NOTE if published or has_claims else "")
    note = note_of(inputs, *sentences, published=published or ("claims" if has_claims else ""))
    columns = _columns(inputs, has_table=bool(published), has_claims=has_claims)
    return Table(frame, columns, title, note, inputs.data_kinds)


def _read(change: Mapping[str, Any]) -> Change:
    known = {item.name for item in fields(Change)}
    if set(change) - known or change.get("rate") not in RATES:
        found = f"change {dict(change)} is not understood"
        msg = f"{found}; it is a mapping with {sorted(known)}, its rate one of {sorted(RATES)}"
        raise ValueError(msg)
    read = Change(**change)
    if read.direction not in DIRECTIONS:
        msg = f"direction is {read.direction!r}, expected one of {list(DIRECTIONS)}"
        raise ValueError(msg)
    if read.published in RATES and RATES[read.published][0] != RATES[read.rate][0]:
        msg = f"the rate {read.rate!r} does not follow from the published column {read.published!r}"
        raise ValueError(msg)
    return read


def _only_class(rows: Sequence[Row]) -> str:
    metrics = rows[0].records[0].metrics
    found = sorted(set(metrics.loc[metrics["metric"] == "sensitivity", "class"]))
    if len(found) != 1:
        msg = f"the rates are of one class, the metrics hold {found}; name it with `of`"
        raise ValueError(msg)
    return str(found[0])


def _row(
    inputs: Inputs, change: Change, run: Row, other: Row, *, class_name: str, part: str, table: str
) -> dict[str, Any]:
    ours = [
        pooled(image_values(row.records, change.rate, class_name=class_name, part=part)).mean
        for row in (run, other)
    ]
    found: dict[str, Any] = {
        "quantity": f"{change.rate.upper()}, {change.direction} against {other.label}",
        "run": run.run,
        "other": other.run,
        "value": ours[0],
        "reference": ours[1],
        "change": change.of(*ours),
        "from_table": float("nan"),
        "claimed": _claim(inputs, change, other.run),
        "data": " + ".join(dict.fromkeys((run.data, other.data))),
    }
    if table and change.published:
        printed = published_cells(inputs, table, [run, other], change.published)["mean"].to_numpy()
        rates = 1 - printed if change.is_published_complement else printed
        found["from_table"] = change.of(float(rates[0]), float(rates[1]))
    return found


def _claim(inputs: Inputs, change: Change, other: str) -> float:
    """What the text says, per cent."""
    if other not in change.claims:
        return float("nan")
    claims = inputs.published.get("papers", {}).get(inputs.paper, {}).get("text_claims", {})
    key = change.claims[other]
    if key not in claims:
        msg = f"paper {inputs.paper!r} has no text claim {key!r}; its claims: {sorted(claims)}"
        raise ValueError(msg)
    return PER_CENT * float(claims[key])


def _columns(inputs: Inputs, *, has_table: bool, has_claims: bool) -> tuple[Column, ...]:
    head = heading(inputs)
    percent = {"unit": "%", "format": ".0f"}
    published = [Column("from_table", "from the table", group=head, **percent)] if has_table else []
    claimed = [Column("claimed", "in the text", group=head, **percent)] if has_claims else []
    return (
        QUANTITY,
        Column("value", "Rate"),
        Column("reference", "Rate of the other"),
        Column("change", "Change", **percent),
        *published,
        *claimed,
        DATA,
    )
