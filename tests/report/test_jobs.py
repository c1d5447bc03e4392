# SPDX-License-Identifier: MIT
"""What the page says of how it was made: its own jobs alone, commands to paste, settings, references."""

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from microtome.config.project import DATASETS, PUBLISHED
from microtome.config.yaml import read_values
from microtome.datasets.catalogue import load_catalogue
from microtome.report import references
from microtome.report.benchmarks import ASKED_BESIDES, FETCH, complete, is_shown, read_benchmarks
from microtome.report.collect import collect
from microtome.report.inputs import ExpectedRun, Jobs, ReportInputs, RunInput
from tests.report import tree

HERE = Path(__file__).parents[2]
JOBS = Jobs(
    runs=frozenset({("main", "unet", "0"), ("main", "unet", "1")}),
    batches=frozenset({"train-0", "train-1", "test-0"}),
    names={
        "": frozenset({"main", "spcn", "1"}),
        "tabulate": frozenset({"scores"}),
        "draw": frozenset({"curves"}),
    },
    dataset="isbi2012_em",
)
SHOWN = (
    *(
        "simulate/s",
        "write_sheet/s",
        "split/s/main",
        "import_images/s/train-1",
        "normalize_stain/s/spcn/test-0",
    ),
    *("train/s/main/unet/1", "predict/s/main/unet/0/test-0", "tabulate/s/scores", "draw/s/curves"),
    "fetch_isbi2012_em",
)
LEFT = (
    *("train/s/main/gone/0", "train/s/main/unet/2", "predict/s/main/unet/0/test-1", "import_images/s/val-0"),
    *("tabulate/s/curves", "draw/s/scores", "split/s/other", "train/t/main/unet/0", "simulate/t"),
    *("fetch_monuseg2018", "export_run/s/main/unet/0", "apply_run/s/main/unet/0/new"),
)


@pytest.fixture
def folder(tmp_path):
    for path in (*SHOWN, *LEFT):
        tree.write_tsv(tmp_path / f"{path}.tsv", ["s", "max_rss"], [[2.0, 100.0]])
    return tmp_path


def test_jobs_of_other_studies_and_of_what_was_removed_do_not_count(folder):
    usages = {usage.rule: usage.jobs for usage in read_benchmarks(folder, {"s": JOBS})}
    assert usages == {path.partition("/")[0]: 1 for path in SHOWN}


def test_a_study_of_which_no_jobs_are_told_shows_all_of_its_own(folder):
    usages = {usage.rule: usage.jobs for usage in read_benchmarks(folder, {"s": None})}
    assert usages["train"] == 3
    assert usages["tabulate"] == 2
    assert sum(usage.jobs for usage in read_benchmarks(folder, {"s": JOBS, "t": JOBS})) == len(SHOWN) + 2


def benchmarks_of_rules():
    """Rule and wildcards of every benchmark file that the workflow writes."""
    for path in sorted((HERE / "rules").glob("*.smk")):
        for found in re.findall(r"at\.times\(([^)]*)\)", path.read_text(encoding="utf-8")):
            rule, *wildcards = re.findall(r'"([^"]+)"', found)
            if not rule.startswith(FETCH):
                yield rule, wildcards


def test_the_files_of_all_rules_are_understood():
    names = {"study": "s", "split": "main", "run": "unet", "seed": "0", "batch": "test-0", "stain": "spcn"}
    names |= {"neighbours": "1"}
    found = dict(benchmarks_of_rules())
    assert {"train", "predict", "draw", "fit_stain", "cut_bands", "call_sections"} <= set(found)
    for rule, wildcards in found.items():
        named = {
            "name": {"tabulate": "scores", "draw": "curves"}.get(rule, ""),
            "external": "spcn",
            "model": "m",
        }
        path = Path(rule, *((names | named | {"folder": "new"})[wildcard] for wildcard in wildcards))
        assert is_shown(path.with_name(f"{path.name}.tsv"), {"s": JOBS}) == (rule not in ASKED_BESIDES), rule


def test_runs_behind_ensembles_and_batches_are_told_by_the_results(tmp_path):
    folder = tree.make(tmp_path) / tree.META.name
    samples = ["a", "b"]
    for batch, names in {"train-0": samples, "test-3": ["gone"]}.items():
        for name in names:
            tree.write_tiff(folder / f"images/{batch}/{name}.tif", np.zeros((4, 4), np.uint8))
    card = {"network": {"name": "ensemble", "trained": [{"run": "unet", "seed": 2}]}}
    run = RunInput(ExpectedRun("mean", "main", 0), card)
    found = complete(Jobs(runs=frozenset({("main", "mean", "0")})), folder, [run], samples)
    assert found.runs == {("main", "mean", "0"), ("main", "unet", "2")}
    assert found.batches == {"train-0"}


def test_the_page_counts_jobs_by_batch(tmp_path):
    folder = tree.make(tmp_path)
    shutil.rmtree(folder / "benchmarks")
    for batch in ("0", "gone-1"):
        place = f"benchmarks/predict/{tree.META.name}/main/unet_bce/0/{batch}.tsv"
        tree.write_tsv(folder / place, ["s", "max_rss"], [[2.0, 100.0]])
    jobs = Jobs(runs=frozenset({("main", "unet_bce", "0")}))
    (rule,) = collect(folder, [replace(tree.META, jobs=jobs)]).rules
    assert (rule.rule, rule.jobs, rule.total_seconds) == ("predict", 1, 2.0)


def inputs(git, command="snakemake -c2 --config scale=demo studies=a,b"):
    return ReportInputs("demo", (), (), {}, {}, git, command)


def test_commands_are_lines_that_a_shell_takes_as_they_are():
    lines = inputs({"commit": "abc123", "dirty": False}).commands
    assert lines == (
        "git checkout abc123",
        "source .venv/bin/activate",
        "snakemake -c2 --config scale=demo studies=a,b",
    )
    assert inputs(None).commands == lines[1:]
    for line in lines:
        assert not set(line) & set("#[]*?~!(){}<>|;&$`")
        assert shlex.join(shlex.split(line)) == line


def test_papers_have_authors_and_an_address_where_one_is_known():
    papers = read_values(HERE / PUBLISHED)["papers"]
    found = {name: references.paper(told) for name, told in papers.items()}
    for name, citation in found.items():
        assert papers[name]["title"] in citation.text
        assert citation.text.startswith(papers[name]["authors"][0])
        assert citation.text.endswith(".")
    dois = [citation.url for citation in found.values() if citation.url.startswith(references.DOI)]
    assert len(dois) == 4
    assert found["p4_unet_isbi"].text == (
        "Kim S (2020). U-Net's Excellence and Optimal Loss Function in Medical Segmentation. MSc thesis, "
        "Department of Computer Science, Royal Holloway, University of London."
    )


def test_public_data_are_cited_with_their_licence():
    for entry in load_catalogue(HERE / DATASETS).values():
        citation = references.public_data(entry)
        assert entry.citation in citation.text
        assert citation.licence == entry.licence
        assert citation.url.startswith("https://")
        assert len(citation.more) == max(len(entry.doi) - 1, 0)


def test_own_data_are_cited_as_the_study_says():
    assert references.own_data({"citation": "", "licence": ""}) == ()
    (citation,) = references.own_data({"citation": "Doe J (2024). Slides.", "licence": "CC BY 4.0"})
    assert (citation.text, citation.licence) == ("Doe J (2024). Slides.", "CC BY 4.0")
    (terms,) = references.own_data({"licence": "internal"})
    assert terms.licence == "internal"
