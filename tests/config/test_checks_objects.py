# SPDX-License-Identifier: MIT
"""Targets, stains, outputs and post-processing of a study that contradict one another."""

import copy
from pathlib import Path

import yaml
from pytest import mark, raises

from microtome.faults import ConfigurationError
from tests.config.studies import load_study
from tests.workflow.workspace import he_study, mini_study, own_study

TABLE = yaml.safe_load((Path(__file__).parent / "instances.yaml").read_text(encoding="utf-8"))


def changed(study, changes):
    """Dotted keys set; None deletes."""
    study = copy.deepcopy(study)
    for keys, value in changes.items():
        *parents, last = keys.split(".")
        place = study
        for key in parents:
            place = place.setdefault(key, {})
        if value is None:
            place.pop(last, None)
        else:
            place[last] = value
    return study


def faults_of(tmp_path, study):
    path = tmp_path / "x.yaml"
    path.write_text(yaml.safe_dump(copy.deepcopy(study), sort_keys=False), encoding="utf-8")
    try:
        load_study("x", "demo", folder=tmp_path)
    except ConfigurationError as error:
        return [str(fault).removeprefix(str(path)) for fault in error.faults]
    return []


def without_lines(faults):
    return [fault.partition(" ")[2] for fault in faults]


@mark.parametrize("name", TABLE["valid"])
def test_valid(name, tmp_path):
    assert faults_of(tmp_path, changed(he_study(), TABLE["valid"][name])) == []


def test_a_study_without_objects_is_valid(tmp_path):
    assert faults_of(tmp_path, mini_study()) == []


@mark.parametrize("name", TABLE["objects"])
def test_fault(name, tmp_path):
    case = TABLE["objects"][name]
    assert without_lines(faults_of(tmp_path, changed(he_study(), case["changes"]))) == [case["expected"]]


@mark.parametrize("name", TABLE["classes"])
def test_fault_of_a_study_without_objects(name, tmp_path):
    case, study = TABLE["classes"][name], mini_study()
    study |= {"tables": {}, "figures": {}}  # which show metrics that the change may take away
    assert without_lines(faults_of(tmp_path, changed(study, case["changes"]))) == [case["expected"]]


def test_the_line_is_that_of_the_run(tmp_path):
    """What the defaults bring is named at the run that does not go with it."""
    study = changed(he_study(), {"runs.marked.sampler": {"copies": 2, "crop": 32}})
    text = yaml.safe_dump(study, sort_keys=False)
    line = next(number for number, line in enumerate(text.splitlines(), 1) if "crop: 32" in line)
    (tmp_path / "x.yaml").write_text(text, encoding="utf-8")
    with raises(ConfigurationError, match=rf"x\.yaml:{line} runs\.marked\.sampler\.crop"):
        load_study("x", "demo", folder=tmp_path)


TYPES = ["background", "tumor", "stroma"]


def nucleus_types(**changes):
    """A study of the user's own files with objects of two classes."""
    study = own_study()
    study["data"] |= {"classes": TYPES}
    study["targets"] = {"kind": "instances"}
    network = {"name": "cnn2d", "in_channels": 1, "classes": 3, "width": 4}
    watershed = {"kind": "watershed", "markers": "distance"}
    study["runs"] = {"types": {"network": network, "loss": {"name": "cross_entropy"}, "segment": watershed}}
    study["evaluate"] = {"metrics": ["instances", "overlap"], "rank_by": "mpq"}
    columns = [{"metric": "pq", "class": "tumor"}, {"metric": "mpq"}, {"metric": "dice", "class": "stroma"}]
    study["tables"] = {
        "by_class": {"kind": "panoptic_classes", "runs": "all"},
        "metrics": {"kind": "metrics", "runs": "all", "columns": columns},
    }
    return changed(study, changes)


def test_objects_of_several_classes_need_a_map_for_each(tmp_path):
    assert faults_of(tmp_path, nucleus_types()) == []
    dice = {"runs.types.network": {"name": "unet"}, "runs.types.loss": {"name": "dice"}}
    assert faults_of(tmp_path, nucleus_types(**dice)) == []  # by softmax
    sigmoid = {"runs.types": {"network": {"name": "unet"}, "loss": {"name": "dicebce"}}}
    found = faults_of(
        tmp_path,
        nucleus_types(**sigmoid, **{"runs.types.segment": {"kind": "watershed", "markers": "distance"}}),
    )
    assert any("'dicebce', which trains 'tumor' against the rest" in fault for fault in found), found


def test_classes_of_objects_are_measured_where_there_are_several(tmp_path):
    (fault,) = faults_of(
        tmp_path, nucleus_types(**{"tables.metrics.columns": [{"metric": "pq", "class": "background"}]})
    )
    assert "'background'" in fault
    two = {"data.classes": ["background", "nucleus"], "tables.metrics": None, "runs.types.network.classes": 2}
    found = faults_of(tmp_path, nucleus_types(**two))
    assert ["'mpq'" in fault or "'iou_sum'" in fault for fault in found] == [True] * 3, found


@mark.parametrize(
    ("targets", "told"),
    [
        ({"outside": "tumour"}, "targets.outside: found 'tumour'; expected 'tumor'?"),
        (
            {"features": {"names": {"T": "tumour"}}},
            "targets.features.names.T: found 'tumour'; expected 'tumor'?",
        ),
        ({"features": {"object_types": ["cells"]}}, "found 'cells'; expected 'cell'?"),
    ],
)
def test_what_names_mean_has_to_be_a_class(targets, told, tmp_path):
    found = faults_of(tmp_path, nucleus_types(targets={"kind": "instances"} | targets))
    assert [told in fault for fault in found] == [True], found


def test_separated_masks_are_of_objects(tmp_path):
    def told(study, keys, *outputs):
        return faults_of(tmp_path, changed(study, {keys: list(outputs)}))

    assert told(nucleus_types(), "runs.types.outputs", "separated_mask") == []
    assert told(he_study(), "runs.marked.outputs", "separated_mask", "shape_marker") == []
    twice = told(he_study(), "runs.marked.outputs", "mask", "separated_mask")
    assert any("found mask, separated_mask; expected mask first, then at most one kind" in f for f in twice)
    semantic = told(mini_study(), "runs.dice.outputs", "separated_mask")
    assert any(
        "found separated_mask; expected mask alone, as targets.kind is 'semantic'" in f for f in semantic
    )
