# SPDX-License-Identifier: MIT
"""Tables and figures of slide studies: what measures works, what reads whole images is refused at once."""

from pytest import mark

from microtome.config import kinds
from tests.config.test_checks_objects import changed, faults_of, without_lines
from tests.config.test_slides import STUDY
from tests.workflow.workspace import he_study

MEASURED = STUDY | {"evaluate": {"metrics": ["overlap", "sections"], "parts": ["val", "test"]}}
WORKING = {
    "tables.pixels": {"kind": "metrics", "columns": ["iou", "section_accuracy"], "runs": "all"},
    "tables.groups": {"kind": "by_group", "columns": ["section_accuracy"], "runs": "all"},
    "tables.tests": {"kind": "paired_tests", "metric": "section_accuracy", "runs": "all"},
    "tables.confusion": {"kind": "confusion_matrix", "runs": ["one"]},
    "tables.data": {"kind": "data"},
    "tables.calls": {"kind": "section_metrics", "part": "val", "thresholds": True, "runs": "all"},
    "tables.mcnemar": {"kind": "section_tests", "runs": "all"},
    "tables.misses": {"kind": "near_misses", "runs": ["one"]},
    "tables.seconds": {"kind": "slide_time", "runs": "all", "reference": "one"},
    "figures.errors": {"kind": "section_errors", "runs": "all"},
    "figures.patches": {"kind": "called_patches", "runs": "all"},
    "figures.curves": {"kind": "loss_curves", "runs": ["one"]},
}
OF_IMAGES = [
    (section, name)
    for section in kinds.MAKERS
    for name in kinds.names(section)
    if "images" in kinds.find(section, name).declared("NEEDS")
]
OF_SECTIONS = [
    (section, name)
    for section in kinds.MAKERS
    for name in kinds.names(section)
    if "calls" in kinds.find(section, name).declared("NEEDS")
]


def test_what_measures_sections_and_pixels_is_valid(tmp_path):
    assert faults_of(tmp_path, changed(MEASURED, WORKING)) == []


@mark.parametrize(("section", "name"), OF_IMAGES)
def test_what_reads_images_as_a_whole_is_refused(section, name, tmp_path):
    kind = kinds.find(section, name)
    required = {option: "x" for option in kind.own_options if kind.defaults[option] is None}
    entry = {f"{section}.x": {"kind": name, "runs": "all", **required}}
    faults = without_lines(faults_of(tmp_path, changed(MEASURED, entry)))
    expected = f"{section}.x.kind: found '{name}'; expected a study with images that are read as a whole"
    assert any(fault.startswith(expected) for fault in faults), faults


@mark.parametrize(("section", "name"), OF_SECTIONS)
def test_what_shows_sections_is_refused_where_there_are_none(section, name, tmp_path):
    run = next(iter(he_study()["runs"]))
    faults = without_lines(
        faults_of(tmp_path, changed(he_study(), {f"{section}.x": {"kind": name, "runs": [run]}}))
    )
    found = f"{section}.x.runs.0: found '{run}', a run that calls no sections (`calls`); "
    found += "expected another kind, as this one suits no run of the study"
    assert any(fault.startswith(found) for fault in faults), faults


@mark.parametrize("family", ["boundaries", "counts", "fragmentation", "instances", "losses", "surface"])
def test_slides_are_measured_by_windows(family, tmp_path):
    faults = without_lines(faults_of(tmp_path, changed(MEASURED, {"evaluate.metrics": ["overlap", family]})))
    expected = f"evaluate.metrics.1: found '{family}'; expected overlap or sections or calibration, as slides"
    assert any(fault.startswith(expected) for fault in faults), faults


def test_sections_are_measured_on_slides_alone(tmp_path):
    faults = without_lines(faults_of(tmp_path, changed(he_study(), {"evaluate.metrics": ["sections"]})))
    assert any(
        "found 'sections'; expected families for this study, or a study with whole slides" in f
        for f in faults
    )


def test_pixels_are_told_apart_by_all_classes(tmp_path):
    stored = {
        "data.classes": ["normal", "tumor", "cyst"],
        "runs.one": {"predict": {"store": {"classes": ["tumor"]}}},
    }
    (fault,) = without_lines(faults_of(tmp_path, changed(MEASURED, stored | {"runs.other": None})))
    assert fault.startswith("runs.one.predict.store.classes: found tumor alone; expected all classes")
    assert (
        faults_of(
            tmp_path, changed(MEASURED, stored | {"runs.other": None, "evaluate.metrics": ["sections"]})
        )
        == []
    )


def test_other_tools_are_not_measured_on_slides(tmp_path):
    (fault,) = without_lines(faults_of(tmp_path, changed(MEASURED, {"external.tool": {"predictions": "x"}})))
    assert fault.startswith("external.tool: found 'tool'; expected nothing, as segmentations of other tools")
