# SPDX-License-Identifier: MIT
"""Labelled pixels by class, of sets of images and of the parts of each split, against counting the files."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from microtome import tables
from microtome.io import images
from microtome.tables.inputs import Inputs
from microtome.tables.parts.render import to_markdown

PUBLISHED = yaml.safe_load((Path(__file__).parents[2] / "config/published.yaml").read_text())
CLASSES = ("background", "artifact", "meshwork", "nest", "ring", "aspecific")
PARTS = {
    "a": {"m0": "train", "m1": "train", "m2": "val", "m3": "test", "m4": "test"},
    "b": {"m0": "test", "m1": "val", "m2": "train", "m3": "train", "m4": "train"},
}
PATIENTS = {"m0": "p0", "m1": "p0", "m2": "p1", "m3": "p2", "m4": "p3"}


@pytest.fixture
def study(tmp_path):
    """Targets in two batches, the last one without any label, and two splits."""
    rng, targets = np.random.default_rng(0), {}
    for number, sample in enumerate(PATIENTS):
        target = rng.choice(
            [0, 1, 2, 3, 4, 5, 255], (30 + number, 40), p=[0.1, 0.1, 0.2, 0.05, 0.1, 0.05, 0.4]
        )
        targets[sample] = np.full_like(target, 255) if sample == "m4" else target
        images.write(tmp_path / f"targets/{number % 2}/{sample}.tif", targets[sample].astype(np.uint8))
    for split, of in PARTS.items():
        rows = "".join(f"{sample}\t{part}\n" for sample, part in of.items())
        (tmp_path / f"{split}.tsv").write_text(f"sample\tpart\n{rows}")
    files = {"labels": [tmp_path / "targets/0", tmp_path / "targets/1"]}
    files |= {"splits": [tmp_path / "a.tsv", tmp_path / "b.tsv"]}
    given = {"published": PUBLISHED, "paper": "p2_mednet", "units": PATIENTS, "classes": CLASSES}
    return Inputs(files=files, **given), targets


def pixels_of(targets, samples, value):
    return sum(int(np.sum(targets[sample] == value)) for sample in samples)


def test_each_class_is_counted_in_each_set(study):
    given, targets = study
    frame = tables.tabulate("class_pixels", given).frame.set_index("class")
    sets = (["m0", "m1", "m2", "m3", "m4"], ["m0", "m1", "m2"], ["m3", "m4"])
    for number, samples in enumerate(sets):
        counts = [pixels_of(targets, samples, value) for value in range(6)]
        for name, count in zip(CLASSES, counts, strict=True):
            assert float(frame.loc[name, f"mpx_{number}"]) == pytest.approx(count / 1e6)
            assert frame.loc[name, f"share_{number}"] == pytest.approx(100 * count / sum(counts))
        size = sum(targets[sample].size for sample in samples)
        assert frame.loc["labelled pixels", f"share_{number}"] == pytest.approx(100 * sum(counts) / size)
        assert frame.loc["labelled pixels", f"mpx_{number}"] == pytest.approx(sum(counts) / 1e6)
    assert frame.loc["labelled images", ["mpx_0", "mpx_1", "mpx_2"]].tolist() == ["4", "3", "1"]


def test_published_pixels_stand_below_ours(study):
    sets = [
        {"label": "Whole", "parts": ["train", "val", "test"], "published": "whole"},
        {"label": "US", "parts": ["test"], "published": "us_test"},
    ]
    table = tables.tabulate("class_pixels", study[0], sets=sets, published="table_1")
    theirs = table.frame[table.frame["source"].str.startswith("published")].set_index("class")
    assert theirs.loc["ring", ["share_0", "mpx_0", "share_1", "mpx_1"]].tolist() == [28, 136.6, 40, 57.8]
    assert theirs.loc["labelled pixels", ["share_1", "mpx_1"]].tolist() == [60, 141.8]
    assert theirs.loc["labelled images", ["mpx_0", "mpx_1"]].tolist() == ["117", "31"]
    assert "| 117 |" in to_markdown(table)
    assert "53 % of all by the printed pixels" in table.note


def test_a_set_that_is_not_understood_is_refused(study):
    with pytest.raises(ValueError, match="is not understood; a set is a mapping with label, parts"):
        tables.tabulate("class_pixels", study[0], sets=[{"label": "Whole"}])
    with pytest.raises(ValueError, match="has no column 'europe'"):
        sets = [{"label": "Europe", "parts": ["train"], "published": "europe"}]
        tables.tabulate("class_pixels", study[0], sets=sets, published="table_1")


def test_the_balance_of_each_split_is_that_of_its_labelled_pixels(study):
    given, targets = study
    table = tables.tabulate("split_balance", given, within=1.0)
    frame = table.frame.set_index(["split", "part"])
    worst = {}
    for split, of in PARTS.items():
        shares = {}
        for part in ("train", "val", "test"):
            samples = [sample for sample, one in of.items() if one == part]
            counts = np.array([pixels_of(targets, samples, value) for value in range(6)])
            shares[part] = 100 * counts / counts.sum()
            row = frame.loc[(split, part)]
            assert row[[f"share_{name}" for name in CLASSES]].tolist() == pytest.approx(shares[part])
            assert row[["images", "units"]].tolist() == [len(samples), len({PATIENTS[s] for s in samples})]
            assert row["mpx"] == pytest.approx(counts.sum() / 1e6)
        for part in ("val", "test"):
            away = np.abs(shares[part] - shares["train"]).max()
            assert frame.loc[(split, part), "difference"] == pytest.approx(away)
        worst[split] = np.abs(shares["test"] - shares["train"]).max()
    split = max(worst, key=worst.get)
    assert f"differ by {worst[split]:.2f} points at most ({split}), more than 1." in table.note
    assert np.isnan(frame.loc[("a", "train"), "difference"])
    assert "not more than 99" in tables.tabulate("split_balance", given, within=99.0).note
