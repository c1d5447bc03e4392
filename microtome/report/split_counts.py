# SPDX-License-Identifier: MIT
"""How many samples and groups each part of a split has."""

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

from microtome.report.inputs import PartCount, SplitInput
from microtome.report.products import links_to
from microtome.splits import digest

PART_ORDER = ("train", "val", "test")
GROUP_COLUMNS = ("unit", "patient", "block", "volume")


def read_splits(folder: Path, names: Iterable[str], *, group_by: str, root: Path) -> tuple[SplitInput, ...]:
    """Read the splits of a study.

    Args:
        folder: The study's folder, with ``samples.tsv`` and ``splits/{split}.tsv`` (columns sample and part).
        names: Names of the expected splits; others on disk follow.
        group_by: Column of the sheet that is counted beside the samples.
        root: Folder of the page, which links start from.

    Returns:
        The splits; those not produced carry the reason.
    """
    units = read_units(folder / "samples.tsv", group_by)
    there = sorted(path.stem for path in folder.glob("splits/*.tsv"))
    paths = (folder / "splits" / f"{name}.tsv" for name in dict.fromkeys([*names, *there]))
    return tuple(_read_split(path, units, root=root) for path in paths)


def read_units(path: Path, group_by: str) -> dict[str, str]:
    """Read what must stay together: the group of each sample.

    Args:
        path: The sample sheet.
        group_by: Column of the group; else the first of `GROUP_COLUMNS` the sheet has.

    Returns:
        Group by sample; empty without a sheet or such a column.
    """
    try:
        rows = _rows(path)
    except (OSError, ValueError, csv.Error):
        return {}
    columns = [name for name in (group_by, *GROUP_COLUMNS) if rows and name in rows[0]]
    return {row["sample"]: row[columns[0]] for row in rows if row.get("sample")} if columns else {}


def count(parts: Mapping[str, str], units: Mapping[str, str]) -> tuple[PartCount, ...]:
    """Count samples and groups by part, train before val before test before others.

    Args:
        parts: Part by sample.
        units: Group by sample; groups are not counted if a sample has none.

    Returns:
        The counts.

    Example:
        >>> count({"a": "train", "b": "train"}, {"a": "p1", "b": "p1"})
        (PartCount(part='train', samples=2, groups=1),)
    """
    found = dict.fromkeys(parts.values())
    names = [*[part for part in PART_ORDER if part in found], *sorted(set(found) - set(PART_ORDER))]
    return tuple(_count_part(part, [name for name in parts if parts[name] == part], units) for part in names)


def _count_part(part: str, samples: list[str], units: Mapping[str, str]) -> PartCount:
    groups = {units.get(sample, "") for sample in samples}
    return PartCount(part, len(samples), None if "" in groups else len(groups))


def _read_split(path: Path, units: Mapping[str, str], *, root: Path) -> SplitInput:
    """Read one split; without parts, and saying why, if that fails."""
    try:
        rows = _rows(path)
        parts = {row["sample"]: row["part"] for row in rows}
    except FileNotFoundError:
        return SplitInput(path.stem, problem=f"not produced: splits/{path.name} does not exist")
    except KeyError as error:
        return SplitInput(path.stem, problem=f"not shown: splits/{path.name} lacks the column {error}")
    except (OSError, ValueError, csv.Error) as error:
        return SplitInput(path.stem, problem=f"not shown: splits/{path.name} cannot be read ({error})")
    if not parts:
        return SplitInput(path.stem, problem=f"not shown: splits/{path.name} has no rows")
    (link,) = links_to({"TSV": path}, root=root)
    return SplitInput(path.stem, count(parts, units), digest(parts), link)


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t"))
