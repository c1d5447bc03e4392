# SPDX-License-Identifier: MIT
"""The verdict on a study: numbers by hand and by NumPy, and what may not be claimed."""

import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from microtome.metrics.overlap import confusion_matrix, one_against_rest, score
from microtome.report.collect import collect
from microtome.report.inputs import ExpectedRun, RunInput, StudyMeta
from microtome.report.verdict import LOOKS, judge
from tests.report import tree

RUNS = {"a": "U-Net", "b": "SegNet", "c": "FCN"}
META = StudyMeta(
    name="s",
    title="S",
    data_source="own",
    runs=tuple(ExpectedRun(run, "main", 0, label) for run, label in RUNS.items()),
    case_metric="v_rand",
    unit="patient",
    samples_are="slices",
)


def run_of(name, values, metric="v_rand", *, seed=0, split="main", class_name="all"):
    """A run that has these values by sample."""
    rows = [
        {"split": split, "run": name, "seed": seed, "part": "test", "sample": sample, "class": class_name}
        | {"metric": metric, "value": value}
        for sample, value in values.items()
    ]
    return RunInput(ExpectedRun(name, split, seed, RUNS[name]), card={}, metrics=pd.DataFrame(rows))


def values(number, best, noise=0.01, seed=0):
    rng = np.random.default_rng(seed)
    return {f"x{index}": float(v) for index, v in enumerate(best + rng.normal(0, noise, number))}


def own(number):
    """Each sample is of a patient of its own."""
    return {f"x{index}": f"p{index}" for index in range(number)}


def test_a_clear_winner_is_told_apart_from_all_others():
    runs = [run_of("a", values(12, 0.8)), run_of("b", values(12, 0.9)), run_of("c", values(12, 0.7))]
    found = judge(runs, META, own(12))
    mean = np.mean(list(values(12, 0.9).values()))
    assert found.sentence.startswith(f"“SegNet” is best: V_Rand {mean:.3f} (95 % interval ")
    assert "12 slices of 12 patients" in found.sentence
    assert found.sentence.endswith("told apart from the 2 others (p < 0.001).")
    label, text = found.number
    assert label == "V_Rand, SegNet"
    assert text.startswith(f"{mean:.3f} [")


def test_runs_that_are_alike_are_not_told_apart():
    runs = [run_of(name, values(12, 0.8, 0.1, seed)) for seed, name in enumerate(RUNS)]
    sentence = judge(runs, META, own(12)).sentence
    assert "but is not told apart from “" in sentence
    assert "nor from 1 more" in sentence
    assert "p = " in sentence


@pytest.mark.parametrize(("patients", "claims"), [(5, False), (6, False), (7, True)])
def test_too_few_patients_make_no_claim(patients, claims):
    """Of three runs the least p of 6 patients is 2 · 2 / 2⁶ > 0.05 after Holm's correction."""
    number = 3 * patients
    units = {f"x{index}": f"p{index % patients}" for index in range(number)}
    runs = [
        run_of("a", values(number, 0.9)),
        run_of("b", values(number, 0.5)),
        run_of("c", values(number, 0.4)),
    ]
    sentence = judge(runs, META, units).sentence
    assert sentence.startswith("No claim: “U-Net” has the best V_Rand, 0.") != claims
    told = f"{number} slices of {patients} patients"
    assert (f"{told} cannot tell 3 runs apart, whatever their scores." in sentence) != claims
    assert ("95 % interval" in sentence) == (patients > 5)


def test_patients_are_drawn_not_images():
    """Images of one patient are alike: two patients give no interval, however many images there are."""
    number = 40
    runs = [run_of("a", values(number, 0.9)), run_of("b", values(number, 0.8))]
    meta = replace(META, runs=META.runs[:2])
    pairs = {f"x{index}": f"p{index % 2}" for index in range(number)}
    assert "No claim" in judge(runs, meta, pairs).sentence
    assert "is best" in judge(runs, meta, own(number)).sentence


def test_a_metric_of_which_less_is_better():
    runs = [run_of("a", values(12, 0.1), "pixel_error"), run_of("b", values(12, 0.4), "pixel_error")]
    meta = replace(META, runs=META.runs[:2], case_metric="pixel_error")
    assert judge(runs, meta, own(12)).sentence.startswith("“U-Net” is best: pixel error 0.1")


def test_seeds_are_averaged_and_splits_are_chosen():
    first = [run_of("a", {"x0": 0.2, "x1": 0.4}, seed=0), run_of("a", {"x0": 0.4, "x1": 0.6}, seed=1)]
    other = run_of("a", {"x0": 1.0}, split="clinics")
    meta = replace(META, runs=META.runs[:1], compared_splits=("main",))
    label, text = judge([*first, other], meta, {}).number
    assert (label, text) == ("V_Rand, U-Net", "0.400")


