# SPDX-License-Identifier: MIT
"""Tables and figures that show what a study does not evaluate, define or have; what kinds declare."""

import shutil
from pathlib import Path

import yaml
from pytest import mark

from microtome.config import kinds
from microtome.config.checks_products import runs_shown
from microtome.config.evaluated import metrics_of
from microtome.config.study import Entry
from microtome.workflow.needs import FILES
from tests.config.studies import load_study
from tests.config.test_checks_objects import changed, faults_of, without_lines
from tests.workflow.workspace import he_study, mini_study

TABLE = yaml.safe_load((Path(__file__).parent / "products.yaml").read_text(encoding="utf-8"))
PUBLISHED = Path(__file__).parents[2] / "config/published.yaml"
SHOWN = (("figures", "loss_curves"), ("figures", "calibration_curve"), ("tables", "metrics"))
STUDIES = {"mini": mini_study, "he": he_study}
KINDS = [(section, name) for section in kinds.MAKERS for name in kinds.names(section)]


def folder(tmp_path):
    """A folder of study files, with the published values above it."""
    shutil.copy(PUBLISHED, tmp_path)
    (tmp_path / "studies").mkdir()
    return tmp_path / "studies"


@mark.parametrize("study", STUDIES)
def test_valid(study, tmp_path):
    assert faults_of(folder(tmp_path), STUDIES[study]()) == []


@mark.parametrize(("study", "name"), [(study, name) for study in TABLE for name in TABLE[study]])
def test_fault(study, name, tmp_path):
    case = TABLE[study][name]
    found = faults_of(folder(tmp_path), changed(STUDIES[study](), case["changes"]))
    assert len(found) == len(case["expected"]), found
    for fault, expected in zip(sorted(without_lines(found)), sorted(case["expected"]), strict=True):
        assert fault.startswith(expected)
    assert all(fault.partition(" ")[0][1:].isdigit() for fault in found), "each names its line"


@mark.parametrize(
    ("text", "expected"),
    [
        ("papers:\n  a: {title: x\n  b: 1\n", ":3: found no valid YAML ("),
        ("papers:\n\ta: 1\n", ":2: found no valid YAML ("),
        ("", ": found no papers; expected `papers`:"),
        ("papers: [p4_unet_isbi]\n", ": found no papers; expected `papers`:"),
        ("papers:\n  p4_unet_isbi:\n    tables: {}\n", ":3 papers.p4_unet_isbi: found no title; expected"),
    ],
)
def test_a_broken_table_of_published_values(text, expected, tmp_path):
    """It is a fault of the studies that follow a paper, and of no other."""
    place = folder(tmp_path)
    (tmp_path / PUBLISHED.name).write_text(text, encoding="utf-8")
    (found,) = faults_of(place, mini_study())
    assert found.startswith(f"{tmp_path / PUBLISHED.name}{expected}")
    assert faults_of(place, mini_study() | {"paper": None}) == []


def loaded(tmp_path, study):
    (tmp_path / "x.yaml").write_text(yaml.safe_dump(study, sort_keys=False), encoding="utf-8")
    return load_study("x", "demo", folder=tmp_path)


def test_all_runs_are_those_that_the_kind_can_show(tmp_path):
    study = loaded(tmp_path, mini_study())
    shown = {
        (section, name): runs_shown(study, kinds.find(section, name), Entry(kind=name, runs="all"))
        for section, name in (
            ("figures", "loss_curves"),
            ("figures", "calibration_curve"),
            ("tables", "metrics"),
        )
    }
    assert shown["figures", "loss_curves"] == ["dice", "tversky", "n4"]
    assert shown["figures", "calibration_curve"] == ["n4"]
    assert shown["tables", "metrics"] == ["dice", "tversky", "n4", "mean"]


def test_metrics_are_those_of_the_families(tmp_path):
    found = metrics_of(loaded(tmp_path, mini_study()))
    assert found["v_rand"] == found["loss_dice"] == found["v_info@0.5"] == found["accuracy"] == ("all",)
    assert found["dice"] == ("membrane", "cell")
    assert "loss_bce" not in found
    both = metrics_of(loaded(tmp_path, he_study()))
    assert set(both["dice"]) == {"all", "background", "nucleus"}


def test_a_family_of_two_classes_measures_no_three(tmp_path):
    study = changed(mini_study(), {"data.classes": {"membrane": 0, "cell": 1, "gap": 2}})
    found = without_lines(faults_of(folder(tmp_path), study))
    expected = "evaluate.metrics.0: found 'boundaries', which is defined for 2 classes, of 3; expected "
    (fault,) = (fault for fault in found if fault.startswith("evaluate.metrics.0"))
    assert fault.startswith(f"{expected}families for any number of classes (")


@mark.parametrize(("section", "name"), KINDS)
def test_kinds_declare_what_is_known(section, name):
    kind = kinds.find(section, name)
    conditional = {need for needs in kind.declared("NEEDS_WHEN").values() for need in needs}
    assert (kind.declared("NEEDS") | kind.declared("USES") | conditional) <= set(FILES)
    for constant in kinds.DECLARED:
        if constant.endswith("_OPTIONS"):
            assert set(kind.declared(constant)) <= set(kind.options)


@mark.parametrize(("section", "name"), KINDS)
def test_every_option_with_a_name_that_can_be_checked_is_declared(section, name):
    """So that a new kind is checked like the others."""
    kind = kinds.find(section, name)
    listed = {
        "SAMPLE_OPTIONS": {"sample", "samples"},
        "STAIN_OPTIONS": {"stain"},
        "PUBLISHED_OPTIONS": {"published"},
        "COLUMN_OPTIONS": {"columns", "column"},
        "METRIC_OPTIONS": {"metric"},
        "CLASS_OPTIONS": {"of", "classes"},
    }
    for constant, options in listed.items():
        typed = {o for o in options & set(kind.options) if "int" not in kind.annotations[o]}
        assert typed - {"column"} <= set(kind.declared(constant)), constant


def test_a_need_may_depend_on_an_option():
    pooling = kinds.find("figures", "worked_pooling")
    assert pooling.takes({}) == pooling.takes({"example": "matrix"}) == frozenset()
    assert pooling.takes({"example": "image"}) == {"images"}
