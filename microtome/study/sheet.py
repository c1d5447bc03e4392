# SPDX-License-Identifier: MIT
"""The sample sheet: one row per image, read and checked before anything runs."""

import csv
import io
import os
import re
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from microtome.config import project
from microtome.config.section import Section
from microtome.config.study import Data
from microtome.faults import Fault, nearest
from microtome.files import unfit_for_files
from microtome.phantoms import sheet_rows
from microtome.study import modalities
from microtome.study.sample import BY_SAMPLE, FULL, PARTS, PATHS, PIXELS, Sample, from_row

REQUIRED = ("sample", "image")
GROUPS = ("patient", "block", "volume")
OPTIONAL = ("group", "part", "label", "page", "mpp", FULL)
COLUMNS = (*REQUIRED, *GROUPS, *OPTIONAL, *modalities.columns())
NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,199}")
LARGEST_SHEET = 256 * 2**20
"""Bytes; a row has some 200."""
LARGEST_PAGE = 10**6
COUNT = re.compile(r"\d{1,15}")
"""Labelled pixels of a class."""
QUOTED = 60
"""Characters of a cell or a path that a message repeats."""


def inspect_sheet(
    path: Path, data: Data, reader: ModuleType | None = None, columns: Collection[str] = ()
) -> tuple[list[Sample], list[Fault]]:
    """Read a sample sheet as far as possible.

    Args:
        path: A TSV file with a header.
        data: What the study says of its data.
        reader: The modality that reads all images (`modalities.reader`); None: each by its ending.
        columns: The columns that hold parts, beside or in the place of `part` (`Split.column`).

    Returns:
        The rows that have a name and an image, without paths that may not be opened, and every fault of every
        row.
    """
    rows, faults = _read_rows(path)
    if faults:
        return [], faults
    (_, names), *body = rows
    names = [name.strip() for name in names]
    columns = [name for name in columns if name != "part"]
    faults += _check_columns(path, names, data, columns)
    body = [(number, cells) for number, cells in body if any(cell.strip() for cell in cells)]
    if not body and not faults:
        faults.append(Fault(str(path), "no rows below the header", "one row for each image"))
    if faults:
        return [], faults
    if getattr(reader, "OWN_MPP", False):  # the file's own goes before that of the study
        data = data.model_copy(update={"mpp": None})
    samples = [_row(path, number, names, cells, data, faults, columns) for number, cells in body]
    return [s for s in samples if s.sample and s.image], faults + _check_names(
        path, samples, sheet_root(path, data)
    )


def _read_rows(path: Path) -> tuple[list[tuple[int, list[str]]], list[Fault]]:
    """The cells of a sheet, each row with its line; or why it cannot be read."""
    header_text = f"a header with the columns {', '.join(COLUMNS)}"
    if not path.is_file():
        found = "a folder" if path.is_dir() else f"no such file{project.searched(path)}"
        return [], [Fault(str(path), found, "a sample sheet (TSV) there")]
    if (size := path.stat().st_size) > LARGEST_SHEET:
        return [], [Fault(str(path), f"{size} bytes", f"a sample sheet of at most {LARGEST_SHEET}")]
    rows: list[tuple[int, list[str]]] = []
    reader = None
    try:
        text = path.read_bytes().decode("utf-8-sig")
        reader = csv.reader(io.StringIO(text, newline=""), delimiter="\t", strict=True)
        rows = [(reader.line_num, cells) for cells in reader if cells]
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        found = f"the byte {error.object[error.start]:#04x}, which is not UTF-8"
        return [], [Fault(f"{path}:{line}", found, "a sheet saved as text, tab-separated, UTF-8")]
    except csv.Error as error:
        where = f"{path}:{reader.line_num}" if reader else str(path)
        expected = "cells separated by tabs; a cell that begins with a quote must also end with one"
        return [], [Fault(where, str(error), expected)]
    if not rows:
        return [], [Fault(str(path), "an empty file", header_text)]
    return rows, []


