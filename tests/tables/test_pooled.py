# SPDX-License-Identifier: MIT
"""Rates of all pixels together, against counting them pixel by pixel, split by split."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from microtome import tables
from microtome.tables.inputs import Inputs
from microtome.tables.parts.render import parse_tsv, printed, to_markdown, to_tsv
from tests.synthetic_pixels import CLASSES, draw, records

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
RATES = {
    "sensitivity": lambda tp, fp, fn, tn: tp / (tp + fn),
    "specificity": lambda tp, fp, fn, tn: tn / (tn + fp),
    "dice": lambda tp, fp, fn, tn: 2 * tp / (2 * tp + fp + fn),
    "precision": lambda tp, fp, fn, tn: tp / (tp + fp),
}


def inputs(pixels, **more):
    return Inputs(runs=records(pixels), classes=CLASSES, units=pixels.patients, **more)


def rate(name, maps, number, *, full=False):
    """A rate of a class: every pixel of the images is looked at."""
    tp = fp = fn = tn = 0
    for truth, complete, found in maps:
        for true, predicted in zip((complete if full else truth).flat, found.flat, strict=True):
            if true == 255:
                continue
            tp += true == number and predicted == number
            fp += true != number and predicted == number
            fn += true == number and predicted != number
            tn += true != number and predicted != number
    return RATES[name](int(tp), int(fp), int(fn), int(tn))


def by_split(pixels, name, *, splits=("fold-0", "fold-1"), full=False, **which):
    """The rate of each class (rows: splits), the mean over seeds."""
    seeds = sorted({seed for _, seed, _, _ in pixels.maps})
    return np.array(
        [
            [
                np.mean(
                    [rate(name, list(pixels.of(split=s, seed=one, **which)), k, full=full) for one in seeds]
                )
                for k in range(len(CLASSES))
            ]
            for s in splits
        ]
    )


@pytest.mark.parametrize(("seeds", "truth"), [((0,), "labels"), ((0, 7), "labels"), ((0,), "full")])
def test_counts_are_added_by_split_then_derived_then_averaged(seeds, truth):
    pixels = draw(seeds=seeds)
    rates = list(RATES)
    table = tables.tabulate("pooled", inputs(pixels), rates=rates, truth=truth, interval=False)
    frame = table.frame.set_index(["rate", "run"])
    for name in rates:
        for run in ("a", "b"):
            values, row = (
                by_split(pixels, name, run=run, full=truth == "full"),
                frame.loc[name.capitalize(), run],
            )
            for k, of in enumerate(CLASSES):
                assert row[f"of_{of}"] == pytest.approx(values[:, k].mean())
                assert row[f"of_{of}_sd"] == pytest.approx(values[:, k].std(ddof=1))
            assert row["average"] == pytest.approx(values.mean())
            assert row["average_sd"] == pytest.approx(values.mean(axis=1).std(ddof=1))
            assert row["mean_sd"] == pytest.approx(values.std(axis=0, ddof=1).mean())
            assert row[["images", "units", "splits"]].tolist() == [10, 6, 2]
    assert ("labels that are complete" in table.note) == (truth == "full")


def test_one_split_has_no_sd_and_the_interval_resamples_patients():
    pixels = draw(splits=("clinics",), images=9)
    table = tables.tabulate("pooled", inputs(pixels), rates=["dice"], seed=3)
    row, rng = table.frame.iloc[0], np.random.default_rng(99)
    patients, draws = sorted(set(pixels.patients.values())), []
    counts = {p: _counts(list(pixels.of(run="a", patient=p))) for p in patients}
    for _ in range(4000):
        total = sum(counts[patients[n]] for n in rng.integers(0, len(patients), len(patients)))
        draws.append([RATES["dice"](*total[k]) for k in range(len(CLASSES))])
    draws = np.array(draws)
    for k, of in enumerate(CLASSES):
        ends = np.quantile(draws[:, k], (0.025, 0.975))
        assert [row[f"of_{of}_ci_low"], row[f"of_{of}_ci_high"]] == pytest.approx(ends, abs=0.006)
        assert np.isnan(row[f"of_{of}_sd"])
    ends = np.quantile(draws.mean(axis=1), (0.025, 0.975))
    assert [row["average_ci_low"], row["average_ci_high"]] == pytest.approx(ends, abs=0.006)
    assert np.isnan(row["mean_sd"])
    assert "mean_sd" not in [column.key for column in table.columns]
    assert "resampling patients, each whole." in table.note


def _counts(maps):
    """(K, 4) of some images."""
    table = np.zeros((len(CLASSES), 4), int)
    for truth, _, found in maps:
        known = truth != 255
        for k in range(len(CLASSES)):
            true, predicted = truth[known] == k, found[known] == k
            pairs = (true & predicted, ~true & predicted, true & ~predicted, ~true & ~predicted)
            table[k] += [int(pair.sum()) for pair in pairs]
    return table


def test_of_several_splits_patients_are_drawn_within_each():
    pixels = draw(images=8)
    row = tables.tabulate("pooled", inputs(pixels), rates=["dice"]).frame.iloc[0]
    rng, draws = np.random.default_rng(5), []
    splits = {}
    for split in ("fold-0", "fold-1"):
        chosen = sorted({pixels.patients[sample] for _, _, s, sample in pixels.maps if s == split})
        splits[split] = [_counts(list(pixels.of(run="a", patient=p))) for p in chosen]
    for _ in range(4000):
        of = []
        for units in splits.values():
            total = sum(units[n] for n in rng.integers(0, len(units), len(units)))
            of.append([RATES["dice"](*total[k]) for k in range(len(CLASSES))])
        draws.append(np.mean(of, axis=0))
    for k, name in enumerate(CLASSES):
        ends = np.quantile(np.array(draws)[:, k], (0.025, 0.975))
        assert [row[f"of_{name}_ci_low"], row[f"of_{name}_ci_high"]] == pytest.approx(ends, abs=0.006)


def test_by_clinic_the_images_of_each_are_pooled_alone():
    pixels = draw()
    table = tables.tabulate(
        "pooled", inputs(pixels), rates=["dice"], by_group=True, interval=False, group_heading="Clinic"
    )
    frame = table.frame.set_index(["group", "run"])
    assert frame.index.get_level_values("group").unique().tolist() == ["Modena", "New York", "all"]
    for clinic in ("Modena", "New York"):
        values = by_split(pixels, "dice", run="b", clinic=clinic)
        row = frame.loc[clinic, "b"]
        assert row[[f"of_{name}" for name in CLASSES]].tolist() == pytest.approx(values.mean(axis=0))
    assert frame.loc[("all", "b"), "of_ring"] == pytest.approx(by_split(pixels, "dice", run="b")[:, 2].mean())
    assert [column.label for column in table.columns][:3] == ["Rate", "Clinic", "Run"]
    with pytest.raises(ValueError, match=r"no image of part 'test' is of the groups \['Rome'\]"):
        tables.tabulate("pooled", inputs(pixels), by_group=True, groups=["Rome"])


def test_classes_without_pixels_have_no_value_and_leave_the_mean():
    pixels = draw(splits=("clinics",))
    for truth, full, _ in pixels.maps.values():
        truth[truth == 1] = 255
        full[full == 1] = 0
    given = inputs(pixels, mean_classes=("nest", "ring"))
    row = tables.tabulate("pooled", given, rates=["sensitivity"], interval=True).frame.iloc[0]
    assert np.isnan(row["of_nest"])
    assert np.isnan(row["of_nest_ci_low"])
    assert row["average"] == row["of_ring"]


def test_the_best_is_marked_within_a_rate():
    table = tables.tabulate("pooled", inputs(draw()), rates=["sensitivity", "dice"], interval=False)
    marks = [[best for _, best in row] for row in printed(table.frame, table.columns)]
    keys = [column.key for column in table.columns]
    values = table.frame["of_nest"].to_numpy()
    place = keys.index("of_nest")
    assert [row[place] for row in marks] == [
        values[0] > values[1],
        values[1] > values[0],
        values[2] > values[3],
        values[3] > values[2],
    ]
    again = parse_tsv(to_tsv(table))
    assert [[best for _, best in row] for row in printed(again, table.columns)] == marks


def test_published_values_stand_below_ours_with_their_averages():
    given = Inputs(runs=records(draw()), classes=CLASSES, published=PUBLISHED, paper="p2_mednet")
    options = {"rates": ["dice"], "published": "table_2", "published_rows": ["mednet", "fcn"]}
    table = tables.tabulate("pooled", given, **options)
    theirs = table.frame[table.frame["source"].str.startswith("published")]
    assert theirs["of_nest"].tolist() == [0.66, 0.67]
    assert theirs["of_nest_sd"].tolist() == [0.11, 0.11]
    assert theirs["average"].tolist() == pytest.approx([(0.87 + 0.66 + 0.82) / 3, (0.86 + 0.67 + 0.79) / 3])
    assert theirs["mean_sd"].tolist() == pytest.approx([(0.03 + 0.11 + 0.08) / 3, (0.02 + 0.11 + 0.11) / 3])
    text = to_markdown(table)
    assert "0.660 ± 0.110 |" in text
    lines = [line for line in text.splitlines() if "| published" in line]
    assert len(lines) == 2
    assert "**" not in "".join(lines)
    assert "not comparable" in text
    printed_average = tables.tabulate(
        "pooled", given, **options | {"published": "table_4", "published_rows": ["level_3", "level_2"]}
    ).frame
    assert printed_average["average"].tolist()[1::2] == [0.75, 0.695]
    with pytest.raises(ValueError, match="expected one published row for each run"):
        tables.tabulate("pooled", given, published="table_2", published_rows=["mednet"])


def test_a_class_that_was_not_published_leaves_the_published_mean_out():
    runs = [
        replace(one, metrics=one.metrics.assign(**{"class": one.metrics["class"].replace("ring", "lentigo")}))
        for one in records(draw(runs=("mednet",)))
    ]
    given = {"classes": ("background", "nest", "lentigo"), "published": PUBLISHED, "paper": "p2_mednet"}
    table = tables.tabulate("pooled", Inputs(runs=runs, **given), rates=["dice"], published="table_2")
    theirs = table.frame[table.frame["source"].str.startswith("published")].iloc[0]
    assert theirs["of_nest"] == 0.66
    assert theirs[["of_lentigo", "average", "mean_sd"]].isna().all()


def test_what_was_not_counted_is_asked_for():
    pixels = draw()
    given = Inputs(runs=records(pixels, with_full=False), classes=CLASSES)
    with pytest.raises(ValueError, match=r"run 'a' \(split fold-0, seed 0\) has no counts .* column `full`"):
        tables.tabulate("pooled", given, truth="full")
    with pytest.raises(ValueError, match=r"in part 'val' .* add `counts` to evaluate.metrics"):
        tables.tabulate("pooled", given, part="val")
    with pytest.raises(ValueError, match="'aji' does not follow from counts"):
        tables.tabulate("pooled", given, rates=["aji"])


# --- means over classes, as an abstract has them


def test_the_line_of_a_run_is_the_mean_of_classes_and_of_their_sds():
    pixels = draw()
    table = tables.tabulate("class_averages", inputs(pixels))
    for number, run in enumerate(("a", "b")):
        for name in ("sensitivity", "specificity", "dice"):
            values = by_split(pixels, name, run=run)
            row = table.frame.iloc[number]
            assert row[name] == pytest.approx(values.mean())
            assert row[f"{name}_sd"] == pytest.approx(values.std(axis=0, ddof=1).mean())


def test_the_published_abstract_follows_from_the_published_table():
    """70 ± 11 %, 95 ± 2 %, 0.71 ± 0.09, of which the Dice is 0.718 by the table."""
    runs = records(draw(runs=("mednet",)))
    classes = tuple(PUBLISHED["papers"]["p2_mednet"]["classes"])
    given = Inputs(runs=_of(runs, classes), classes=classes, published=PUBLISHED, paper="p2_mednet")
    table = tables.tabulate("class_averages", given, published="table_2", claims="abstract_scenario_1")
    row = table.frame.iloc[0]
    found = [row[f"published_{name}"] for name in ("sensitivity", "specificity", "dice")]
    spread = [row[f"published_{name}_sd"] for name in ("sensitivity", "specificity", "dice")]
    assert np.round(found, 3).tolist() == pytest.approx([0.703, 0.945, 0.718])
    assert np.round(spread, 2).tolist() == pytest.approx([0.11, 0.02, 0.09])
    assert "prints Sensitivity 0.70 ± 0.11, Specificity 0.95 ± 0.02, Dice 0.71 ± 0.09." in table.note
    with pytest.raises(ValueError, match="no text claims 'abstract' of paper 'p2_mednet'"):
        tables.tabulate("class_averages", given, claims="abstract")


def _of(runs, classes):
    """Records whose three classes are renamed, and copied, to six."""

    def six(frame):
        first, second = (
            dict(zip(CLASSES, classes[:3], strict=True)),
            dict(zip(CLASSES, classes[3:], strict=True)),
        )
        copies = [frame.assign(**{"class": frame["class"].map(names)}) for names in (first, second)]
        return pd.concat(copies).dropna(subset="class")

    return [replace(one, metrics=six(one.metrics)) for one in runs]


def test_seeds_are_drawn_within_each_split():
    """Dice of all pixels under each seed, then the mean over the seeds drawn, one less than there are."""
    pixels, seeds = draw(splits=("clinics",), images=9, seeds=(0, 7, 9)), (0, 7, 9)
    table = tables.tabulate("pooled", inputs(pixels), rates=["dice"])
    patients = sorted(set(pixels.patients.values()))
    counts = np.array(
        [[_counts(list(pixels.of(run="a", seed=seed, patient=p))) for p in patients] for seed in seeds]
    )
    rng, draws = np.random.default_rng(1), []
    for _ in range(4000):
        chosen = counts[rng.integers(0, 3, 2)][:, rng.integers(0, len(patients), len(patients))].sum(axis=1)
        tp, fp, fn, _ = np.moveaxis(chosen, -1, 0)
        draws.append((2 * tp / (2 * tp + fp + fn)).mean(axis=0))
    row = table.frame.iloc[0]
    for k, of in enumerate(CLASSES):
        ends = np.quantile(np.array(draws)[:, k], (0.025, 0.975))
        assert [row[f"of_{of}_ci_low"], row[f"of_{of}_ci_high"]] == pytest.approx(ends, abs=0.006)
    assert row["seeds"] == 3
    assert "Seeds are resampled, too." in table.note
