# SPDX-License-Identifier: MIT
"""Whether each result under its final name is complete, whatever was killed."""

import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import openslide
import pandas as pd
import tifffile
from PIL import Image
from safetensors import safe_open
from scipy.io import loadmat

from microtome.io.envi import open_cube
from microtome.io.nrrd import open_plane

MINUTES = "benchmarks"
"""Folder of the times that Snakemake takes; it writes them itself, and again if it was killed meanwhile."""
WORKFLOW = ("reports", "workflow")
"""Folder of a report (`reports/a+b/workflow`) with the files of the workflow as the project has them."""
UNFINISHED = (".partial-", ".unfinished-")


def damaged(root: Path, *, settled: bool = False) -> list[str]:
    """Check all results that are not hidden.

    Args:
        root: Their folder; jobs may be writing to it.
        settled: Nothing was killed since the workflow finished, so its times are checked too.

    Returns:
        A line for each file that is truncated or cannot be read.
    """
    found = (_fault(path, root) for path in _results(root) if settled or MINUTES not in path.parts)
    return [line for line in found if line]


def leftovers(root: Path) -> list[str]:
    """Files and folders that were begun and neither finished nor deleted."""
    found = sorted(path for mark in UNFINISHED for path in root.rglob(f".*{mark}*"))
    return [str(path.relative_to(root)) for path in found]


def _results(root: Path) -> Iterator[Path]:
    for path in sorted(root.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(root).parts)
        if not hidden and path.is_file():
            yield path


def _fault(path: Path, root: Path) -> str:
    """What is wrong with a file, empty if nothing is."""
    _, *folders = path.relative_to(root).parts
    try:
        if (folders[0], *folders[2:3]) == WORKFLOW:
            _same(path, root.parent.joinpath(*folders[3:]))
        else:
            CHECKS[path.suffix](path)
    except FileNotFoundError:
        return ""  # a job has replaced it meanwhile
    except KeyError:
        return f"{path}: nothing here knows how to check {path.suffix!r}"
    except Exception as error:  # noqa: BLE001 (each library has its own for a damaged file)
        return f"{path}: {type(error).__name__}: {error}"
    return ""


def _same(path: Path, original: Path) -> None:
    if path.read_bytes() != original.read_bytes():
        msg = f"is not what {original} is"
        raise ValueError(msg)


def _tensors(path: Path) -> None:
    with safe_open(path, framework="np") as file:
        for name in file.keys():  # noqa: SIM118 (not a mapping)
            file.get_tensor(name)


def _table(path: Path) -> None:
    lines = _lines(path)
    cells = {line.count("\t") for line in lines if not line.startswith("#")}
    if len(cells) != 1:
        msg = f"rows have {sorted(cells)} tabs"
        raise ValueError(msg)


def _lines(path: Path) -> list[str]:
    """The lines of a text, the last one complete."""
    return _ended(path, "\n").splitlines()


def _ended(path: Path, end: str) -> str:
    text = path.read_text(encoding="utf-8", errors="replace")
    if not text.endswith(end):
        msg = f"ends in {text[-20:]!r}, expected {end!r}"
        raise ValueError(msg)
    return text


def _png(path: Path) -> None:
    with Image.open(path) as image:
        image.load()


def _pdf(path: Path) -> None:
    content = path.read_bytes()
    if not content.startswith(b"%PDF") or not content.rstrip().endswith(b"%%EOF"):
        msg = "has no end"
        raise ValueError(msg)


def _zip(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        if archive.testzip():
            msg = "a member is damaged"
            raise ValueError(msg)


def _slide(path: Path) -> None:
    with openslide.OpenSlide(path) as slide:
        slide.get_thumbnail((64, 64))


def _plane(path: Path) -> None:
    plane = open_plane(path)
    plane.read(0, 0, *plane.shape[1:])


CHECKS: dict[str, Callable[[Path], object]] = {
    ".safetensors": _tensors,
    ".tif": lambda path: tifffile.imread(path),
    ".nrrd": _plane,
    ".mat": loadmat,
    ".json": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".slide": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".svs": _slide,
    ".scn": _slide,
    ".geojson": lambda path: json.loads(path.read_text(encoding="utf-8")),
    ".tsv": _table,
    ".md": _lines,
    ".tex": _lines,
    ".html": lambda path: _ended(path, "</html>"),
    ".svg": lambda path: ElementTree.fromstring(path.read_bytes()),
    ".png": _png,
    ".pdf": _pdf,
    ".parquet": pd.read_parquet,
    ".hdr": lambda path: open_cube(path),
    ".img": lambda path: open_cube(path.with_suffix(".hdr")),
    ".zip": _zip,
}