def _check_columns(path: Path, names: list[str], data: Data, columns: Collection[str]) -> list[Fault]:
    here, group_by = f"{path}:1", data.group_by
    known = (*COLUMNS, *columns, *(PIXELS + name for name in data.classes))
    separator = next((mark for mark in ",;" if len(names) == 1 and mark in names[0]), None)
    if separator:
        expected = "tabs; save the sheet as tab-separated text"
        return [Fault(here, f"columns separated by '{separator}'", expected)]
    wanted = {*REQUIRED, *([group_by] if group_by != BY_SAMPLE else []), *columns}
    why = dict.fromkeys(columns, ", by which samples are divided")
    why |= {group_by: f" (data.group_by is '{group_by}')"}
    faults = [
        Fault(here, f"no column '{name}'{why.get(name, '')}", f"it beside {', '.join(names)}")
        for name in sorted(wanted - set(names))
    ]
    for number, name in enumerate(names, 1):
        if not name:
            faults.append(Fault(here, f"column {number} without a name", "a name, or no such column"))
        elif name not in known:
            faults.append(Fault(here, f"unknown column '{name[:QUOTED]}'", nearest(name[:QUOTED], known)))
        elif name in names[: number - 1]:
            faults.append(Fault(here, f"the column '{name}' a second time", "each column once"))
    return faults


def _row(
    path: Path,
    number: int,
    names: list[str],
    cells: list[str],
    data: Data,
    faults: list[Fault],
    columns: Collection[str],
) -> Sample:
    """Turn the cells of one row into a sample; cells that are missing at its end are empty."""
    if any(cell.strip() for cell in cells[len(names) :]):
        found = f"{len(cells)} cells"
        faults.append(Fault(f"{path}:{number}", found, f"{len(names)}, one for each column of the header"))
    filled = [cell.strip() for cell in cells] + [""] * len(names)
    return _sample(path, number, dict(zip(names, filled, strict=False)), data, faults, columns)


def _sample(
    path: Path,
    number: int,
    cell: dict[str, str],
    data: Data,
    faults: list[Fault],
    columns: Collection[str],
) -> Sample:
    """Turn one row into a sample, adding what is wrong with it to `faults`."""
    where = f"{path}:{number}"
    name = cell.get("sample", "")
    if not NAME.fullmatch(name):
        expected = "a name of letters (a to z), digits, '-', '_' and '.', as it becomes a file name"
        faults.append(Fault(f"{where} sample", repr(name[:QUOTED]) if name else "nothing", expected))
    if not cell.get("image"):
        faults.append(Fault(f"{where} image", "nothing", "the path of the image"))
    for column in (*PATHS, FULL, *modalities.path_columns()):
        given, root, here = cell.get(column), sheet_root(path, data), f"{where} {column}"
        if given and (wrong := check_path(given, root, here, allow_outside=data.allow_outside)):
            faults += wrong
            cell = cell | {column: ""}
    faults += _check_parts(cell, where, columns)
    for column in [name for name in cell if name.startswith(PIXELS) and not COUNT.fullmatch(cell[name])]:
        if cell[column]:
            expected = "a whole number: the pixels of the class in the label"
            faults.append(Fault(f"{where} {column}", repr(cell[column][:QUOTED]), expected))
        cell = cell | {column: ""}
    unit = name if data.group_by == BY_SAMPLE else cell.get(data.group_by, "")
    if not unit and data.group_by != BY_SAMPLE:
        expected = f"the {data.group_by} this image comes from"
        faults.append(Fault(f"{where} {data.group_by}", "nothing", expected))
    page = cell.get("page") or None
    page = page and _number(page, int, f"{where} page", "a page number, from 0", faults)
    expected, mpp = "micrometres per pixel, above 0, with a decimal point", cell.get("mpp")
    mpp = _number(mpp, float, f"{where} mpp", expected, faults) if mpp else data.mpp
    for fill in modalities.ask("fill_cells"):
        cell = fill(cell)
    paths = {"image": cell.get("image", ""), "label": cell.get("label") or None}
    own = {"sample": name, "unit": unit, "page": page, "mpp": mpp}
    return replace(from_row({**cell, **paths, **own}, columns), row=number)


def _check_parts(cell: dict[str, str], where: str, columns: Collection[str]) -> list[Fault]:
    """Cells that hold a part and name none."""
    wrong = [name for name in ("part", *columns) if cell.get(name, "") not in ("", *PARTS)]
    expected = "train, val, test, or nothing"
    return [Fault(f"{where} {name}", repr(cell[name][:QUOTED]), expected) for name in wrong]


