# SPDX-License-Identifier: MIT
"""Near misses: the threshold and the least area that would have called a wrong section right."""

from itertools import combinations_with_replacement

import numpy as np
import pandas as pd
import pytest

from microtome import tables
from microtome.tables.inputs import Inputs
from tests.synthetic_sections import CALLS, numbered, record, sections

THRESHOLDS = CALLS["thresholds"]


def inputs(*records):
    return Inputs(runs=records, paper="p1_bcc", calls={one.run: CALLS for one in records})


def write_areas(run, areas):
    """Areas of {(sample, section): area by threshold}."""
    folder = run.folder / "predictions/test-0000/areas"
    folder.mkdir(parents=True, exist_ok=True)
    for sample in {name for name, _ in areas}:
        rows = [
            {"section": section, "threshold": t, "area": area, "greatest": 0.9}
            for (name, section), values in areas.items()
            for t, area in zip(THRESHOLDS, values, strict=True)
            if name == sample
        ]
        pd.DataFrame(rows).to_csv(folder / f"{sample}.tsv", sep="\t", index=False)


def near_misses(tmp_path, outcomes, areas):
    run = record(tmp_path, "unet", sections(outcomes), label="U-Net")
    write_areas(run, areas)
    return tables.tabulate("near_misses", inputs(run))


def test_a_missed_section_needs_a_lower_threshold_or_area(tmp_path):
    """Chosen: 0.5 and 1280 µm²; the section has 640 µm² at 0.5 and 2000 µm² at 0.25."""
    table = near_misses(tmp_path, {("x", 1): "fn", ("y", 1): "tn"}, {("x", 1): (2000.0, 640.0, 0.0)})
    row = table.frame.iloc[0]
    assert (row["sample"], row["error"], row["right_threshold"]) == ("x", "missed", 0.25)
    assert row["right_area"] == "up to 640"
    assert "U-Net: 1 of 1 wrong sections are one step" in table.note
    assert "1 of 1 missed ones would be found" in table.note


def test_a_false_positive_needs_a_higher_threshold_or_a_larger_area(tmp_path):
    table = near_misses(tmp_path, {("x", 2): "fp"}, {("x", 2): (9000.0, 5120.0, 1279.0)})
    row = table.frame.iloc[0]
    assert (row["error"], row["right_threshold"]) == ("false positive", 0.75)
    assert row["right_area"] == "more than 5,120"


def test_no_threshold_may_be_right(tmp_path):
    table = near_misses(tmp_path, {("x", 1): "fp"}, {("x", 1): (9000.0, 5120.0, 5000.0)})
    assert table.frame["right_threshold"].item() == "none tried"
    assert np.isinf(table.frame["steps"].item())
    assert "0 of 1 wrong sections" in table.note


FALLING = list(combinations_with_replacement((3000.0, 1280.0, 640.0, 0.0), len(THRESHOLDS)))


@pytest.mark.parametrize("areas", FALLING)
def test_what_is_said_to_be_right_is_right_and_nearest(tmp_path, areas):
    """Against trying every threshold and area, with areas that fall as the threshold rises."""
    least = 1280.0
    is_tumor = areas[1] < least  # so that the call is wrong
    frame = sections({("x", 1): "fn" if is_tumor else "fp"}).assign(area=areas[1], threshold=0.5)
    run = record(tmp_path, "unet", frame)
    write_areas(run, {("x", 1): areas})
    row = tables.tabulate("near_misses", inputs(run)).frame.iloc[0]

    def called(threshold, area):
        found = areas[THRESHOLDS.index(threshold)]
        return found > 0 and found >= area

    right = [abs(t - 0.5) for t in THRESHOLDS if called(t, least) == is_tumor]
    if row["right_threshold"] == "none tried":
        assert not right
    else:
        assert abs(row["right_threshold"] - 0.5) == min(right)
    places = {value: place for place, value in enumerate(CALLS["areas"])}
    steps = [abs(places[a] - places[least]) for a in CALLS["areas"] if called(0.5, a) == is_tumor]
    steps += [abs(THRESHOLDS.index(t) - 1) for t in THRESHOLDS if called(t, least) == is_tumor]
    assert row["steps"] == min(steps, default=np.inf)


def test_nearest_sections_come_first_and_a_run_without_errors_says_so(tmp_path):
    far, near = ("x", 1), ("y", 1)
    first = record(tmp_path, "a", sections({far: "fp", near: "fn"}))
    write_areas(first, {far: (9e3, 5120.0, 5e3), near: (2e3, 640.0, 0.0)})
    second = record(tmp_path, "b", sections(numbered(1, 0, 0, 1)))
    frame = tables.tabulate("near_misses", inputs(first, second)).frame
    assert frame["sample"].tolist()[:2] == ["y", "x"]
    assert frame["error"].tolist() == ["missed", "false positive", "no error"]


def test_sections_without_areas_are_named(tmp_path):
    with pytest.raises(ValueError, match="no areas of section 1 of slide 'x'"):
        near_misses(tmp_path, {("x", 1): "fp"}, {("z", 1): (1.0, 1.0, 1.0)})
