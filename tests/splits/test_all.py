# SPDX-License-Identifier: MIT
"""A split that keeps nothing apart: for a model that goes elsewhere, told of by the folds beside it."""

from pathlib import Path

import pytest

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.workflow import needs, reported
from microtome.workflow.asked import ask
from microtome.workflow.paths import Layout
from microtome.workflow.states import applied, runs
from tests.splits.two_splits import changed, plan, rows

AT = Layout("results", "demo", ("two",))
LAST = {"splits__every": {"kind": "all"}, "defaults__training__select": "last"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def with_all(**changes):
    """The study of two splits, whose run `both` also learns from every sample."""
    return changed(**LAST | {"runs__mean": None} | changes)


def test_every_labelled_sample_is_learnt_from_and_none_is_tested():
    listed = rows()
    listed[3]["label"] = ""
    listed[3]["scenario_2"] = "test"
    found = plan(with_all(splits__patients=None, tables__folds=None), listed)
    parts = found.splits["every"]
    assert parts["m3"] == "test"
    assert {part for name, part in parts.items() if name != "m3"} == {"train"}
    assert found.learnt("every", "val") == []


def test_it_is_trained_only_where_it_is_asked_for():
    found = plan(with_all())
    assert ("every", "both", 0) in found.every_trained()
    assert not [one for one in found.evaluated() if one[0] == "every"]
    shown = needs.files(found, AT, "tables", "folds")
    assert not any("every" in path for paths in shown.values() for path in paths)
    asked = ask(
        Workflow(studies=("two",), study="two", run="both", split="every", export="packed"),
        {"two": found},
        ("export",),
    )
    assert asked.split == "every"


def test_what_the_report_shows_does_not_need_it():
    shown = reported.files({"two": plan(with_all())}, AT, pictures=True)
    assert any("/clinics/both/" in path for paths in shown.values() for path in paths)
    assert not any("/every/" in path for paths in shown.values() for path in paths)


def test_the_folds_of_the_run_tell_how_good_it_is():
    found = plan(with_all())
    assert found.measured_on("every", "both") == ("patients-0", "patients-1")
    assert found.measured_on("clinics", "both") == ("clinics",)
    assert '"measured_on": ["patients-0", "patients-1"]' in applied.export_run(found, "both", None, "every")
    assert '"measured_on"' not in applied.export_run(found, "both", None, "clinics")
    alone = with_all(runs__both__splits=["clinics", "every"], splits__patients=None, tables__folds=None)
    assert plan(alone).measured_on("every", "both") == ("clinics",)


def test_other_trainings_do_not_see_that_it_is_there():
    assert runs.train(plan(with_all()), "clinics", "both", 0) == runs.train(
        plan(with_all(splits__every=None)), "clinics", "both", 0
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"defaults__training__select": "best"}, "a choice of epochs on 'every', which keeps nothing to"),
        ({"defaults__training__select": {"metric": "last", "keep": 2}}, "a choice of epochs on 'every'"),
        ({"defaults__calibration": {"kind": "cubic"}}, "found 'cubic' on 'every', which keeps nothing"),
        ({"runs__alone__splits": ["every"]}, "runs.alone.splits: found 'every' alone; expected another"),
        ({"splits__every__k": 3}, "splits.every.k: found an option of splits.every.kind 'folds'"),
        (
            {"splits": {"every": {"kind": "all"}}, "runs__alone": None, "tables": {}},
            "splits.every.kind: found 'all' alone, which keeps nothing apart",
        ),
    ],
)
def test_what_needs_samples_kept_apart_is_refused(changes, expected):
    with pytest.raises(ConfigurationError) as caught:
        plan(with_all(**changes))
    assert expected in str(caught.value)
