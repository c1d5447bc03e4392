# SPDX-License-Identifier: MIT
"""The generated page and schemas are in step with the models, and say the same."""

import json

import jsonschema
import yaml
from pytest import fixture, mark, raises

from microtome.__main__ import main
from microtome.config import reference
from tests.config.studies import load_study
from tests.workflow.workspace import REPOSITORY, he_study, mini_study, own_study


@fixture(scope="module")
def study_validator():
    schema = reference.study_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_generated_files_are_in_step():
    found = reference.differences(REPOSITORY)
    assert not found, f"{found}\n\nrun `{reference.COMMAND}`"


def test_differences_are_shown_and_writing_removes_them(tmp_path):
    assert "+# Configuration" in reference.differences(tmp_path)
    assert len(reference.write(tmp_path)) == 3
    assert reference.differences(tmp_path) == ""
    assert reference.write(tmp_path) == []


@mark.parametrize("path", sorted((REPOSITORY / "config/studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_schema_takes_the_studies(path, study_validator):
    study_validator.validate(yaml.safe_load(path.read_text(encoding="utf-8")))


@mark.parametrize("study", [mini_study(), own_study(), he_study()], ids=["mini", "own", "he"])
def test_schema_takes_what_the_models_take(study, study_validator):
    study_validator.validate(study)


def test_schema_takes_the_configuration():
    content = yaml.safe_load((REPOSITORY / "config/config.yaml").read_text(encoding="utf-8"))
    jsonschema.validate(content, reference.config_schema())


@mark.parametrize(
    "change",
    [
        {"titel": "x"},
        {"patches": {"sise": 3}},
        {"patches": {"size": -3}},
        {"defaults": {"training": {"epochs": -1}}},
        {"defaults": {"trainig.epochs": 1}},
        {"runs": {"a": {"loss": {"name": "dcie"}}}},
        {"scales": {"demoo": {}}},
        {"scales": {"demo": {"runs": {"a": "omitt"}}}},
        {"targets": {"kind": "instance"}},
        {"stains": {"a": {"method": "spnc", "target": "slice-000"}}},
        {"runs": {"a": {"segment": {"kind": "watersheds"}}}},
        {"runs": {"a": {"outputs": ["mask", "marker"]}}},
        {"tables": {"a": {"kind": "tiem"}}},
        {"tables": {"a": {"kind": "time", "publishd": "x"}}},
    ],
    ids=str,
)
def test_schema_refuses_what_the_models_refuse(change, study_validator, tmp_path):
    from microtome.faults import ConfigurationError

    (tmp_path / "x.yaml").write_text(yaml.safe_dump({**mini_study(), **change}), encoding="utf-8")
    refused = False
    try:
        load_study("x", "demo", folder=tmp_path)
    except ConfigurationError:
        refused = True
    assert refused
    assert list(study_validator.iter_errors({**mini_study(), **change}))


def test_every_option_is_described():
    for schema in reference.outputs().values():
        if schema.startswith("{"):
            for name, definition in json.loads(schema).get("$defs", {}).items():
                for option, value in definition.get("properties", {}).items():
                    assert value.get("description"), f"{name}.{option}"
    rows = [line for line in reference.configuration_page().splitlines() if line.startswith("| `")]
    assert len(rows) > 150
    assert not [row for row in rows if row.rstrip().endswith("|  |")]


def test_the_command_checks(capsys, monkeypatch):
    main(["reference", "--check"])
    monkeypatch.setattr(reference, "configuration_page", lambda: "other\n")
    with raises(SystemExit) as caught:
        main(["reference", "--check"])
    assert "+other" in str(caught.value)
    assert reference.COMMAND in str(caught.value)
