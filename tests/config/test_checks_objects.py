# SPDX-License-Identifier: MIT
"""Targets, stains, outputs and post-processing of a study that contradict one another."""

import copy
from pathlib import Path

import yaml
from pytest import mark, raises

from microtome.faults import ConfigurationError
from tests.config.studies import load_study
from tests.workflow.workspace import he_study, mini_study

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