def check_path(text: str, root: Path, where: str, *, allow_outside: bool = False) -> list[Fault]:
    """What is wrong with a path of a sheet, which starts from `root`, before any file is looked at.

    Paths are compared as they are written: a symbolic link inside the folder may point anywhere, as whoever
    may put a link there may as well put the file there.

    Example:
        >>> check_path("images/a.png", Path("data"), "s.tsv:2 image")
        []
        >>> [fault.found for fault in check_path("../a.png", Path("data"), "s.tsv:2 image")]
        ["'../a.png', which leads out of 'data'"]
    """
    unfit = unfit_for_files(text)
    if unfit:
        return [Fault(where, f"{text[:QUOTED]!r}, {unfit}", "the path of a file")]
    if allow_outside or _is_inside(text, root):
        return []
    expected = "a path below it; move the file there, set data.root, or set data.allow_outside: true"
    return [Fault(where, f"'{text[:QUOTED]}', which leads out of '{root.as_posix()}'", expected)]


def _is_inside(text: str, root: Path) -> bool:
    """Whether a path stays below a folder; `..` is taken back as written."""
    folder, place = _place(root, ""), _place(root, text)
    return os.path.commonpath([folder, place]) == folder and place != folder


def _number(text: str, kind: type, where: str, expected: str, faults: list[Fault]) -> float | int | None:
    """Read a number that is not negative; a float must be above 0 and finite."""
    try:
        value = -1 if "_" in text else kind(text)  # Python reads 0_5 as 5
    except ValueError:
        value = -1
    if not (0 <= value <= LARGEST_PAGE if kind is int else 0 < value < float("inf")):
        faults.append(Fault(where, repr(text[:QUOTED]), expected))
        return None
    return value


def _place(root: Path, text: str) -> str:
    """Where a path of the sheet leads, in one spelling."""
    return os.path.abspath(root / text)  # noqa: PTH100 (`resolve` would follow links)


def _check_names(path: Path, samples: list[Sample], root: Path) -> list[Fault]:
    """Names and images that stand in the sheet twice."""
    faults = []
    names: dict[str, Sample] = {}
    places: dict[tuple[str, int], int] = {}
    labels: dict[tuple[str, int], Sample] = {}
    for sample in samples:
        other = names.setdefault(sample.sample.casefold(), sample)
        if sample.sample and other is not sample:
            also = f"row {other.row}" + ("" if other.sample == sample.sample else f" as '{other.sample}'")
            found, expected = f"'{sample.sample}', also in {also}", "a name of its own, whatever the capitals"
            faults.append(Fault(f"{path}:{sample.row} sample", found, expected))
        faults += _check_label(path, sample, labels, root)
        place = (_place(root, sample.image), sample.page or 0)
        first = places.setdefault(place, sample.row)
        if sample.image and first != sample.row:
            page = f" (page {sample.page})" if sample.page else ""
            found = f"'{sample.image[:QUOTED]}'{page}, also in row {first}"
            faults.append(Fault(f"{path}:{sample.row} image", found, "each image once"))
    return faults


def _check_label(
    path: Path, sample: Sample, labels: dict[tuple[str, int], Sample], root: Path
) -> list[Fault]:
    """Refuse the label of another image, which `labels` may hold, beside this one."""
    if not sample.label:
        return []
    first = labels.setdefault((_place(root, sample.label), sample.page or 0), sample)
    if _place(root, first.image) == _place(root, sample.image):
        return []
    found = f"'{sample.label[:QUOTED]}', which is the label of '{first.image[:QUOTED]}' in row {first.row}"
    expected = "a label of its own for each image; where one is right for several, name a link to it"
    return [Fault(f"{path}:{sample.row} label", found, expected)]


def phantom_sheet(phantom: Section, columns: Collection[str] = ()) -> list[Sample]:
    """The sheet of a phantom; `columns` hold parts, beside or in the place of `part`.

    Example:
        >>> from microtome.config.phantoms.em import EMPhantomData
        >>> phantom_sheet(EMPhantomData(slices={"train": 2, "test": 1}))[2].image
        'images/002.tif'
    """
    return [from_row(row, columns) for row in sheet_rows(phantom)]


def sheet_root(sheet: Path, data: Data) -> Path:
    """Folder that the paths of a sheet start from and stay in, as far as the study says it.

    Example:
        >>> data = Data(source="files", samples="data/mine/s.tsv", classes={"a": 0})
        >>> sheet_root(Path("data/mine/s.tsv"), data).as_posix()
        'data/mine'
    """
    return Path(data.root) if data.root else sheet.parent
