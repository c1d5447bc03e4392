# SPDX-License-Identifier: MIT
"""The tables and figures of a study as one LaTeX document, and as PDF by the TeX of the system."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from microtome.files import finished_file
from microtome.provenance.sidecars import FigureSidecar, Sidecar, TableSidecar
from microtome.report.paper import Item, paper_text

TEX = "pdflatex"
OPTIONS = ("-interaction=nonstopmode", "-halt-on-error", "-no-shell-escape", "-file-line-error")
RUNS, AGAIN = 5, ("Rerun LaTeX", "Rerun to get")
"""Long tables take their widths, and references their numbers, from the run before; at most so many runs."""
INSTALL = (
    "install a TeX (Debian and Ubuntu: apt-get install texlive-latex-recommended lmodern; macOS: MacTeX), or "
    "set the document elsewhere: it needs the folders tables and figures beside it"
)
LINES = 6
"""Of the log of TeX, in a message."""


def write_document(options: Mapping[str, Any], target: Path) -> None:
    """Write the document of a study (LaTeX).

    Args:
        options: The rule's options (`microtome.workflow.states.products.paper`).
        target: The document; the folders ``tables`` and ``figures`` lie beside it.

    Raises:
        OSError: A sidecar cannot be read.
        ValueError: One is not understood.
    """
    tables = _items(options["tables"], target.parent / "tables", TableSidecar)
    figures = _items(options["figures"], target.parent / "figures", FigureSidecar)
    text = paper_text(options["title"], options["scale"], tables=tables, figures=figures)
    with finished_file(target) as partial:
        partial.write_text(text, encoding="utf-8")


def typeset(document: Path, target: Path) -> None:
    """Set a document with pdfLaTeX, in its own folder.

    Args:
        document: LaTeX.
        target: The PDF, written at once or not at all.

    Raises:
        ValueError: There is no TeX, or it cannot set the document: with what it says.
    """
    if shutil.which(TEX) is None:
        msg = f"{target}: there is no {TEX} on this machine to set {document}; {INSTALL}"
        raise ValueError(msg)
    with tempfile.TemporaryDirectory(prefix="typeset-") as folder:
        for _ in range(RUNS):
            said = _run(document, Path(folder))
            if not any(words in said for words in AGAIN):
                break
        with finished_file(target) as partial:
            shutil.copyfile(Path(folder, document.with_suffix(".pdf").name), partial)


def _items(entries: Iterable[Sequence[str]], folder: Path, kind: type[Sidecar]) -> list[Item]:
    """The tables or figures of the study, by their sidecars."""
    return [_item(name, title, folder / f"{name}.json", kind) for name, title in entries]


def _item(name: str, title: str, path: Path, kind: type[Sidecar]) -> Item:
    sidecar = kind.parse(path.read_text(encoding="utf-8"))
    problem = sidecar.failed.message if sidecar.failed else ""
    return Item(name, sidecar.title or title, caption=sidecar.caption, problem=problem)


def _run(document: Path, folder: Path) -> str:
    """Run TeX once; its own files go into `folder`. What it says.

    Raises:
        ValueError: It fails.
    """
    command = [TEX, *OPTIONS, f"-output-directory={folder}", document.name]
    done = subprocess.run(
        command,
        cwd=document.parent,
        env=os.environ | {"max_print_line": "1000"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    output = done.stdout.decode("utf-8", "replace")
    if done.returncode:
        said = "\n".join(_errors(output.splitlines()))
        remedy = "mend the table or figure named there, or install what is missing"
        msg = f"{TEX} cannot set {document}:\n{said}\n{remedy}"
        raise ValueError(msg)
    return output


def _errors(lines: Sequence[str]) -> Sequence[str]:
    """What TeX says from the first error on; the end of its log if it tells none."""
    start = next((n for n, line in enumerate(lines) if ": " in line and line.startswith(("./", "!"))), None)
    named = start if start is not None else next((n for n, one in enumerate(lines) if ".tex:" in one), -LINES)
    return lines[named:][:LINES]
