# SPDX-License-Identifier: MIT
"""Composition of an instance data set: images per part and group (organ), and how many objects they hold."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from microtome.io import images, views
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts import left_out
from microtome.tables.parts.published import PUBLISHED, published_table

NEEDS = frozenset({"instances", "labels"})
USES = frozenset({"groups"})
PUBLISHED_OPTIONS = ("published",)
OF_CLASS = "objects_"
"""Before the name of a class: the number of its objects."""
COUNT_COLUMNS = ("sample", "part", "group", "objects")
PARTS: Mapping[str, Sequence[str]] = {"training": ("train", "val"), "testing": ("test",)}
"""Parts of the split behind each row: the published training images include those that validate."""
TOTAL = "total"
HERE = "this study"
REMEDY = "the study needs labels of objects: targets.kind `instances`"
OTHER_DATA = "The published composition is of other images and is left out."


def tabulate(
    inputs: Inputs,
    *,
    title: str = "Composition of the data",
    parts: Mapping[str, Sequence[str]] = PARTS,
    objects: str = "Nuclei",
    published: str = "",
    remark: str = "",
) -> Table:
    """Tabulate images per part and group, and objects.

    Args:
        inputs: True objects, splits, groups, published values.
        title: Caption.
        parts: Row name to the parts of the split that it sums.
        objects: Heading of the number of objects.
        published: Published table whose rows have the same names, with columns ``total``, ``nuclei`` and one
            per group; its rows are set below ours where the data are the public ones, and left out otherwise.
        remark: What a reader must know to compare both; said where they stand together.

    Returns:
        One row per part and a total: images, images of each group, objects, and those of each class where
        there are several.

    Raises:
        ValueError: There are no counts, or the published table does not exist.
    """
    counts = inputs.collected(count, COUNT_COLUMNS, REMEDY)
    is_compared = bool(published) and set(inputs.data_kinds) == {"public"}
    printed = published_table(inputs.published, inputs.paper, published)["rows"] if published else {}
    counts = counts.assign(group=_called(counts["group"].fillna(""), printed if is_compared else {}))
    groups = _groups(counts, printed if is_compared else {})
    rows = []
    for name, chosen in _chosen(counts, parts).items():
        rows.append(_row(name, chosen, groups) | {"data": " + ".join(inputs.data_kinds)})
        if is_compared and name in printed:
            rows.append(_published_row(name, printed[name], groups))
    columns = [
        Column("part", "Part", kind="text"),
        Column("source", "Source", kind="text"),
        Column("images", "Images", format=".0f"),
        *(
            Column(f"group_{group}", group or "no group", format=".0f", group="Images of each group")
            for group in groups
        ),
        Column("objects", objects, format=",.0f"),
        *(Column(f"{OF_CLASS}{name}", name, format=",.0f") for name in _classes(counts)),
        Column("data", "Data", kind="text", once=True),
    ]
    notes = [
        _note(counts, parts),
        left_out.note(inputs),
        OTHER_DATA if published and not is_compared else "",
        remark if is_compared else "",
    ]
    note = " ".join(sentence for sentence in notes if sentence)
    return Table(pd.DataFrame(rows), tuple(columns), title, note, inputs.data_kinds)


def count(inputs: Inputs) -> pd.DataFrame:
    """Count the true objects of each sample (`Inputs.files`: ``labels``, ``splits``).

    One row per sample (`COUNT_COLUMNS`); empty if there are no true objects.
    """
    paths = inputs.found("labels", f"instances/*{views.IMAGE}")
    parts = inputs.parts() if paths else {}
    several = inputs.classes[1:] if len(inputs.classes) > 2 else ()
    rows = [
        {
            "sample": path.stem,
            "part": parts[path.stem],
            "group": inputs.groups.get(path.stem, ""),
            "objects": int(np.count_nonzero(np.unique(images.read(path)))),
        }
        | _by_class(path, several)
        for path in paths
    ]
    return pd.DataFrame(rows, columns=[*COUNT_COLUMNS, *(f"{OF_CLASS}{name}" for name in several)])


def _by_class(path: Path, classes: Sequence[str]) -> dict[str, int]:
    """The objects of each class, by the class map beside the folder of the numbers."""
    if not classes:
        return {}
    labels, types = images.read(path), images.read(path.parent.parent / path.name)
    return {
        f"{OF_CLASS}{name}": int(np.unique(labels[types == index]).size)
        for index, name in enumerate(classes, start=1)
    }


def _classes(counts: pd.DataFrame) -> list[str]:
    """The classes of objects that are counted one by one."""
    return [column.removeprefix(OF_CLASS) for column in counts if column.startswith(OF_CLASS)]


def _called(groups: pd.Series, printed: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Groups as the sheet writes them; of names that differ by capitals alone, the one in small letters."""
    known = {group for row in printed.values() for group in row} | set(groups)
    return [name.lower() if name.lower() in known else name for name in groups]


def _chosen(counts: pd.DataFrame, parts: Mapping[str, Sequence[str]]) -> dict[str, pd.DataFrame]:
    """The samples of each row; parts that are in none have a row of their own."""
    named = {part for members in parts.values() for part in members}
    rest = {part: (part,) for part in counts["part"].unique() if part not in named}
    rows = {name: counts[counts["part"].isin(members)] for name, members in {**parts, **rest}.items()}
    return {name: chosen for name, chosen in rows.items() if len(chosen)} | {TOTAL: counts}


def _groups(counts: pd.DataFrame, printed: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Groups in the published order, then others by name."""
    published = [key for row in printed.values() for key in row if key not in ("nuclei", TOTAL)]
    return [*dict.fromkeys(published), *sorted(set(counts["group"]) - set(published))]


def _row(name: str, chosen: pd.DataFrame, groups: Sequence[str]) -> dict[str, object]:
    sizes = chosen.groupby("group")["sample"].nunique()
    by_group = {f"group_{group}": int(sizes.get(group, 0)) for group in groups}
    head = {"part": name, "source": HERE, "images": chosen["sample"].nunique()}
    by_class = {f"{OF_CLASS}{name}": int(chosen[f"{OF_CLASS}{name}"].sum()) for name in _classes(chosen)}
    return {**head, **by_group, "objects": int(chosen["objects"].sum()), **by_class}


def _published_row(name: str, printed: Mapping[str, float], groups: Sequence[str]) -> dict[str, object]:
    by_group = {f"group_{group}": float(printed.get(group, float("nan"))) for group in groups}
    head = {"part": name, "source": PUBLISHED, "images": float(printed[TOTAL])}
    return {**head, **by_group, "objects": float(printed["nuclei"]), "data": "public"}


def _note(counts: pd.DataFrame, parts: Mapping[str, Sequence[str]]) -> str:
    """Which rows sum several parts."""
    sizes = counts.groupby("part")["sample"].nunique()
    said = []
    for name, members in parts.items():
        present = [f"{sizes[part]} {part}" for part in members if part in sizes]
        if len(present) > 1:
            said.append(f"{name}: {' + '.join(present)}")
    return f"Images in {'; '.join(said)}." if said else ""