def test_seeds_are_drawn_with_patients():
    """What one seed of each shows may be that of two seeds; a sample without a value has those of others."""
    best, other = values(12, 0.85), values(12, 0.8)
    meta, seeds = replace(META, runs=META.runs[:2]), (-0.08, 0.09, -0.01)
    alone = judge([run_of("a", best), run_of("b", other)], meta, own(12))
    assert "is best" in alone.sentence
    assert "Each run has one seed, so nothing is said of other trainings." in alone.note
    runs = [
        run_of(name, {sample: v + shift * sign for sample, v in of.items()}, seed=seed)
        for name, of, sign in (("a", best, 1), ("b", other, -1))
        for seed, shift in enumerate(seeds)
    ]
    found = judge(runs, meta, own(12))
    assert "not told apart" in found.sentence
    assert "draws patients and, independently, the 3 seeds with replacement" in found.note
    assert "not below that of the bootstrap that draws patients and seeds" in found.note
    ends = [float(end) for end in found.number[1].partition("[")[2].strip("]").split(", ")]
    assert ends[1] - ends[0] > 0.1
    runs[0].metrics.loc[0, "value"] = float("nan")
    assert "12 slices of 12 patients" in judge(runs, meta, own(12)).sentence


def test_only_the_runs_of_the_table_are_compared():
    runs = [run_of("a", values(9, 0.8)), run_of("b", values(9, 0.9)), run_of("c", values(9, 0.95))]
    assert "“SegNet”" in judge(runs, replace(META, compared=("a", "b")), own(9)).sentence


def test_why_there_is_no_verdict_is_said():
    assert judge([], replace(META, runs=()), {}).sentence == LOOKS
    found = judge([RunInput(META.runs[0])], META, {})
    assert found.sentence == "No verdict: no run has a value of V_Rand in the part test."
    assert found.number == ("", "")
    nothing = run_of("a", {"x0": float("nan")})
    assert "No verdict" in judge([nothing], META, {}).sentence
    apart = [run_of("a", {"x0": 0.5}), run_of("b", {"x1": 0.5})]
    assert "no slices of the part test are common to all runs" in judge(apart, META, {}).sentence


def test_what_does_not_count_is_said():
    """A run that diverged has no value; an image that one run lacks counts for none."""
    diverged = run_of("c", dict.fromkeys(own(12), float("nan")))
    short = {name: value for name, value in values(12, 0.9).items() if name != "x3"}
    found = judge([run_of("a", values(12, 0.8)), run_of("b", short), diverged], META, own(12))
    assert "11 slices of 11 patients" in found.sentence
    assert found.sentence.endswith(
        " Left out: 1 slice of which a run has no value; “FCN”, without any value."
    )
    alone = judge([run_of("a", values(12, 0.8)), RunInput(META.runs[1])], META, own(12)).sentence
    assert alone.endswith("Left out: “SegNet”, without any value.")


def test_how_number_interval_and_tests_were_made_is_said():
    runs = [run_of("a", values(12, 0.8)), run_of("b", values(12, 0.9))]
    note = judge(runs, META, own(12)).note
    assert note.startswith("The number is the mean over slices, seeds averaged first. Interval: ")
    assert "draws patients with replacement" in note
    assert "exchanging patients between two runs; p corrected by Holm’s method over 1 comparison" in note
    few = judge([run_of("a", values(3, 0.8)), run_of("b", values(3, 0.9))], META, own(3)).note
    number = "The number is the mean over slices, seeds averaged first."
    assert few == f"{number} No interval is drawn of so few patients (3)."
    split = replace(META, splits=("main", "clinics"), compared_splits=("main",))
    assert "the mean over slices of the split “main”, seeds" in judge(runs, split, own(12)).note
    assert judge([], replace(META, runs=()), {}).note == ""


def test_a_run_alone_has_an_interval_and_no_rival():
    sentence = judge([run_of("a", values(9, 0.8))], replace(META, runs=META.runs[:1]), own(9)).sentence
    assert sentence.startswith("“U-Net”: V_Rand 0.8")
    assert "95 % interval" in sentence
    few = judge([run_of("a", values(3, 0.8))], replace(META, runs=META.runs[:1]), own(3)).sentence
    assert few.endswith("(3 slices of 3 patients, too few for an interval).")


