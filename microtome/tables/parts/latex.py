# SPDX-License-Identifier: MIT
r"""Tables in LaTeX: booktabs rules; a float that fits a column, a page or a page on its side; a long table.

Why no `Styler.to_latex`: it writes cells as they come, so a table is as wide as its columns happen to be.
"""

from collections.abc import Iterator
from itertools import accumulate

from microtome.provenance.sidecars import Column
from microtome.tables.frame import Table
from microtome.tables.parts.headings import headings, shortened, spans
from microtome.tables.parts.latex_layout import GAP, Grid, Layout, lay_out, lines_of, short_group
from microtome.tables.parts.latex_text import breakable, escape_latex
from microtome.tables.parts.render import printed, without_interval
from microtome.tables.parts.titles import unnumbered

PACKAGES = {r"\toprule": "booktabs", r"\arraybackslash": "array", "{sidewaystable*}": "rotating"}
PACKAGES |= {
    "{longtable}": "longtable",
    "{landscape}": "pdflscape",
    r"\checkmark": "amssymb",
    r"\text{": "amsmath",
    r"\rotatebox": "graphicx",
}
"""What a table needs, by what is found in it."""
TYPE = rf"\fontsize{{8}}{{9.6}}\selectfont\setlength{{\tabcolsep}}{{{GAP / 2:g}pt}}"
SMALL = r"\fontsize{6}{7}\selectfont"
NOTE_SHARE = 0.9
"""Of the width that a long table is taken for: the width of its note, which is not to widen it."""


def to_latex(table: Table, *, label: str = "") -> str:
    r"""Render a table in LaTeX; text is escaped.

    Numbers at the head of the title ("Table 2: …") go behind it, as LaTeX counts tables itself.

    Args:
        table: The table.
        label: Label for cross-references, e.g. ``"tab:loss"``.

    Returns:
        The text, ending in a line break; a comment at its head names the packages that it needs. A table that
        is wider than a page is long is several floats, the first with the label.
    """
    grid = Grid(shortened(table.columns), tuple(printed(table.frame, table.columns)))
    layouts = lay_out(grid)
    texts = [
        _table(table, layout, label=label if number == 1 else "", part=(number, len(layouts)))
        for number, layout in enumerate(layouts, start=1)
    ]
    text = "\n".join(texts)
    needed = sorted({name for found, name in PACKAGES.items() if found in text})
    return f"% Needs \\usepackage{{{','.join(needed)}}} and T1 fonts.\n{text}"


def caption_of(table: Table) -> str:
    """The caption in LaTeX, escaped: the title without its number, which is named behind it."""
    title, number = unnumbered(table.title)
    said = f" ({number} of the study)" if number else ""
    return escape_latex(f"{title}{said}{table.caption.removeprefix(table.title)}")


def _table(table: Table, layout: Layout, *, label: str, part: tuple[int, int]) -> str:
    """One float, or one long table."""
    number, parts = part
    more = rf" Columns, part {number} of {parts}." if parts > 1 else ""
    caption = rf"\caption{{{caption_of(table)}{more}}}" + (rf"\label{{{label}}}" if label else "")
    note = escape_latex(table.note) if table.note and number == parts else ""
    lines = _long(layout, caption, note) if layout.is_long else _float(layout, caption, note)
    return "\n".join(lines) + "\n"


def _float(layout: Layout, caption: str, note: str) -> Iterator[str]:
    yield rf"\begin{{{layout.place}}}[htbp]"
    yield r"  \centering"
    yield f"  {caption}"
    yield rf"  {{{TYPE}"
    yield rf"  \begin{{tabular}}{{{_alignment(layout.grid)}}}"
    yield r"    \toprule"
    yield from _head(layout.grid)
    yield r"    \midrule"
    yield from _body(layout.grid)
    yield r"    \bottomrule"
    yield r"  \end{tabular}\par}"
    if note:
        yield rf"  \smallskip{{\footnotesize\raggedright {breakable(note)}\par}}"
    yield rf"\end{{{layout.place}}}"


