# SPDX-License-Identifier: MIT
"""Write the report of a set of studies."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from microtome.config.colors import class_colors
from microtome.config.yaml import read_values
from microtome.datasets.catalogue import load_catalogue
from microtome.files import finished_file
from microtome.provenance import code
from microtome.report.collect import collect
from microtome.report.inputs import Citation, ExpectedRun, StudyMeta
from microtome.report.page import build_report

Options = Mapping[str, Any]
NUMBER = re.compile(r"\d+")
REASONS = {
    "X": "a picture of others or a screenshot",
    "S": "a drawing of the paper's text alone",
    "R": "the study does not ask for it at this scale",
}
"""Why a figure of a paper is not made, by its kind in the table of published values."""


def write_report(options: Options, page: Path, *, published: Path, catalogue: Path) -> None:
    """Collect what the results folder holds and write the page.

    Args:
        options: The rule's options (see `microtome.workflow.states.products.report`).
        page: `results/{scale}/reports/{name}/report.html`. Its folder gets a link to the folder of each
            study, so that the page's links hold in it, and in a copy that follows links (`zip -r`, `cp -rL`).
        published: Published values, which name the papers.
        catalogue: The data set table, which names what to cite.
    """
    known = read_values(published)
    studies = [_meta(name, study, known, catalogue) for name, study in options["studies"].items()]
    results = page.parents[2]
    _link(page.parent, options["studies"])
    text = build_report(collect(results, studies, command=options["command"], repository=code.ROOT))
    with finished_file(page) as partial:
        partial.write_text(text, encoding="utf-8")


def _link(folder: Path, studies: Iterable[str]) -> None:
    """Let the folder of a report lead to those of its studies, which lie beside all reports."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in studies:
        link = folder / name
        if not link.is_symlink():
            link.symlink_to(Path("../..", name), target_is_directory=True)


def not_shown(
    figures: Mapping[str, str], published: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """The figures of a paper that a study does not make, and why, in the paper's order.

    Args:
        figures: Titles of the study's figures by name; a title that begins with `Figure` and numbers is that
            of the paper's.
        published: What the paper's figures are, by their keys (`fig_1`), as `config/published.yaml` says.

    Returns:
        Number and reason of each.

    Example:
        >>> published = {"fig_1": {}, "fig_3": {"kind": "X", "content": "a scanner"}}
        >>> not_shown({"f": "Figures 1 and 2a: x"}, published)
        [('3', 'a scanner: a picture of others or a screenshot')]
    """
    heads = [title.partition(":")[0] for title in figures.values() if title.startswith("Figure")]
    made = {number for head in heads for number in NUMBER.findall(head)}
    return [
        (number, f"{one.get('content', 'not described')}: {REASONS.get(one.get('kind', ''), REASONS['R'])}")
        for key, one in published.items()
        if (number := key.rpartition("_")[2]) not in made
    ]


def _meta(name: str, study: Options, known: Options, catalogue: Path) -> StudyMeta:
    labels, papers = study["labels"], known["papers"]
    of_paper = known.get("figures", {}).get(study["paper"], {})
    runs = [ExpectedRun(run, split, seed, labels.get(run, run)) for split, run, seed in study["evaluated"]]
    citations = [Citation(papers[study["paper"]]["title"])] if study["paper"] else []
    if study["dataset"]:
        entry = load_catalogue(catalogue)[study["dataset"]]
        citations += [Citation(entry.citation, f"https://doi.org/{entry.doi[0]}" if entry.doi else "")]
    return StudyMeta(
        name=name,
        title=study["title"],
        data_source=study["data_kind"],
        runs=tuple(runs),
        tables=dict(study["tables"]),
        figures=dict(study["figures"]),
        splits=tuple(study["splits"]),
        group_by="unit",
        case_metric=study["case_metric"],
        case_group=study.get("case_group", ""),
        case_splits=tuple(study.get("case_splits", ())),
        colors=class_colors(study["classes"], study["colors"]),
        follows_paper=bool(study["paper"]),
        citations=tuple(citations),
        remarks=tuple(papers[study["paper"]].get("remarks", ())) if study["paper"] else (),
        not_shown=tuple(not_shown(dict(study["figures"]), of_paper)),
    )
