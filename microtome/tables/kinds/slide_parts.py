# SPDX-License-Identifier: MIT
"""Slides and sections of each part of the split (Table 1 of the BCC paper)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from microtome.io.failures import read_failures
from microtome.io.section_boxes import read_table
from microtome.provenance import tsv
from microtome.tables.frame import Column, Table
from microtome.tables.inputs import Inputs
from microtome.tables.parts.published import heading, note_of, published_table, remark_of

NEEDS = frozenset({"sheet", "section_boxes"})
PUBLISHED_OPTIONS = ("published",)
TRAINING, ANNOTATED, WEAK, TESTING = "Training", "Validation I", "Validation II", "Test"
PRINTED = {TRAINING: "training", ANNOTATED: "validation_I", WEAK: "validation_II", TESTING: "test"}
"""What published tables call the parts."""
TOTAL = "Total"
HERE = "this study"
OF_CLASS = "sections_"
"""Before the name of a class: its sections."""
UNLABELLED = "unlabelled"
NUMBER = ",.0f"


def tabulate(inputs: Inputs, *, title: str = "Slides and sections by part", published: str = "") -> Table:
    """Tabulate slides, those with pixel annotations, and sections by their label.

    Args:
        inputs: Sample sheet, first split, sections of all slides, published values.
        title: Caption.
        published: Published table with columns ``slides``, ``detailed_annotations`` (whether all are) and
            ``<class>_sections``, and rows as in `PRINTED`; each is set below ours.

    Returns:
        A row for each part and a total. Validation I are the annotated slides of the part `val`, Validation
        II the others, which serve the choice of thresholds alone.

    Raises:
        ValueError: There are no slides, or the published table does not exist.
    """
    slides = inputs.collected(count, ("sample", "part", "annotated"), "put slides into the sample sheet")
    classes = [*inputs.classes, *[UNLABELLED] * bool(slides[f"{OF_CLASS}{UNLABELLED}"].any())]
    rows = []
    parts = [part for part in PRINTED if (slides["part"] == part).any()]
    for name in (*parts, TOTAL):
        rows.append(_row(name, slides if name == TOTAL else slides[slides["part"] == name], classes))
        if published:
            table = published_table(inputs.published, inputs.paper, published)["rows"]
            rows.append(_printed(name, table, inputs.classes) | {"source": heading(inputs)})
    columns = (
        Column("part", "Part", kind="text"),
        *[Column("source", "Source", kind="text")] * bool(published),
        Column("slides", "Slides", format=NUMBER),
        Column("annotated", "Annotated", format=NUMBER),
        *(Column(f"{OF_CLASS}{name}", name, format=NUMBER, group="Sections") for name in classes),
        Column("sections", "all", format=NUMBER, group="Sections"),
    )
    note = note_of(inputs, *_told(slides), remark_of(inputs, published), published=published)
    frame = pd.DataFrame(rows).assign(data=" + ".join(inputs.data_kinds))
    return Table(frame, columns, title, note, inputs.data_kinds)


def count(inputs: Inputs) -> pd.DataFrame:
    """Count the sections of each slide by label (`Inputs.files`: ``sheet``, ``splits``, ``section_boxes``).

    One row per slide: sample, part (as in the table), annotated, failed, and `sections_<class>`.
    """
    sheet, parts = tsv.read(inputs.files["sheet"][0], names=None), inputs.parts()
    folders = inputs.files["section_boxes"]
    failed = read_failures(*folders)
    labels = {path.stem: _labels(path) for folder in folders for path in sorted(folder.glob("*.tsv"))}
    rows = []
    for sample, label in zip(sheet["sample"], sheet["label"], strict=True):
        counts = labels.get(sample, Counter())
        row = {"sample": sample, "part": _part(parts[sample], label), "annotated": bool(label)}
        found = {f"{OF_CLASS}{name}": counts[name] for name in inputs.classes}
        rows.append(row | {"failed": sample in failed} | found | {f"{OF_CLASS}{UNLABELLED}": counts[""]})
    return pd.DataFrame(rows)


def _labels(path: Path) -> Counter[str]:
    return Counter(box.label for box in read_table(path))


def _part(part: str, label: str) -> str:
    """What the table calls a part; the annotated slides of `val` are one by themselves."""
    return {"train": TRAINING, "val": ANNOTATED if label else WEAK}.get(part, TESTING)


def _row(name: str, slides: pd.DataFrame, classes: Sequence[str]) -> dict[str, object]:
    sections = {f"{OF_CLASS}{one}": int(slides[f"{OF_CLASS}{one}"].sum()) for one in classes}
    head = {"part": name, "source": HERE, "slides": len(slides), "annotated": int(slides["annotated"].sum())}
    return {**head, **sections, "sections": sum(sections.values())}


def _printed(
    name: str, table: Mapping[str, Mapping[str, float]], classes: Sequence[str]
) -> dict[str, object]:
    """A published part; the total is the sum of all."""
    chosen = [*table.values()] if name == TOTAL else [table[PRINTED[name]]] if PRINTED[name] in table else []
    slides = [one["slides"] for one in chosen]
    annotated = sum(one["slides"] for one in chosen if one["detailed_annotations"])
    sections = {f"{OF_CLASS}{one}": sum(row.get(f"{one}_sections", 0) for row in chosen) for one in classes}
    row = {"part": name, "slides": sum(slides), "annotated": annotated}
    return row | sections | {"sections": sum(sections.values())}


def _told(slides: pd.DataFrame) -> list[str]:
    weak = "Validation II serves the choice of thresholds alone." * bool((slides["part"] == WEAK).any())
    failed = slides.loc[slides["failed"], "sample"].tolist()
    told = f"Without sections, as they cannot be read: {', '.join(failed)}." if failed else ""
    return ["Sections are boxes, labelled each.", weak, told]
