# SPDX-License-Identifier: MIT
"""Filling columns of a sample sheet that is there, without touching the others."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path


def filled(sheet: Path, columns: Sequence[str], cells: Mapping[int, Mapping[str, str]]) -> str:
    """The text of a sheet with the cells of some columns.

    Args:
        sheet: A sheet without faults (`study.sheet.inspect_sheet`).
        columns: Their names; those that the sheet lacks come after its last one.
        cells: The new cells by line (the header is line 1) and column; other lines stay as they are.

    Returns:
        Its text, with the line ends that it has.
    """
    text = sheet.read_bytes().decode("utf-8-sig")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
    rows = [(reader.line_num, row) for row in reader if row]
    names = [name.strip() for name in rows[0][1]]
    every = [*names, *(name for name in columns if name not in names)]
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter="\t", lineterminator="\r\n" if "\r\n" in text else "\n")
    for number, row in rows:
        given = dict(zip(every, row, strict=False)) | dict(cells.get(number, {}))
        writer.writerow(every if number == rows[0][0] else [given.get(name, "") for name in every])
    return out.getvalue()
