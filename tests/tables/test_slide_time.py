# SPDX-License-Identifier: MIT
"""Seconds per slide: means over slides, the change against a run, published seconds."""

import math
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import yaml

from microtome import tables
from microtome.tables.inputs import Inputs
from tests.synthetic_sections import CALLS, numbered, record, sections
from tests.synthetic_study import metrics

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())


def timed(tmp_path, run, seconds, **more):
    """A run with the seconds of slides of part test, and of another slide that is of no such part."""
    one = record(tmp_path, run, sections(numbered(1, 0, 0, 1)), **more)
    for sample, value in {**seconds, "other": 1000.0}.items():
        path = one.folder / f"predictions/{sample}/seconds.tsv"
        path.parent.mkdir(parents=True)
        row = {"sample": sample, "seconds": value, "tissue_mm2": 4.0, "device": "cpu", "threads": 2}
        pd.DataFrame([row]).to_csv(path, sep="\t", index=False)
    return replace(one, metrics=metrics(run, {(name, "all", "section_accuracy"): 1.0 for name in seconds}))


def inputs(*records):
    calls = {one.run: CALLS for one in records}
    return Inputs(runs=records, calls=calls, published=PUBLISHED, paper="p1_bcc")


def test_seconds_are_means_over_slides_and_changes_of_the_sums(tmp_path):
    full = timed(tmp_path, "r34_ds", {"a": 20.0, "b": 40.0}, label="DS")
    first = timed(tmp_path, "psi_0", {"a": 10.0, "b": 35.0})
    options = {"published": "seconds_per_slide", "published_rows": ["full", "psi_0_only"]}
    frame = tables.tabulate("slide_time", inputs(full, first), **options).frame
    assert frame["seconds"].tolist() == [30, 22.5]
    assert frame["seconds_sd"].tolist() == pytest.approx([200**0.5, 312.5**0.5])
    assert frame["change"].tolist() == pytest.approx([math.nan, -25], nan_ok=True)
    assert frame["per_mm2"].tolist() == [7.5, 5.625]
    assert frame["published"].tolist() == [30, 20]
    assert frame["n"].tolist() == [2, 2]
    assert set(frame["device"]) == {"cpu, 2 threads"}


def test_a_slide_that_one_run_lacks_does_not_change_the_ratio(tmp_path):
    full = timed(tmp_path, "full", {"a": 20.0, "b": 40.0})
    short = timed(tmp_path, "short", {"a": 10.0})
    frame = tables.tabulate("slide_time", inputs(full, short), reference="full").frame
    assert frame["change"].tolist() == pytest.approx([math.nan, -50], nan_ok=True)


def test_what_is_not_there_is_named(tmp_path):
    run = timed(tmp_path, "full", {"a": 20.0})
    with pytest.raises(ValueError, match="reference is 'x', which is none of the runs"):
        tables.tabulate("slide_time", inputs(run), reference="x")
    with pytest.raises(ValueError, match="run 'full' has no times of slides of part 'val'"):
        tables.tabulate("slide_time", inputs(run), part="val")