def pixels(name, pairs, classes):
    """A run with the counts of pixels of some images: true by predicted class."""
    rows = []
    for sample, (truth, found) in pairs.items():
        matrix = confusion_matrix(truth, found, classes=classes)
        rows += [
            {
                "sample": sample,
                "class": of,
                "metric": f"pixels@{given}",
                "value": float(matrix.loc[of, given]),
            }
            for of in classes
            for given in classes
        ]
    frame = pd.DataFrame(rows).assign(split="main", run=name, seed=0, part="test")
    return RunInput(ExpectedRun(name, "main", 0, RUNS[name]), card={}, metrics=frame)


@pytest.mark.parametrize("metric", ["mean_dice", "mean_iou", "mean_f1.5", "accuracy"])
@pytest.mark.parametrize("mean_classes", [(), ("b", "c")])
def test_a_pooled_metric_is_that_of_all_pixels_together(metric, mean_classes):
    rng, classes = np.random.default_rng(0), ["a", "b", "c"]
    pairs = {f"x{n}": tuple(rng.integers(0, 3, (2, 50 + 40 * n))) for n in range(3)}
    meta = replace(
        META,
        runs=META.runs[:1],
        case_metric=metric,
        pooled=True,
        colors=dict.fromkeys(classes, "#000000"),
        mean_classes=mean_classes,
    )
    together = [np.concatenate(arrays) for arrays in zip(*pairs.values(), strict=True)]
    counts = one_against_rest(confusion_matrix(*together, classes=classes))
    expected = score(counts, metric, mean_classes=mean_classes)
    assert judge([pixels("a", pairs, classes)], meta, {}).number[1] == f"{expected:.3f}"


def test_pooled_pixels_of_several_splits_are_those_of_each_split():
    """As in tables of pooled rates: the mean over folds, however many pixels each has."""
    rng, classes = np.random.default_rng(1), ["a", "b"]
    folds = {"f0": rng.integers(0, 2, (2, 40)), "f1": rng.integers(0, 2, (2, 400))}
    frames = [
        pixels("a", {fold: tuple(pair)}, classes).metrics.assign(split=fold) for fold, pair in folds.items()
    ]
    runs = [
        RunInput(ExpectedRun("a", fold, 0, "U-Net"), card={}, metrics=frame)
        for fold, frame in zip(folds, frames, strict=True)
    ]
    given = {"case_metric": "accuracy", "pooled": True, "colors": dict.fromkeys(classes, "#000000")}
    expected = np.mean([(truth == found).mean() for truth, found in folds.values()])
    found = judge(runs, replace(META, runs=META.runs[:1], **given), {})
    assert found.number[1] == f"{expected:.3f}"
    assert "the mean over splits of all slices of each together" in found.note


def test_pooled_calls_are_those_of_all_sections():
    rows = {"x0": (3, 1, 0, 0), "x1": (0, 0, 1, 15)}
    outcomes = ("tp", "fp", "fn", "tn")
    frame = pd.concat(
        run_of("a", {s: float(c[n]) for s, c in rows.items()}, f"sections_{name}").metrics
        for n, name in enumerate(outcomes)
    )
    run = RunInput(META.runs[0], card={}, metrics=frame)
    meta = replace(META, runs=META.runs[:1], case_metric="section_accuracy", pooled=True)
    assert judge([run], meta, {}).number == ("accuracy of sections, U-Net", "0.900")


def test_a_study_that_only_looks_has_no_faults(tmp_path):
    """No run, no split to learn from: nothing is missing."""
    folder = tree.make(tmp_path)
    for name in ("runs", "splits"):
        shutil.rmtree(folder / tree.META.name / name)
    meta = replace(tree.META, runs=(), splits=(), tables={"table_1": "T"}, figures={"figure_1": "F"})
    (study,) = collect(folder, [replace(meta, samples_are="slices")]).studies
    assert (study.verdict, study.main_number) == (LOOKS, ("", ""))
    assert (study.problems, study.cases.problem, study.cases.rows, study.runs) == ((), "", (), ())
    assert [item.problems for item in (*study.tables, *study.figures) if item.expected] == [(), ()]


def test_what_stands_for_a_study_is_told_with_its_groups(tmp_path):
    folder = tree.make(tmp_path)
    meta = replace(
        tree.META,
        what="Cells are told from gaps.",
        samples_are="slices",
        unit="block",
        main_table="table_2",
        main_figure="figure_1",
        explanations=(("figures", "figure_1"), ("tables", "table_9")),
    )
    (study,) = collect(folder, [meta]).studies
    assert study.what == "Cells are told from gaps. 6 simulated slices: 2 train, 1 val, 3 test."
    assert {figure.name: figure.group for figure in study.figures}["figure_1"] == "explanations"
    assert {table.group for table in study.tables} == {"results"}
    assert "3 slices of 2 blocks cannot tell 4 runs apart" in study.verdict
    assert (study.main_table, study.main_figure, study.samples_are) == ("table_2", "figure_1", "slices")
