# SPDX-License-Identifier: MIT
"""Figures on disk: SVG, PDF and PNG, and the data behind them; the same drawing gives the same bytes."""

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome.figures.parts.style import lay_out, styled
from microtome.figures.result import FigureResult
from microtome.files import finished_file
from microtome.provenance.sidecars import FigureSidecar, dump

FORMATS = ("svg", "pdf", "png")
TSV_FORMAT = "%.10g"
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
) -> dict[str, Path]:
    """Write a figure and the data behind it, each file at once or not at all.

    The caption goes into the metadata of each drawing and into the sidecar (JSON) that the report reads.

    Args:
        result: The figure.
        stem: Path without suffix; its folder is made.
        kind: Kind of the figure, for the sidecar.
        title: Heading in the report; empty for the study's.
        provenance: What the figure is made from, for the sidecar (`microtome.provenance.record.record`).

    Returns:
        Path by format, ``tsv`` and ``json`` included.
    """
    contents = {name: render(result, name) for name in FORMATS}
    contents["tsv"] = data_text(result).encode("utf-8")
    files = {f"{Path(stem).name}.{name}": content for name, content in contents.items()}
    described = FigureSidecar(caption=result.caption, kind=kind, title=title)
    contents["json"] = dump(described, provenance=provenance, files=files).encode("utf-8")
    paths = {name: Path(f"{stem}.{name}") for name in contents}
    for name, content in contents.items():
        with finished_file(paths[name]) as partial:
            partial.write_bytes(content)
    return paths


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
