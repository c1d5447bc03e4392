# SPDX-License-Identifier: MIT
"""References of a study: the paper that it follows, and whose the data are under which terms."""

from collections.abc import Mapping, Sequence
from typing import Any

from microtome.datasets.catalogue import DatasetEntry
from microtome.report.inputs import Citation

DOI = "https://doi.org/"


def paper(told: Mapping[str, Any]) -> Citation:
    """The reference of a paper, as far as `config/published.yaml` tells it.

    Args:
        told: `title`, and of `authors` (a list), `year`, `journal` and `doi` those that are known.

    Example:
        >>> paper({"title": "On cells", "authors": ["Doe J", "Roe R"], "year": 2020, "doi": "10.1000/1"})
        Citation(text='Doe J, Roe R (2020). On cells.', url='https://doi.org/10.1000/1', more=(), licence='')
    """
    authors = ", ".join(told.get("authors") or ())
    year = f"({told['year']})" if told.get("year") else ""
    head = " ".join(filter(None, (authors, year)))
    parts = filter(None, (head, told["title"], told.get("journal")))
    text = " ".join(f"{str(part).removesuffix('.')}." for part in parts)
    return Citation(text, f"{DOI}{told['doi']}" if told.get("doi") else str(told.get("url") or ""))


def public_data(entry: DatasetEntry) -> Citation:
    """The reference of a public data set: what it is, whom to cite, and its terms of use."""
    addresses = [f"{DOI}{doi}" for doi in entry.doi] or [entry.homepage or ""]
    return Citation(f"{entry.title}. {entry.citation}", addresses[0], tuple(addresses[1:]), entry.licence)


def own_data(told: Mapping[str, str]) -> Sequence[Citation]:
    """The reference of a user's own files, if the study file tells one (`data.citation`, `data.licence`)."""
    if not told.get("citation") and not told.get("licence"):
        return ()
    return (Citation(told.get("citation") or "The data of this study.", licence=told.get("licence") or ""),)
