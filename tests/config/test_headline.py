# SPDX-License-Identifier: MIT
"""What the overview shows of a study: as its file says, else by rule; mistakes are found before any job."""

import yaml
from pytest import mark

from microtome.config import kinds
from microtome.config.headline import explanations, headline, results
from microtome.config.load import STUDY_FOLDER
from tests.config.studies import load_study
from tests.config.test_checks_objects import changed, faults_of, without_lines
from tests.workflow.workspace import mini_study

SHIPPED = sorted(path.stem for path in STUDY_FOLDER.glob("*.yaml"))
RANKED = {
    "evaluate": {"metrics": ["overlap"], "parts": ["test"], "rank_by": "mean_dice"},
    "tables": {
        "relu": {"kind": "activations"},
        "time": {"kind": "time", "runs": "all"},
        "first": {"kind": "metrics", "runs": "all", "columns": ["accuracy"]},
        "scores": {"kind": "metrics", "runs": "all", "columns": [{"metric": "mean_dice"}, "dice"]},
    },
    "figures": {"relu": {"kind": "worked_relu"}, "curves": {"kind": "loss_curves", "runs": "all"}},
}
MISTAKES = {
    "a table that is none": ({"table": "scors"}, "report.table: found 'scors'; expected 'scores'?"),
    "a figure that is none": ({"figure": "curve"}, "report.figure: found 'curve'; expected 'curves'?"),
    "a metric of each class": (
        {"metric": "dice"},
        "report.metric: found 'dice', which is of each class; expected ",
    ),
    "a metric that is not measured": ({"metric": "aji"}, "report.metric: found 'aji'; expected "),
}


@mark.parametrize("name", SHIPPED)
@mark.parametrize("scale", ["demo", "full"])
def test_shipped_studies_show_results(name, scale):
    study = load_study(name, scale)
    found = headline(study)
    assert found.table in results(study.tables, "tables")
    assert found.figure in results(study.figures, "figures")
    assert study.report.what


def test_kinds_that_explain_a_method_are_told_from_results():
    study = load_study("membranes", "demo")
    told = explanations(study.figures, "figures")
    assert {"figure_15", "figure_28", "figure_50"} <= set(told)
    assert "figure_33" not in told
    assert set(told) | set(results(study.figures, "figures")) == set(study.figures)
    assert explanations(study.tables, "tables") == ["table_1_activations", "table_2bis_n4"]


def test_what_explains_needs_no_metric():
    for section in kinds.MAKERS:
        for name in kinds.names(section):
            kind = kinds.find(section, name)
            if kind.constants.get("EXPLAINS"):
                assert not kind.declared("METRICS")
                assert not kind.declared("METRIC_OPTIONS")


def ranked(tmp_path, report):
    study = changed(mini_study(), RANKED | {"report": report})
    path = tmp_path / "ranked.yaml"
    path.write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return headline(load_study("ranked", "demo", folder=tmp_path))


def test_by_rule_it_is_the_first_table_of_the_metric_and_the_first_result(tmp_path):
    found = ranked(tmp_path, {})
    assert (found.table, found.figure, found.part) == ("scores", "curves", "test")
    assert ranked(tmp_path, {"metric": "accuracy"}).table == "first"
    assert ranked(tmp_path, {"metric": "mean_iou"}).table == "time"


def test_what_the_file_says_goes_before_the_rule(tmp_path):
    found = ranked(tmp_path, {"table": "time", "figure": "relu", "metric": "accuracy", "pooled": True})
    assert (found.table, found.figure) == ("time", "relu")


@mark.parametrize("name", MISTAKES)
def test_mistakes_are_faults(name, tmp_path):
    report, begins = MISTAKES[name]
    faults = without_lines(faults_of(tmp_path, changed(mini_study(), RANKED | {"report": report})))
    assert any(fault.startswith(begins) for fault in faults), faults


def test_what_does_not_add_up_cannot_be_pooled(tmp_path):
    study = changed(mini_study(), {"report": {"metric": "v_rand", "pooled": True}})
    faults = without_lines(faults_of(tmp_path, study))
    assert any(
        fault.startswith("report.pooled: found 'true' for 'v_rand'; expected false") for fault in faults
    )
