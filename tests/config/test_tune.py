# SPDX-License-Identifier: MIT
"""What of `tune` contradicts the run, the metrics or the splits of its study."""

import pytest

from tests.config.test_checks_objects import changed, faults_of, without_lines
from tests.workflow.workspace import he_study, mini_study, own_study

VALUES = {"mask_threshold": [0.3, 0.5]}
DICE = {"metric": "dice", "class": "cell", "values": {"threshold": [0.4, 0.6]}}


def two_ways():
    """A study whose run is trained on folds, and on a column of its sheet."""
    study = own_study()
    study["splits"] = {"patients": {"kind": "folds", "k": 2}, "whole": {"kind": "column"}}
    study["runs"]["dice"]["tune"] = DICE | {"on": "folds"}
    return study


@pytest.mark.parametrize(
    ("run", "tune"),
    [
        ("alone", {"metric": "aji", "values": VALUES}),
        ("alone", {"metric": "dice", "class": "nucleus", "values": VALUES, "search": "coordinates"}),
        ("marked", {"metric": "pq", "values": {"marker_threshold": [0.5], "min_object_area": [10, 20]}}),
        ("alone", {"metric": "mean_dice", "values": {"reach": [5], "h": [0.5, 2]}}),
    ],
)
def test_what_can_be_tuned(run, tune, tmp_path):
    study = changed(he_study(), {f"runs.{run}.tune": tune, "runs.alone.segment.flooding": "rings"})
    assert faults_of(tmp_path, study) == []


def test_folds_can_be_tuned_on(tmp_path):
    assert faults_of(tmp_path, two_ways()) == []


@pytest.mark.parametrize(
    ("tune", "expected"),
    [
        (
            {"metric": "iou", "values": VALUES},
            "metric: found no class; expected class: background or nucleus, of which 'iou' is",
        ),
        (
            {"metric": "aji", "class": "nucleus", "values": VALUES},
            "class: found class 'nucleus'; expected class: all, of which 'aji' is",
        ),
        ({"metric": "ajii", "values": VALUES}, "metric: found 'ajii'; expected 'aji'?"),
        (
            {"metric": "aji", "values": {"mask_treshold": [0.5]}},
            "values.mask_treshold: found 'mask_treshold'; expected 'mask_threshold'?",
        ),
        ({"metric": "aji", "values": {"markers": [1]}}, "values.markers: found 'markers'; expected "),
        (
            {"metric": "aji", "values": {"mask_threshold": [0.5, 1.5]}},
            "values.mask_threshold: found 1.5 (Input should be less than or equal to 1); expected values",
        ),
        (
            {"metric": "aji", "values": {"mask_threshold": [0.5, 0.5]}},
            "values.mask_threshold: found [0.5, 0.5]; expected one value or more, each once",
        ),
        (
            {"metric": "aji", "values": {"min_mask_area": [*range(50)], "min_object_area": [*range(50)]}},
            "values: found 2500 combinations; expected 2000 at most; or search: coordinates",
        ),
        (
            {"metric": "aji", "values": VALUES, "on": "folds"},
            "on: found 'folds', and tune.folds null; expected 'val', as no split of `splits` is of folds",
        ),
        (
            {"metric": "aji", "values": VALUES, "folds": "patients"},
            "folds: found 'patients'; expected null, as tune.on is 'val'",
        ),
    ],
)
def test_what_cannot(tune, expected, tmp_path):
    (fault,) = without_lines(faults_of(tmp_path, changed(he_study(), {"runs.alone.tune": tune})))
    assert fault.startswith(f"runs.alone.tune.{expected}")


def test_maps_are_no_segmentations(tmp_path):
    """Losses are of probabilities, and a metric at a threshold is that of the map whatever is segmented."""
    for metric in ("loss_dice", "v_rand@0.5"):
        tune = {"metric": metric, "values": {"threshold": [0.5]}}
        (fault,) = without_lines(faults_of(tmp_path, changed(mini_study(), {"runs.dice.tune": tune})))
        said = f"runs.dice.tune.metric: found '{metric}', as it is of probability maps; expected"
        assert fault.startswith(said)


def test_classes_by_the_largest_map_have_nothing_to_tune(tmp_path):
    study = changed(mini_study(), {"runs.dice.loss": {"name": "dice", "activation": "softmax"}})
    study = changed(study, {"runs.dice.tune": DICE, "runs.mean": None, "tables": {}})
    (fault,) = without_lines(faults_of(tmp_path, study))
    assert (
        fault
        == "runs.dice.tune.values.threshold: found 'threshold'; expected nothing, as segment.kind is 'argmax'"
    )


def test_folds_have_to_be_named_and_trained_on(tmp_path):
    study = two_ways()
    (fault,) = without_lines(faults_of(tmp_path, changed(study, {"runs.dice.tune.folds": "clinics"})))
    assert fault == "runs.dice.tune.folds: found tune.folds: 'clinics'; expected tune.folds: patients" or (
        fault == "runs.dice.tune.on: found tune.folds: 'clinics'; expected tune.folds: patients"
    )
    study["runs"]["other"] = {**study["runs"]["dice"], "splits": ["whole"]}
    (fault,) = without_lines(faults_of(tmp_path, study))
    assert fault.startswith(
        "runs.other.tune.on: found 'patients', on which the run is not trained; expected it"
    )


@pytest.mark.parametrize("way", ["alone", "lent", "mean"])
def test_nothing_is_fitted_on_the_part_val_by_runs_that_learn_from_it(way, tmp_path):
    """Where windows are held out the others of `train` and `val` are learnt from."""
    study = changed(he_study(), {"defaults.sampler": {"copies": 1, "holdout": 0.5}})
    study["runs"]["lent"] = study["runs"]["alone"] | {"weights_of": "alone", "sampler": {"copies": 1}}
    study["runs"]["mean"] = {"members": ["alone"], "segment": study["runs"]["alone"]["segment"]}
    assert faults_of(tmp_path, study) == []
    tune = {"metric": "aji", "values": VALUES}
    found = without_lines(faults_of(tmp_path, changed(study, {f"runs.{way}.tune": tune})))
    said = "found a fit on the part 'val', from which 'alone' learns, as it holds windows out; expected "
    assert found == [f"runs.{way}.tune: {said}sampler.holdout 0 of 'alone', or null"]
    chosen = {f"runs.{way}.tune": tune, "runs.alone.sampler": {"copies": 1, "holdout": 0}}
    assert faults_of(tmp_path, changed(study, chosen)) == []
    if way != "mean":
        found = without_lines(
            faults_of(tmp_path, changed(study, {f"runs.{way}.calibration": {"kind": "temperature"}}))
        )
        assert found == [f"runs.{way}.calibration: {said}sampler.holdout 0 of 'alone', or kind none"]
