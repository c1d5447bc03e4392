# SPDX-License-Identifier: MIT
"""Figures on disk: SVG, PDF and PNG, and the data behind them; the same drawing gives the same bytes."""

import io
import textwrap
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pandas as pd

from microtome.figures.parts.fonts import drawable, fit_fonts
from microtome.figures.parts.style import DOUBLE_COLUMN, lay_out, new_figure, styled
from microtome.figures.result import FigureResult
from microtome.files import finished_file
from microtome.provenance.sidecars import Failure, FigureSidecar, dump

FORMATS = ("svg", "pdf", "png")
TSV_FORMAT = "%.10g"
LINE, LINES = 90, 12
"""Of the picture in place of a figure that cannot be made: characters and lines of the message."""
_METADATA = {
    "svg": {"Date": None, "Creator": "Microtome"},
    "pdf": {"CreationDate": None, "Creator": "Microtome", "Producer": None},
    "png": {"Software": None},
}
_CAPTION_KEYS = {"svg": "Description", "pdf": "Subject", "png": "Description"}


def save_figure(
    result: FigureResult,
    stem: str | Path,
    *,
    kind: str = "",
    title: str = "",
    provenance: Mapping[str, Any] | None = None,
    failed: Failure | None = None,
    labels: Mapping[str, str] = MappingProxyType({}),
) -> dict[str, Path]:
    """Write a figure and the data behind it, each file at once or not at all.

    The caption goes into the metadata of each drawing and into the sidecar (JSON) that the report reads.

    Args:
        result: The figure.
        stem: Path without suffix; its folder is made.
        kind: Kind of the figure, for the sidecar.
        title: Heading in the report; empty for the study's.
        provenance: What the figure is made from, for the sidecar (`microtome.provenance.record.record`).
        failed: Why it is not the figure that was asked for.
        labels: What runs are called, by their names; a label that no font can draw is named with its run.

    Returns:
        Path by format, ``tsv`` and ``json`` included.

    Raises:
        ValueError: A text has letters that no font of this machine has.
    """
    fit_fonts(result.figure, labels)
    contents = {name: render(result, name) for name in FORMATS}
    contents["tsv"] = data_text(result).encode("utf-8")
    files = {f"{Path(stem).name}.{name}": content for name, content in contents.items()}
    described = FigureSidecar(caption=result.caption, kind=kind, title=title, failed=failed)
    contents["json"] = dump(described, provenance=provenance, files=files).encode("utf-8")
    paths = {name: Path(f"{stem}.{name}") for name in contents}
    for name, content in contents.items():
        with finished_file(paths[name]) as partial:
            partial.write_bytes(content)
    return paths


@styled
def save_failed(failure: Failure, stem: str | Path) -> dict[str, Path]:
    """Write the files of a figure that cannot be made: a red box with the message."""
    figure, lines = new_figure(DOUBLE_COLUMN, 2), textwrap.wrap(failure.message, LINE, max_lines=LINES)
    said = "\n".join(["This figure could not be made.", *lines, f"Log: {failure.log}"])
    box = {"boxstyle": "square,pad=0.8", "facecolor": "#fcebea", "edgecolor": "#b3261e", "linewidth": 2}
    where = {"ha": "center", "va": "center", "color": "#b3261e", "bbox": box}
    figure.text(0.5, 0.5, drawable(said), parse_math=False, **where)
    data = pd.DataFrame({"failed": [failure.message], "log": [failure.log]})
    caption = "This figure could not be made."
    return save_figure(FigureResult(figure, data, caption), stem, failed=failure)


@styled
def render(result: FigureResult, name: str) -> bytes:
    """Render a figure in one of `FORMATS`.

    The bytes are the same for the same figure, wherever it is rendered by the same version of matplotlib.
    """
    buffer = io.BytesIO()
    metadata = {**_METADATA[name], _CAPTION_KEYS[name]: result.caption}
    lay_out(result.figure)
    result.figure.savefig(buffer, format=name, metadata=metadata)
    return buffer.getvalue()


def data_text(result: FigureResult) -> str:
    """Render the data behind a figure as TSV at full precision, ending in a line break."""
    return result.data.to_csv(sep="\t", index=False, float_format=TSV_FORMAT, lineterminator="\n")
