# SPDX-License-Identifier: MIT
"""From maps to the table of metrics."""

import numpy as np
import pytest

from microtome.io import images
from microtome.io.views import read_map
from microtome.metrics.boundaries import boundary_scores
from tests.stages import folders

KEYS = ["study", "split", "run", "seed", "part", "sample", "group", "class", "metric"]


@pytest.mark.parametrize("run", list(folders.RUNS))
def test_one_row_for_each_image_class_and_metric(root, runs, run):
    folders.segment(runs[run])
    table = folders.evaluate(root, runs[run])
    assert list(table.columns) == [*KEYS, "value"]
    assert not table.duplicated(KEYS).any()
    assert set(zip(table["part"], table["sample"], strict=True)) == {
        ("val", "s2"),
        ("test", "s3"),
        ("test", "s4"),
    }
    assert all(table["group"] == "group " + table["sample"])
    counts = table.groupby("sample").size()
    assert counts.nunique() == 1
    assert {"v_rand", "v_info", "pixel_error", "accuracy", "loss_bce", "loss_dice"} <= set(table["metric"])
    assert set(table.loc[table["metric"] == "dice", "class"]) == set(folders.CLASSES)


def test_one_threshold_for_each_part(root, runs):
    folders.segment(runs["unet"])
    table = folders.evaluate(root, runs["unet"]).set_index(["sample", "metric"])["value"]
    for samples in (["s2"], ["s3", "s4"]):
        scores = [
            boundary_scores(
                images.read(root / f"targets/{sample}.tif") == 1,
                read_map(runs["unet"] / f"predictions/{sample}.tif")[0],
                folders.THRESHOLDS,
            ).v_rand
            for sample in samples
        ]
        best = int(np.argmax(np.mean(scores, axis=0)))
        for sample, values in zip(samples, scores, strict=True):
            assert table[sample, "v_rand_threshold"] == folders.THRESHOLDS[best]
            assert table[sample, "v_rand"] == pytest.approx(values[best])


def test_accuracy_and_pixel_error_are_of_the_segmentation(root, runs):
    folders.segment(runs["unet"])
    table = folders.evaluate(root, runs["unet"]).set_index(["sample", "metric"])["value"]
    truth = images.read(root / "targets/s3.tif")
    right = np.mean(images.read(runs["unet"] / "segmentations/s3.tif") == truth)
    assert table["s3", "accuracy"] == pytest.approx(right)
    assert table["s3", "pixel_error"] == pytest.approx(1 - right)


def test_nothing_to_evaluate_is_an_error(root, runs):
    with pytest.raises(ValueError, match="evaluated parts hold no sample"):
        folders.evaluate(root, runs["unet"], samples={})


def test_a_missing_map_is_named(root, runs):
    folders.segment(runs["unet"])
    with pytest.raises(FileNotFoundError, match="no file of sample 's9'"):
        folders.evaluate(root, runs["unet"], samples={"s9": "test"})


@pytest.mark.parametrize(
    ("value", "families"), [(255, {"boundaries", "overlap", "losses"}), (0, {"boundaries"})]
)
def test_an_image_without_truth_does_not_stop_the_others(root, runs, value, families, caplog):
    folders.segment(runs["unet"])
    expected = folders.evaluate(root, runs["unet"], samples={"s4": "test"}).set_index(["class", "metric"])[
        "value"
    ]
    truth = root / "targets/s3.tif"
    kept = truth.read_bytes()
    images.write(truth, np.full_like(images.read(truth), value))
    try:
        table = folders.evaluate(root, runs["unet"], samples={"s3": "test", "s4": "test"})
        with pytest.raises(ValueError, match="sample s3: "):
            folders.evaluate(root, runs["unet"], samples={"s3": "test"})
    finally:
        truth.write_bytes(kept)
    of = {sample: rows.set_index(["class", "metric"])["value"] for sample, rows in table.groupby("sample")}
    assert of["s3"].index.tolist() == of["s4"].index.tolist()
    assert of["s4"].to_dict() == pytest.approx(expected.to_dict(), nan_ok=True)
    undefined = {metric for (_, metric), found in of["s3"].items() if np.isnan(found)}
    assert {"v_rand", "v_info", "pixel_error"} <= undefined
    assert ("accuracy" in undefined) == (value == 255)
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert all(f"sample s3: its metrics of `{name}` are undefined" in said for name in families)
