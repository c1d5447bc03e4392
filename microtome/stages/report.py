# SPDX-License-Identifier: MIT
"""Write the report of a set of studies."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from microtome.config.colors import class_colors
from microtome.config.yaml import read_values
from microtome.datasets.catalogue import load_catalogue
from microtome.files import finished_file
from microtome.provenance import code
from microtome.report import references
from microtome.report.collect import collect
from microtome.report.inputs import Citation, ExpectedRun, Jobs, StudyMeta
from microtome.report.links import link_studies
from microtome.report.page import build_report
from microtome.report.runs import flatten
from microtome.workflow.paths import PROFILE

Options = Mapping[str, Any]
CORES = "--cores 2"
"""What the command says where there is no profile."""
NUMBER = re.compile(r"\d+")
SAME = (
    *("title", "what", "samples_are", "unit", "main_table", "main_figure"),
    *("metric", "pooled"),
)
"""Options of a study that are called as the page's input calls them."""
REASONS = {
    "X": "a picture of others or a screenshot",
    "S": "a drawing of the paper's text alone",
    "R": "the study does not ask for it at this scale",
}
"""Why a figure of a paper is not made, by its kind in the table of published values."""


def write_report(options: Options, page: Path, *, published: Path, catalogue: Path, threads: int = 1) -> None:
    """Collect what the results folder holds and write the page.

    Args:
        options: The rule's options (see `microtome.workflow.states.products.report`).
        page: `results/{scale}/reports/{name}/report.html`. Its folder gets a link to the folder of each
            study, so that the page's links hold in it, and in a copy that follows links (`zip -r`, `cp -rL`).
        published: Published values, which name the papers.
        catalogue: The data set table, which names what to cite.
        threads: Studies that are read at once.
    """
    known = read_values(published)
    studies = [
        _meta(name, study, options["cards"][name], known, catalogue)
        for name, study in options["studies"].items()
    ]
    results = page.parents[2]
    link_studies(page.parent, options["studies"])
    command = with_profile(options["command"], os.environ.get(PROFILE, ""))
    found = collect(results, studies, command=command, repository=code.ROOT, threads=threads)
    text = build_report(found)
    with finished_file(page) as partial:
        partial.write_text(text, encoding="utf-8")


def with_profile(command: str, profile: str) -> str:
    """The command that makes the results, with the profiles that it was given (quoted), if any.

    Example:
        >>> with_profile("snakemake --cores 2 --config scale=demo studies=a,b", "profiles/slurm")
        'snakemake --profile profiles/slurm --config scale=demo studies=a,b'
    """
    return command.replace(CORES, f"--profile {profile}", 1) if profile else command


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


def _settings(cards: Options, run: str) -> tuple[tuple[str, str], ...]:
    """The settings of a run that are not the defaults, as printed; none of one without a training."""
    return tuple(flatten(dict(cards.get(run, ()))))


def _meta(name: str, study: Options, cards: Options, known: Options, catalogue: Path) -> StudyMeta:
    labels, of_paper = study["labels"], known.get("figures", {}).get(study["paper"], {})
    followed = known["papers"][study["paper"]] if study["paper"] else {}
    same = {key: study[key] for key in SAME}
    return StudyMeta(
        name=name,
        data_source=study["data_kind"],
        runs=tuple(
            ExpectedRun(run, split, seed, labels.get(run, run), _settings(cards, run))
            for split, run, seed in study["evaluated"]
        ),
        tables=dict(study["tables"]),
        figures=dict(study["figures"]),
        splits=tuple(study["splits"]),
        group_by="unit",
        case_metric=study["case_metric"],
        case_part=study["part"],
        case_group=study.get("case_group", ""),
        case_splits=tuple(study.get("case_splits", ())),
        colors=class_colors(study["classes"], study["colors"]),
        follows_paper=bool(study["paper"]),
        citations=tuple(_citations(study, followed, catalogue)),
        remarks=tuple(followed.get("remarks", ())),
        not_shown=tuple(not_shown(dict(study["figures"]), of_paper)),
        mean_classes=tuple(study["mean_classes"]),
        compared=tuple(study["compared"]),
        compared_splits=tuple(study["compared_splits"]),
        explanations=tuple((section, name) for section, name in study["explanations"]),
        jobs=_jobs(study),
        **same,
    )


def _citations(study: Options, followed: Options, catalogue: Path) -> Iterator[Citation]:
    """The paper, then the data."""
    if followed:
        yield references.paper(followed)
    if study["dataset"]:
        yield references.public_data(load_catalogue(catalogue)[study["dataset"]])
    yield from references.own_data(study["cited"])


def _jobs(study: Options) -> Jobs:
    """The jobs of a study, as far as its options tell them; `collect` adds what the results tell."""
    runs = frozenset((split, run, str(seed)) for split, run, seed in study["evaluated"])
    products = {"tabulate": "tables", "draw": "figures"}
    names = {rule: frozenset(name for name, _ in study[key]) for rule, key in products.items()}
    others = frozenset([*study["named"], *study["splits"]])
    return Jobs(runs, names={"": others, **names}, dataset=study["dataset"] or "")
