# SPDX-License-Identifier: MIT
"""Rows with boxes of sections in place of annotations: chosen by, never trained on."""

from pathlib import Path

from pytest import mark, raises

from microtome.config.study import Split, Study
from microtome.faults import ConfigurationError
from microtome.study.plan import StudyPlan
from microtome.study.sample import Sample
from microtome.study.splits import batches, make_splits
from microtome.workflow.states import runs, slides

SHEET = Path("s.tsv")
CALLS = {"class": "tumor"}
TRAINING = {"select": {"class": "tumor", "keep": 2}}


def row(number, part, label=True, sections=True):
    more = {"sections": f"{number}.tsv"} if sections else {}
    named = f"{number}.geojson" if label else None
    return Sample(f"s{number}", f"{number}.svs", named, f"p{number}", "", part, more=more, row=number + 2)


def divided(*samples):
    return make_splits(samples, Split(), sheet=SHEET, column="patient")


def plan_of(*samples):
    names = {sample.sample: sample for sample in samples}
    splits = divided(*samples)
    weak = {name for name, sample in names.items() if sample.is_weak}
    run = {"network": {"name": "unet"}, "loss": {"name": "cross_entropy"}}
    run |= {"calls": CALLS, "training": TRAINING}
    study = Study(
        name="slides",
        title="Slides",
        data={"source": "files", "samples": "s.tsv", "channels": 3, "classes": ["normal", "tumor"]},
        slides={"mpp": 1},
        runs={"one": run},
    )
    return StudyPlan(study, "demo", names, Path("data"), splits, batches(list(names), splits, 8, weak=weak))


def faults_of(*samples):
    with raises(ConfigurationError) as caught:
        divided(*samples)
    return [str(fault) for fault in caught.value.faults]


def test_a_validated_slide_may_have_sections_alone():
    assert divided(row(0, "train"), row(1, "val"), row(2, "val", label=False), row(3, "test", label=False))


@mark.parametrize("sections", [True, False])
def test_a_slide_that_is_trained_on_needs_annotations(sections):
    (fault,) = faults_of(row(0, "train", False, sections), row(1, "train"), row(2, "val"), row(3, "test"))
    assert fault.startswith("s.tsv:2 label: found nothing, for a sample of part 'train'")


def test_one_validated_slide_needs_annotations():
    faults = faults_of(row(0, "train"), row(1, "val", False), row(2, "val", False), row(3, "test"))
    assert [fault[:14] for fault in faults] == ["s.tsv:3 label:", "s.tsv:4 label:"]


def test_a_validated_slide_has_a_label_of_some_sort():
    faults = faults_of(row(0, "train"), row(1, "val"), row(2, "val", False, False), row(3, "test"))
    assert [fault[:14] for fault in faults] == ["s.tsv:4 label:"]


def test_weak_slides_lie_in_batches_of_their_own():
    plan = plan_of(
        row(0, "train"), row(1, "val"), row(2, "val", False), row(3, "test"), row(4, "test", False)
    )
    assert plan.batches == {
        "train-0": ["s0"],
        "val-0": ["s1"],
        "weakval-0": ["s2"],
        "test-0": ["s3", "s4"],
    }
    assert plan.batches_of("main", "val") == ("val-0", "weakval-0")


def test_a_weak_slide_more_is_not_trained_on():
    strong = (row(0, "train"), row(1, "val"), row(3, "test"))
    before, after = plan_of(*strong), plan_of(*strong, row(2, "val", False))
    assert runs.train(before, "main", "one", 0) == runs.train(after, "main", "one", 0)
    chosen = [slides.select(plan, "main", "one", 0) for plan in (before, after)]
    assert chosen[0] != chosen[1]
