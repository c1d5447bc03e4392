# SPDX-License-Identifier: MIT
"""Tables on disk: TSV, Markdown, LaTeX and the sidecar that the report reads."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from microtome.files import finished_file
from microtome.provenance.sidecars import Failure, TableSidecar, dump
from microtome.tables.frame import Table
from microtome.tables.parts.condense import condense
from microtome.tables.parts.latex import to_latex
from microtome.tables.parts.render import to_markdown, to_tsv


def save_table(
    table: Table, stem: str | Path, *, title: str = "", provenance: Mapping[str, Any] | None = None
) -> dict[str, Path]:
    """Write a table in all formats, each file at once or not at all.

    Args:
        table: The table.
        stem: Path without suffix; its folder is made. Its name is the label in LaTeX.
        title: Heading in the report; empty for the study's.
        provenance: What the table is made from, for the sidecar (`microtome.provenance.record.record`).

    Returns:
        Path by format: ``tsv``, ``md``, ``tex``, ``json``.
    """
    table = condense(table)
    texts = {
        "tsv": to_tsv(table),
        "md": to_markdown(table),
        "tex": to_latex(table, label=f"tab:{Path(stem).name}"),
    }
    contents = {name: text.encode("utf-8") for name, text in texts.items()}
    files = {f"{Path(stem).name}.{name}": content for name, content in contents.items()}
    sidecar = dump(describe(table, title=title), provenance=provenance, files=files)
    contents["json"] = sidecar.encode("utf-8")
    paths = {name: Path(f"{stem}.{name}") for name in contents}
    for name, content in contents.items():
        with finished_file(paths[name]) as partial:
            partial.write_bytes(content)
    return paths


def save_failed(failure: Failure, stem: str | Path) -> dict[str, Path]:
    """Write the files of a table that cannot be made: comments with the message."""
    said = f"This table could not be made: {' '.join(failure.message.split())} (log: {failure.log})"
    sidecar = TableSidecar(caption="This table could not be made.", failed=failure)
    texts = {"tsv": f"# {said}\n", "md": f"{said}\n", "tex": f"% {said}\n", "json": dump(sidecar)}
    paths = {name: Path(f"{stem}.{name}") for name in texts}
    for name, text in texts.items():
        with finished_file(paths[name]) as partial:
            partial.write_text(text, encoding="utf-8")
    return paths


def describe(table: Table, *, title: str = "") -> TableSidecar:
    """The sidecar of a table; an empty title is the one that the study gives."""
    units = {column.key: column.unit for column in table.columns if column.unit}
    return TableSidecar(
        caption=table.caption, note=table.note, units=units, title=title, columns=table.columns
    )
