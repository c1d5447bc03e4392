# SPDX-License-Identifier: MIT
"""The images on which a run is tuned: none of its tests, and none that the network of its maps has seen."""

from pathlib import Path

import pytest

from microtome.faults import ConfigurationError
from microtome.study.tuning import held_out, held_out_batches
from microtome.workflow.states import runs
from tests.splits import two_splits

TUNE = {"metric": "dice", "class": "nest", "values": {"h": [0.1, 0.2]}}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def content(**tune):
    """The study with one run, tuned on both of its splits."""
    study = two_splits.study()
    study["runs"] = {"both": study["runs"]["both"] | {"segment": {"kind": "boundary_watershed"}}}
    study["runs"]["both"]["tune"] = TUNE | tune
    study["tables"] = {}
    return study


def test_the_part_val_of_each_split_is_held_out():
    plan = two_splits.plan(content())
    for split in plan.splits:
        of = held_out(plan, split, "both")
        assert of == {split: plan.members(split, "val")}
        assert of[split], "there are some"
        batches = held_out_batches(plan, split, "both")
        assert {name for _, batch in batches for name in plan.batches[batch]} >= set(of[split])
        tested = set(plan.members(split, "test"))
        assert not tested & {name for _, batch in batches for name in plan.batches[batch]}


def test_the_state_of_tuning_has_the_samples_that_are_held_out_and_what_segmenting_has():
    plan = two_splits.plan(content())
    state = runs.tune(plan, "clinics", "both")
    assert '"samples": ["m1", "m4", "m7", "m10"]' in state.replace("\n", "")
    assert '"on": "val"' in state
    assert runs.tune(plan, "patients-0", "both") != state


def test_where_there_is_no_part_val_folds_are_held_out():
    study = content(on="folds")
    study["splits"]["every"] = {"kind": "all"}
    study["runs"]["both"]["training"] = {"select": {"metric": "last"}}
    plan = two_splits.plan(study)
    of = held_out(plan, "every", "both")
    assert of == {fold: plan.members(fold, "test") for fold in ("patients-0", "patients-1")}
    assert sorted(sample for samples in of.values() for sample in samples) == sorted(plan.samples)
    for split, batch in held_out_batches(plan, "every", "both"):
        assert set(plan.batches[batch]) <= set(plan.members(split, "test"))
        assert not set(plan.batches[batch]) & set(plan.members(split, "train"))
    for split in ("clinics", "patients-0"):
        assert held_out(plan, split, "both") == {split: plan.members(split, "val")}


def test_a_family_of_metrics_is_told_what_it_asks_for():
    study = content(metric="boundary_f")
    study["evaluate"] = {"metrics": ["overlap", "surface"], "tolerance": 3}
    assert '"tolerance": 3' in runs.tune(two_splits.plan(study), "clinics", "both")
    assert "tolerance" not in runs.tune(two_splits.plan(content()), "clinics", "both")


def test_a_split_that_tests_needs_a_part_val():
    """The networks of the folds may have learnt from what it tests."""
    listed = [row | {"scenario_2": row["scenario_2"].replace("val", "train")} for row in two_splits.rows()]
    study = content(on="folds")
    with pytest.raises(ConfigurationError, match="no sample in part 'val' of split 'clinics'"):
        two_splits.plan(study, listed)
    study["runs"]["both"]["sampler"] = {"copies": 1, "holdout": 0.5}
    with pytest.raises(ConfigurationError, match=r"both\.tune: found a fit on the part 'val', from which"):
        two_splits.plan(study, listed)
    del study["runs"]["both"]["tune"]
    two_splits.plan(study, listed)
