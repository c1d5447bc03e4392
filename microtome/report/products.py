# SPDX-License-Identifier: MIT
"""Reading the tables and figures of a study, with their sidecars."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import pandas as pd
from PIL import Image

from microtome.provenance.sidecars import FigureSidecar, Sidecar, TableSidecar
from microtome.report.inputs import FigureInput, Link, Picture, TableInput
from microtome.report.limits import TABLE_ROWS
from microtome.report.table_cells import TableCells, cells_of_table
from microtome.report.thumbnails import encode_figure
from microtome.tables.frame import Column

TABLE_FORMATS = ("tsv", "md", "tex")
FIGURE_FORMATS = ("svg", "pdf", "png", "tsv")
MILLIMETRES = 25.4
"""In an inch."""
Described = TypeVar("Described", bound=Sidecar)


def product_names(folder: Path, titles: Mapping[str, str], formats: Sequence[str]) -> list[str]:
    """Name the tables or figures that are expected, in the study's order, then the others that are there."""
    files = folder.iterdir() if folder.is_dir() else ()
    suffixes = {f".{suffix}" for suffix in (*formats, "json")}
    there = sorted({path.stem for path in files if path.suffix in suffixes})
    return list(dict.fromkeys([*titles, *there]))


def links_to(paths: Mapping[str, Path], *, root: Path) -> tuple[Link, ...]:
    """Link the files that exist, by the text of the link: relative to the page in `root`, percent-encoded."""
    there = {text: path for text, path in paths.items() if path.is_file()}
    return tuple(Link(text, quote(path.relative_to(root).as_posix())) for text, path in there.items())


def read_table(folder: Path, name: str, titles: Mapping[str, str], *, root: Path) -> TableInput:
    """Read one table of the folder ``{study}/tables``; it carries the reason if it was not produced.

    `titles` has the title of each expected table; links start from `root`, the folder of the page.
    """
    sidecar, problems = _read_sidecar(folder / f"{name}.json", TableSidecar(caption=""))
    if sidecar.failed:
        title = sidecar.title or titles.get(name) or name
        return TableInput(name=name, title=title, failed=sidecar.failed, expected=name in titles)
    cells, problem = _read_cells(folder / f"{name}.tsv", sidecar.columns)
    return TableInput(
        name=name,
        title=sidecar.title or titles.get(name) or name,
        header=cells.header,
        rows=cells.rows[:TABLE_ROWS],
        total_rows=len(cells.rows),
        caption=sidecar.caption,
        note=sidecar.note,
        units="" if sidecar.columns else sidecar.units_text,
        groups=cells.groups,
        links=links_to(_files(folder, name, TABLE_FORMATS), root=root),
        problems=tuple(filter(None, (problem,))) or problems,
        expected=name in titles,
    )


def _read_cells(path: Path, columns: Sequence[Column]) -> tuple[TableCells, str]:
    """The cells of a table, or the reason if there are none."""
    nothing = f"not shown: tables/{path.name} has no rows; see the log of its rule"
    try:
        found = cells_of_table(path.read_text(encoding="utf-8"), columns)
    except FileNotFoundError:
        return TableCells(), f"not produced: tables/{path.name} does not exist; see the log of its rule"
    except pd.errors.EmptyDataError:
        return TableCells(), nothing
    except (OSError, ValueError, KeyError, TypeError) as error:
        return TableCells(), f"not shown: tables/{path.name} cannot be read ({error}); run its rule again"
    return found, "" if found.rows else nothing


def read_figure(
    folder: Path, name: str, titles: Mapping[str, str], *, root: Path, budget: int
) -> FigureInput:
    """Read one figure, as `read_table` does a table; its embedded picture may take `budget` bytes."""
    sidecar, problems = _read_sidecar(folder / f"{name}.json", FigureSidecar(caption=""))
    title = sidecar.title or titles.get(name) or name
    if sidecar.failed:
        return FigureInput(name=name, title=title, failed=sidecar.failed, expected=name in titles)
    alt = f"{title}. {sidecar.caption}".strip()
    picture = _read_picture(folder / f"{name}.png", label=title, alt=alt, budget=budget)
    return FigureInput(
        name=name,
        title=title,
        picture=picture,
        caption=sidecar.caption,
        links=links_to(_files(folder, name, FIGURE_FORMATS), root=root),
        problems=tuple(filter(None, (picture.problem,))) or problems,
        expected=name in titles,
    )


def _files(folder: Path, name: str, formats: tuple[str, ...]) -> dict[str, Path]:
    return {suffix.upper(): folder / f"{name}.{suffix}" for suffix in formats}


def _read_sidecar(path: Path, empty: Described) -> tuple[Described, tuple[str, ...]]:
    """Read a sidecar; the empty one and the reason if it is missing or wrong."""
    try:
        return empty.parse(path.read_text(encoding="utf-8")), ()
    except FileNotFoundError:
        return empty, (f"no caption: {path.name} does not exist; run its rule again",)
    except (OSError, ValueError) as error:
        return empty, (f"no caption: {path.name} cannot be read ({error}); run its rule again",)


def _read_picture(path: Path, *, label: str, alt: str, budget: int) -> Picture:
    """Read and encode a figure's PNG; without a picture, and saying why, if that fails."""
    try:
        with Image.open(path) as image:
            picture = encode_figure(image, label=label, alt=alt, budget=budget)
            return replace(picture, millimetres=_millimetres(image))
    except FileNotFoundError:
        problem = f"not produced: figures/{path.name} does not exist; see the log of its rule"
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        problem = f"not shown: figures/{path.name} cannot be read ({error}); run its rule again"
    return Picture(label=label, alt=alt, problem=problem)


def _millimetres(image: Image.Image) -> int:
    """Width that a picture was drawn for, from its resolution; 0 where it tells none."""
    dots = float(image.info.get("dpi", (0, 0))[0])
    return round(image.width / dots * MILLIMETRES) if dots > 0 else 0
