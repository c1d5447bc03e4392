# SPDX-License-Identifier: MIT
"""All tables and figures of a study as one LaTeX document, as for the appendix of a publication."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from microtome.tables.parts.latex_text import breakable, escape_latex
from microtome.tables.parts.titles import unnumbered

PREAMBLE = r"""\documentclass[10pt,a4paper]{article}
\usepackage[utf8]{inputenc}
\usepackage[T1]{fontenc}
\usepackage{lmodern}
\usepackage[width=183mm,height=255mm]{geometry}
\usepackage{amsmath,amssymb,array,booktabs,graphicx,longtable,pdflscape,rotating,textcomp}
\usepackage[font=small,labelfont=bf]{caption}
% No dates and no random numbers in the PDF: equal input gives equal bytes.
\pdfinfoomitdate=1
\pdftrailerid{}
\pdfsuppressptexinfo=15
\newsavebox{\drawing}
\newlength{\tallest}
% A figure in its own size; smaller where it is wider or taller than there is room.
\newcommand{\shown}[1]{%
  \setlength{\tallest}{.78\textheight}%
  \sbox{\drawing}{\includegraphics{#1}}%
  \ifdim\wd\drawing>\linewidth\includegraphics[width=\linewidth,height=\tallest,keepaspectratio]{#1}%
  \else\ifdim\ht\drawing>\tallest\includegraphics[height=\tallest]{#1}%
  \else\usebox{\drawing}\fi\fi}
\setlength{\emergencystretch}{3em}
\renewcommand{\topfraction}{.95}
\renewcommand{\textfraction}{.05}
\renewcommand{\floatpagefraction}{.5}
\begin{document}
"""
TABLES_AT_ONCE = 8
"""Floats that may wait for a page, so that LaTeX never runs out of room for them."""


@dataclass(frozen=True)
class Item:
    """A table or a figure of the document.

    Attributes:
        name: Its name, as of its files.
        title: Its title in the study.
        caption: What a figure shows.
        problem: Why it could not be made; empty if it is there.
    """

    name: str
    title: str
    caption: str = ""
    problem: str = ""


def paper_text(title: str, scale: str, *, tables: Sequence[Item], figures: Sequence[Item]) -> str:
    r"""Write the document.

    Args:
        title: Title of the study.
        scale: Scale of its results.
        tables: Its tables, in order; each is read from ``tables/{name}.tex``.
        figures: Its figures, in order; each is read from ``figures/{name}.pdf``.

    Returns:
        LaTeX for pdfLaTeX, to be set in the study's folder.

    Example:
        >>> text = paper_text("Mine", "demo", tables=[Item("data", "Data")], figures=[])
        >>> r"\input{tables/data.tex}" in text, r"\section*{Figures}" in text
        (True, False)
    """
    head = (
        rf"\section*{{{escape_latex(title)}}}"
        + "\n"
        + f"Tables and figures at the scale {escape_latex(scale)}."
    )
    parts = [head, *_section("Tables", tables, _table), *_section("Figures", figures, _figure)]
    return PREAMBLE + "\n\n".join(parts) + "\n\\end{document}\n"


def _section(heading: str, items: Sequence[Item], shown: Callable[[Item], str]) -> Iterator[str]:
    """A section of the document; none without items."""
    if not items:
        return
    yield rf"\section*{{{heading}}}\suppressfloats[t]"
    for number, item in enumerate(items, start=1):
        yield _missing(item) if item.problem else shown(item)
        if number % TABLES_AT_ONCE == 0:
            yield r"\clearpage"
    yield r"\clearpage"


def _missing(item: Item) -> str:
    title, problem = escape_latex(item.title), breakable(escape_latex(" ".join(item.problem.split())))
    return rf"\noindent\textbf{{{title}}} could not be made: {problem}\par"


def _table(item: Item) -> str:
    return rf"\input{{tables/{item.name}.tex}}"


def _figure(item: Item) -> str:
    title, number = unnumbered(item.title)
    said = f"{title} ({number} of the study)" if number else title
    caption = f"{said.rstrip('.')}. {item.caption}".strip()
    lines = (
        r"\begin{figure}[htbp]",
        r"  \centering",
        rf"  \shown{{figures/{item.name}.pdf}}",
        rf"  \caption{{{breakable(escape_latex(caption))}}}\label{{fig:{item.name}}}",
        r"\end{figure}",
    )
    return "\n".join(lines)
