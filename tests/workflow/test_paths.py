# SPDX-License-Identifier: MIT
"""Paths of the workflow."""

import os
import string
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from microtome.faults import ConfigurationError
from microtome.workflow.paths import Layout, check_moved, make_importable

AT = Layout("results", "demo", ("nuclei", "membranes"))
ROOT = Path(__file__).resolve().parents[2]
NAMES = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=8)


def _fields(pattern: str) -> list[str]:
    return [field for _, field, _, _ in string.Formatter().parse(pattern) if field]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (AT.page, "results/demo/reports/membranes+nuclei/report.html"),
        (AT.crate, "results/demo/reports/membranes+nuclei/ro-crate-metadata.json"),
        (AT.study("samples.tsv"), "results/demo/{study}/samples.tsv"),
        (AT.run("card.json"), "results/demo/{study}/runs/{split}/{run}/seed-{seed}/card.json"),
        (AT.log("train", "study", "run"), "logs/demo/train/{study}/{run}.log"),
        (AT.log("report_page"), "logs/demo/report_page.log"),
        (AT.times("segment", "study", "batch"), "results/demo/benchmarks/segment/{study}/{batch}.tsv"),
    ],
)
def test_paths_are_those_of_the_documentation(pattern: str, expected: str) -> None:
    assert pattern == expected


@given(results=NAMES, one=NAMES, other=NAMES, name=NAMES)
def test_scales_live_apart(results: str, one: str, other: str, name: str) -> None:
    """No file of a scale lies in the folder of another."""
    first, second = Layout(results, one, (name,)), Layout(results, other, (name,))
    patterns = [
        (at.page, at.study(name), at.run(name), at.times(name), at.log(name)) for at in (first, second)
    ]
    for left, right in zip(*patterns, strict=True):
        assert (left == right) == (one == other)
    assert first.page.startswith(f"{results}/{one}/")


@given(name=NAMES, wildcards=st.lists(st.sampled_from(["study", "split", "run", "seed"]), unique=True))
def test_logs_and_times_name_every_wildcard(name: str, wildcards: list[str]) -> None:
    """Snakemake refuses a log without the wildcards of the outputs."""
    assert _fields(AT.log(name, *wildcards)) == wildcards
    assert _fields(AT.times(name, *wildcards)) == wildcards


@given(values=st.fixed_dictionaries(dict.fromkeys(("study", "split", "run"), NAMES)), seed=st.integers(0, 99))
def test_a_run_file_lies_in_its_study(values: dict[str, str], seed: int) -> None:
    path = AT.run("model.safetensors").format(**values, seed=seed)
    assert path.startswith(AT.study("").format(study=values["study"]))
    assert path.endswith(f"/{values['run']}/seed-{seed}/model.safetensors")


@given(sets=st.lists(st.sets(NAMES, min_size=1, max_size=12), min_size=2, max_size=2, unique_by=frozenset))
def test_each_set_of_studies_has_its_own_report(sets: list[set[str]]) -> None:
    one, other = (Layout("results", "demo", tuple(names)) for names in sets)
    assert one.report != other.report
    assert one.page == Layout("results", "demo", tuple(sorted(sets[0], reverse=True))).page
    assert len(Path(one.report).name.encode()) < 128


def test_make_demo_names_its_report() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    studies = yaml.safe_load((ROOT / "config/config.yaml").read_text(encoding="utf-8"))["studies"]
    assert f'"studies=[{",".join(studies)}]"' in makefile
    assert makefile.count(Layout("results", "demo", tuple(studies)).page) == 1  # the run itself says it, too


def test_logs_do_not_lie_among_results() -> None:
    assert not AT.log("train").startswith("results/")


def test_jobs_find_the_package_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/elsewhere", "", str(tmp_path), "/more"]))
    make_importable(tmp_path)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(tmp_path), "/elsewhere", "/more"]
    make_importable(tmp_path)
    assert os.environ["PYTHONPATH"].split(os.pathsep) == [str(tmp_path), "/elsewhere", "/more"]


def test_jobs_find_the_package_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONPATH", raising=False)
    make_importable(tmp_path)
    assert os.environ["PYTHONPATH"] == str(tmp_path)


def test_results_of_an_earlier_version_are_not_computed_again(tmp_path: Path) -> None:
    check_moved(tmp_path)
    (tmp_path / "paper").mkdir()
    with pytest.raises(ConfigurationError, match=f"mv {tmp_path}/paper {tmp_path}/full"):
        check_moved(tmp_path)
    (tmp_path / "full").mkdir()
    check_moved(tmp_path)
