# SPDX-License-Identifier: MIT
"""Tables on disk: TSV, Markdown, LaTeX and the sidecar that the report reads."""

from pathlib import Path

from microtome.job import finished_file
from microtome.sidecars import dump, of_table
from microtome.tables.frame import Table
from microtome.tables.render import to_latex, to_markdown, to_tsv


def save_table(table: Table, stem: str | Path, *, title: str = "") -> dict[str, Path]:
    """Write a table in all formats, each file at once or not at all.

    Args:
        table: The table.
        stem: Path without suffix; its folder is made. Its name is the label in LaTeX.
        title: Heading in the report; empty for the study's.

    Returns:
        Path by format: ``tsv``, ``md``, ``tex``, ``json``.
    """
    contents = {
        "tsv": to_tsv(table),
        "md": to_markdown(table),
        "tex": to_latex(table, label=f"tab:{Path(stem).name}"),
        "json": dump(of_table(table, title=title)),
    }
    paths = {name: Path(f"{stem}.{name}") for name in contents}
    for name, content in contents.items():
        with finished_file(paths[name]) as partial:
            partial.write_text(content, encoding="utf-8", newline="\n")
    return paths
