# SPDX-License-Identifier: MIT
"""Rows of a table: which runs, under which name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from microtome.provenance.runs import RunRecord

ROW_KEYS = ("run", "label", "published")


@dataclass(frozen=True)
class Row:
    """One row of a table: a run, the name to print, and its records (seeds and splits).

    `published` is its key in the published table; by default the run's name, then its loss's.
    """

    run: str
    label: str
    records: tuple[RunRecord, ...]
    published: str | None = None

    @property
    def data(self) -> str:
        """Where its images come from."""
        return " + ".join(sorted({record.data_source for record in self.records}))


def select_rows(
    records: Sequence[RunRecord], rows: Sequence[str | Mapping[str, str]] | None = None
) -> list[Row]:
    """Group records into rows.

    Args:
        records: Run records.
        rows: Run names, or mappings with ``run`` and optionally ``label`` and ``published``; all runs by
            default.

    Returns:
        The rows, in the order asked for.

    Raises:
        ValueError: There are no records, a run has none, or a mapping has an unknown key.
    """
    if not records:
        msg = "the table has no runs; train and evaluate at least one run of the study"
        raise ValueError(msg)
    asked = rows or list(dict.fromkeys(record.run for record in records))
    return [_row(records, {"run": item} if isinstance(item, str) else dict(item)) for item in asked]


def _row(records: Sequence[RunRecord], item: dict[str, str]) -> Row:
    unknown = sorted(set(item) - set(ROW_KEYS))
    if unknown or "run" not in item:
        msg = f"row {item} is not understood; a row is the name of a run or a mapping with {list(ROW_KEYS)}"
        raise ValueError(msg)
    found = tuple(record for record in records if record.run == item["run"])
    if not found:
        known = sorted({record.run for record in records})
        msg = f"no record of run {item['run']!r}; the runs at hand: {known}"
        raise ValueError(msg)
    return Row(item["run"], item.get("label", found[0].label), found, item.get("published"))


def named_rows(rows: Sequence[Row], labels: Sequence[str], published: Sequence[str]) -> list[Row]:
    """Give rows the names of a study file, in their order.

    Args:
        rows: The rows.
        labels: What each is called; none: as it is.
        published: Its key in the published table; none: as it is.

    Raises:
        ValueError: There are names, but not one for each row.
    """
    for option, one, names in (("labels", "label", labels), ("published_rows", "published row", published)):
        if names and len(names) != len(rows):
            found = f"{option} names {list(names)}, the table has {[row.run for row in rows]}"
            msg = f"{found}; expected one {one} for each run, in their order"
            raise ValueError(msg)
    said = labels or [row.label for row in rows]
    printed = published or [row.published for row in rows]
    named = zip(rows, said, printed, strict=True)
    return [Row(row.run, label, row.records, key) for row, label, key in named]