def _long(layout: Layout, caption: str, note: str) -> Iterator[str]:
    """A table over several pages, with its head on each."""
    is_turned = layout.place == "sidewaystable*"
    if is_turned:
        yield r"\begin{landscape}"
    yield rf"{{{TYPE}\setlength{{\LTcapwidth}}{{\linewidth}}"
    yield rf"  \begin{{longtable}}{{{_alignment(layout.grid)}}}"
    yield rf"    {caption}\\"
    for end in (r"\endfirsthead", r"\endhead"):
        yield r"    \toprule"
        yield from _head(layout.grid)
        yield rf"    \midrule{end}"
    yield r"    \bottomrule\endfoot"
    yield rf"    \bottomrule{_last_row(layout.grid, note)}\endlastfoot"
    yield from _body(layout.grid)
    yield r"  \end{longtable}}"
    if is_turned:
        yield r"\end{landscape}"


def _last_row(grid: Grid, note: str) -> str:
    """The note below a long table, which stays with its last rows."""
    if not note:
        return ""
    place = rf"@{{}}>{{\raggedright\arraybackslash}}p{{{NOTE_SHARE * grid.width:.1f}pt}}@{{}}"
    text = rf"\rule{{0pt}}{{12pt}}\footnotesize {breakable(note)}"
    return rf"\multicolumn{{{len(grid.columns)}}}{{{place}}}{{{text}}}"


def _alignment(grid: Grid) -> str:
    told = dict(grid.narrowed)
    kinds = (
        rf">{{\raggedright\arraybackslash}}p{{{told[n]:.1f}pt}}" if n in told else _side(column)
        for n, column in enumerate(grid.columns)
    )
    return f"@{{}}{''.join(kinds)}@{{}}"


def _side(column: Column) -> str:
    return {"number": "r", "mark": "c"}.get(column.kind, "l")


def _head(grid: Grid) -> Iterator[str]:
    """The headings, below what spans them."""
    found = spans(grid.columns, short_group)
    if found:
        places = list(zip(found, accumulate(count for _, count in found), strict=True))
        yield rf"    {' & '.join(_span(grid, text, count, end) for (text, count), end in places)} \\"
        rules = (rf"\cmidrule(lr){{{end - count + 1}-{end}}}" for (text, count), end in places if text)
        yield f"    {' '.join(rules)}"
    texts = (_heading(grid, number, text) for number, text in enumerate(headings(grid.columns)))
    yield rf"    {' & '.join(texts)} \\"


def _span(grid: Grid, text: str, count: int, end: int) -> str:
    """What spans the `count` columns before `end`."""
    width = sum(grid.widths[end - count : end]) + GAP * (count - 1)
    return rf"\multicolumn{{{count}}}{{c}}{{{_stacked(text, width, 'c')}}}"


def _heading(grid: Grid, number: int, text: str) -> str:
    """A heading; above check marks it lies on its side, above texts in lines it breaks as they do."""
    if grid.columns[number].kind == "mark":
        return rf"\rotatebox{{90}}{{{escape_latex(text)}}}"
    if number in dict(grid.narrowed):
        return breakable(escape_latex(text))
    return _stacked(text, grid.widths[number], _side(grid.columns[number]))


def _stacked(text: str, width: float, side: str) -> str:
    """A heading in lines of a width, pt."""
    lines = list(map(escape_latex, lines_of(text, width)))
    joined = r"\\".join(lines)
    return joined if len(lines) == 1 else rf"\begin{{tabular}}[b]{{@{{}}{side}@{{}}}}{joined}\end{{tabular}}"


def _body(grid: Grid) -> Iterator[str]:
    narrowed = dict(grid.narrowed)
    for row in grid.rows:
        cells = (
            breakable(_bold(*cell)) if number in narrowed else _cell(*cell, grid.columns[number], grid)
            for number, cell in enumerate(row)
        )
        yield rf"    {' & '.join(cells)} \\"


def _cell(text: str, best: bool, column: Column, grid: Grid) -> str:
    """One cell, the best in bold, intervals below their value where these are stacked."""
    if column.kind == "math":
        return f"${text}$"
    value, interval = without_interval(text) if grid.is_stacked and column.kind == "number" else (text, "")
    shown = _bold(value, best)
    if not interval:
        return shown
    return rf"\begin{{tabular}}[t]{{@{{}}r@{{}}}}{shown}\\{{{SMALL}{escape_latex(interval)}}}\end{{tabular}}"


def _bold(text: str, best: bool) -> str:
    return rf"\textbf{{{escape_latex(text)}}}" if best else escape_latex(text)
