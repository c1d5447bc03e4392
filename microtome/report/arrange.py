# SPDX-License-Identifier: MIT
"""What stands where: what the overview shows of a study, what its view shows first, what is folded."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar

from microtome.report.addresses import home, slug
from microtome.report.inputs import Cell, FigureInput, ProductInput, StudyInputs, TableInput

SAMPLE_PATH = "sample_path"
"""Name of the figure of one sample on its way through the workflow, the first in a study's view."""
RESULTS, EXPLANATIONS = "results", "explanations"
DATA = "TSV"
PHANTOM = "(phantom data)"
"""What tables of phantoms say behind their title; the page says it of a whole study."""
LONGEST_WORDS = 26
"""A column of texts is not made wider for longer ones, which take a second line."""
MARK, SMALL = 2, 0.85
"""Characters of a column of check marks, and the size of small type."""
SPACE = 2
"""What stands between two columns, in characters."""

Product = TypeVar("Product", bound=ProductInput)


def is_made(product: ProductInput) -> bool:
    """Whether a table has rows, or a figure a file."""
    if isinstance(product, TableInput):
        return bool(product.rows)
    return any(link.text != DATA for link in product.links)


def of_group(products: Iterable[Product], group: str) -> list[Product]:
    """The tables or figures of a group, `results` or `explanations`, without the way of a sample."""
    return [item for item in products if item.group == group and item.name != SAMPLE_PATH]


def sample_path(study: StudyInputs) -> FigureInput | None:
    """The figure of a sample's way through the workflow, if the study asks for it or has it."""
    return next((figure for figure in study.figures if figure.name == SAMPLE_PATH), None)


def main_table(study: StudyInputs) -> TableInput | None:
    """The table that the overview shows: the one that is named, else the first result; None: none is made."""
    return _main(study.tables, study.main_table)


def main_figure(study: StudyInputs) -> FigureInput | None:
    """The figure that the overview shows, as `main_table` the table; it has a picture."""
    return _main([one for one in study.figures if one.picture and one.picture.webp], study.main_figure)


def _main(products: Iterable[Product], name: str) -> Product | None:
    made = [item for item in products if is_made(item)]
    named = [item for item in made if item.name == name]
    return next(iter([*named, *of_group(made, RESULTS)]), None)


def sections(study: StudyInputs) -> dict[str, str]:
    """Sections of a study's view, in order: the name that addresses each, and its heading."""
    products = [*study.tables, *study.figures]
    there = {
        "Sample": ("One sample on its way", sample_path(study)),
        "Tables": ("Tables", of_group(study.tables, RESULTS) or not study.figures),
        "Figures": ("Figures", of_group(study.figures, RESULTS)),
        "Explanations": ("How the methods work", of_group(products, EXPLANATIONS)),
        "Worst cases": ("Worst cases first", study.runs),
        "Runs": ("Runs", study.runs),
        "Splits": ("Splits", study.splits or study.runs),
        "Notes": ("Notes on the paper", study.meta.remarks or study.meta.not_shown),
        "References": ("References", study.meta.citations),
    }
    return {name: heading for name, (heading, shown) in there.items() if shown}


def count(products: Iterable[ProductInput]) -> str:
    """How many tables or figures are there of those that a study asks for, as text.

    Example:
        >>> count([FigureInput(name="f", title="F"), FigureInput(name="old", title="O", expected=False)])
        '0 of 1'
    """
    asked = [item for item in products if item.expected]
    return f"{sum(map(is_made, asked))} of {len(asked)}"


def missing(study: StudyInputs) -> list[tuple[str, str]]:
    """List what a study asks for and has not got: its title, and where the page gives the reason."""
    place = home(study.meta.name)
    absent = [run.expected for run in study.runs if run.status == "missing"]
    runs = [(f"{run.name} (split {run.split}, seed {run.seed})", slug(place, "Runs")) for run in absent]
    products = [
        (item.title, slug(place, kind, item.name))
        for kind, items in (("table", study.tables), ("figure", study.figures))
        for item in items
        if item.expected and not is_made(item)
    ]
    return runs + products


def short_title(title: str) -> str:
    """The name in front of the colon of a study's title, or the title.

    Example:
        >>> short_title("Membranes: six losses"), short_title("Nuclei")
        ('Membranes', 'Nuclei')
    """
    return title.partition(":")[0].strip() or title


def titles(studies: Iterable[StudyInputs]) -> dict[str, str]:
    """The titles of studies by their names: where several have the same, with the name.

    Example:
        >>> distinct({"a": "Cells", "b": "Cells", "c": "Skin"})
        {'a': 'Cells (a)', 'b': 'Cells (b)', 'c': 'Skin'}
    """
    return distinct({study.meta.name: study.meta.title for study in studies})


def short_titles(studies: Iterable[StudyInputs]) -> dict[str, str]:
    """What studies are called where there is little room: no two alike, as of `titles`."""
    whole = {study.meta.name: study.meta.title for study in studies}
    uses = Counter(map(short_title, whole.values()))
    return distinct(
        {name: short if uses[short := short_title(title)] == 1 else title for name, title in whole.items()}
    )


def distinct(texts: Mapping[str, str]) -> dict[str, str]:
    """Add their names to those of some texts that are not the only ones of their kind."""
    uses = Counter(texts.values())
    return {name: text if uses[text] == 1 else f"{text} ({name})" for name, text in texts.items()}


def characters(table: TableInput) -> int:
    """Estimate how wide a table is shown, in characters, from which the page sets the size of its letters.

    Example:
        >>> from microtome.report.inputs import Cell
        >>> header = (Cell("Model"), Cell("Dice score", "number"))
        >>> row = (Cell("U-Net"), Cell("0.91 ± 0.02", "number"))
        >>> characters(TableInput(name="t", title="T", header=header, rows=(row,)))
        20
    """
    columns = zip(table.header, zip(*table.rows, strict=True), strict=True) if table.rows else ()
    widths = (_widest(heading, cells) for heading, cells in columns)
    return round(sum(width + SPACE for width in widths))


def _widest(heading: Cell, cells: Iterable[Cell]) -> float:
    """Characters of a column: the longest word of its heading, or its longest text."""
    if heading.kind == "mark":
        return MARK
    words = max(map(len, heading.text.split()), default=0)
    texts = (max(len(cell.text), *(SMALL * len(part) for part in cell.small.split(" "))) for cell in cells)
    return max(words, min(max(texts, default=0), LONGEST_WORDS))


def singular(plural: str) -> str:
    """One of what a study calls its samples.

    Example:
        >>> singular("images"), singular("biopsies")
        ('image', 'biopsy')
    """
    return f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")


def caption(product: ProductInput) -> str:
    """The caption, empty if it only says the title again, which stands above it.

    Example:
        >>> item = TableInput(name="t", title="Table 1: time", caption="Table 1: time (phantom data)")
        >>> caption(item), caption(TableInput(name="t", title="Time", caption="Timed once."))
        ('', 'Timed once.')
    """
    again = (product.title, f"{product.title} {PHANTOM}")
    return "" if product.caption in again else product.caption


def split_interval(text: str) -> tuple[str, str]:
    """A number and the interval that follows it.

    Example:
        >>> split_interval("0.87 [0.69 to 1.00]"), split_interval("12")
        (('0.87', '[0.69 to 1.00]'), ('12', ''))
    """
    number, _, interval = text.partition(" [")
    return number, f"[{interval}" if interval else ""
