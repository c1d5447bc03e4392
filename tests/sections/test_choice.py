# SPDX-License-Identifier: MIT
"""The choice of an epoch and the calls as stages: what they write, and what they refuse."""

import json
from dataclasses import replace

import numpy as np
from pytest import fixture, mark, raises

from microtome.files import DIGEST, sha256_of_file, write_json
from microtome.io.annotations import read_polygons
from microtome.io.section_boxes import Box, read_boxes, read_table, write_boxes
from microtome.provenance.section_calls import CALL_COLUMNS, read_calls
from microtome.slides.statistics import areas_table, largest_regions
from microtome.stages.slides.calls import call_sections
from microtome.stages.slides.select import select_epoch
from tests.synthetic_study import card

CLASSES = ["normal", "tumor"]
THRESHOLDS = [0.3, 0.5, 0.7]
CALLS = {"class": "tumor", "thresholds": THRESHOLDS, "areas": [0.0, 4.0, 8.0], "beta": 1.5, "connectivity": 8}
OPTIONS = {"study": "s", "run": "r", "split": "main", "seed": 0, "samples": ["a", "b", "c"], "calls": CALLS}
LABELS = {"a": ["tumor", "normal"], "b": ["", "tumor"], "c": [""]}
PIXELS = {1: {"a": [5, 3], "b": [9, 0], "c": [1]}, 4: {"a": [8, 2], "b": [0, 5], "c": [9]}}
"""Pixels (µm²) of the largest region, by epoch: epoch 4 calls all right with least areas above 2."""


@fixture
def run(tmp_path):
    """Kept epochs of a run, and what they found in the sections of the validation part."""
    kept = tmp_path / "kept"
    kept.mkdir()
    for epoch in PIXELS:
        (kept / f"{epoch:04d}.safetensors").write_bytes(f"weights of {epoch}".encode())
    told = [
        {"epoch": epoch, "metric": epoch / 10, "val_loss": epoch / 100, "told": {"merge": [epoch]}}
        for epoch in PIXELS
    ]
    write_json(kept / "kept.json", told)
    trained = card("r", samples={"train": 2}, epochs_run=9, best_epoch=9, digests={"data": "d"})
    trained |= {"best_val_loss": 0.001, "best_val_iou": 0.9}
    write_json(kept / "card.json", trained)
    for epoch, areas in PIXELS.items():
        for sample, counts in areas.items():
            found = {
                n: largest_regions(np.full((1, max(c, 1)), 0.9 * (c > 0)), THRESHOLDS)
                for n, c in enumerate(counts, 1)
            }
            folder = tmp_path / "candidates" / f"{epoch:04d}"
            folder.mkdir(parents=True, exist_ok=True)
            areas_table(found).to_csv(folder / f"{sample}.tsv", sep="\t", index=False)
    for sample, labels in LABELS.items():
        boxes = [
            Box(y=9 * n, x=0, height=5, width=5, label=label, section=n) for n, label in enumerate(labels, 1)
        ]
        (tmp_path / "sections").mkdir(exist_ok=True)
        write_boxes(tmp_path / "sections", sample, boxes, {})
    return tmp_path


def select(run, **calls):
    options = OPTIONS | {"calls": CALLS | calls}
    select_epoch(options, run / "kept", [run / "candidates"], [run / "sections"], run)
    return json.loads((run / "selection.json").read_text(encoding="utf-8"))


def test_the_best_epoch_becomes_the_model(run):
    chosen = select(run)
    assert (chosen["epoch"], chosen["threshold"], chosen["least_area"]) == (4, 0.5, 4.0)
    assert {key: chosen[key] for key in ("tp", "fp", "fn", "tn", "f_beta")} == {
        "tp": 2,
        "fp": 0,
        "fn": 0,
        "tn": 1,
        "f_beta": 1.0,
    }
    assert (chosen["run"], chosen["class"], chosen["accuracy"], chosen["specificity"]) == (
        "r",
        "tumor",
        1.0,
        1.0,
    )
    assert len(chosen["candidates"]["rows"]) == 2 * 3 * 3
    assert (run / "model.safetensors").read_bytes() == b"weights of 4"
    told = json.loads((run / "card.json").read_text(encoding="utf-8"))
    assert (told["best_epoch"], told["epochs_run"], told["network"]["merge"]) == (4, 9, [4])
    assert (told["best_val_loss"], told["best_val_iou"]) == (0.04, 0.4)
    assert told["digests"] == {"data": "d", "weights": sha256_of_file(run / "model.safetensors")[:DIGEST]}


def test_candidates_are_counted_on_labelled_sections(run):
    """Recounted by hand from the areas: at epoch 1 with any region a is right once, b is wrong."""
    table = select(run)["candidates"]
    rows = {tuple(row[:3]): row[3:] for row in table["rows"]}
    assert table["columns"] == ["epoch", "threshold", "least_area", "tp", "fp", "fn", "tn"]
    assert rows[1, 0.3, 0.0] == [1, 1, 1, 0]
    assert rows[1, 0.7, 4.0] == [1, 0, 1, 1]
    assert rows[4, 0.5, 0.0] == [2, 1, 0, 0]
    assert rows[4, 0.5, 8.0] == [1, 0, 1, 1]


def test_sections_of_one_class_stop(run):
    write_boxes(run / "sections", "a", [Box(y=0, x=0, height=5, width=5, label="tumor", section=1)], {})
    with raises(ValueError, match="found 2 sections with a label, 2 of them positive"):
        select(run)
    assert not (run / "selection.json").exists()


def test_areas_at_other_thresholds_stop(run):
    with raises(ValueError, match=r"0001.a\.tsv has the thresholds"):
        select(run, thresholds=[0.3, 0.5, 0.8])


def test_areas_of_other_sections_stop(run):
    write_boxes(run / "sections", "b", [Box(y=0, x=0, height=5, width=5, label="tumor", section=7)], {})
    with raises(ValueError, match="has no section 7"):
        select(run)


@fixture
def predicted(run):
    (run / "predictions/areas").mkdir(parents=True)
    for sample in LABELS:
        (run / f"predictions/areas/{sample}.tsv").write_bytes(
            (run / f"candidates/0004/{sample}.tsv").read_bytes()
        )
    return run


def call(run, chosen, classes=CLASSES):
    write_json(run / "selection.json", chosen)
    options = {"calls": {"class": "tumor"}, "classes": classes}
    call_sections(options, run / "selection.json", run / "predictions", run / "sections", run / "calls")
    return run / "calls"


@mark.parametrize(
    ("least", "expected"),
    [(0.0, ["tumor", "tumor"]), (3.0, ["tumor", "normal"]), (8.5, ["normal", "normal"])],
)
def test_sections_are_called_by_their_largest_region(predicted, least, expected):
    folder = call(predicted, {"threshold": 0.5, "least_area": least})
    table = read_calls(folder / "a.tsv")
    assert tuple(table.columns) == CALL_COLUMNS
    assert table["call"].tolist() == expected
    assert table["label"].tolist() == LABELS["a"]
    assert (table["area"].tolist(), table["greatest"].tolist()) == ([8.0, 2.0], [0.9, 0.9])
    assert set(table["threshold"]) == {0.5} and set(table["least_area"]) == {least}
    polygons = read_polygons(folder / "a.geojson")
    assert [one.classification for one in polygons] == expected
    assert [replace(box, label="") for box in read_boxes(folder / "a.geojson")] == [
        replace(box, label="", section=0) for box in read_table(predicted / "sections/a.tsv")
    ]


def test_of_several_classes_the_others_are_no_class_of_their_own(predicted):
    folder = call(predicted, {"threshold": 0.5, "least_area": 3.0}, ["skin", "naevus", "tumor"])
    assert read_calls(folder / "a.tsv")["call"].tolist() == ["tumor", "no tumor"]


def test_a_threshold_that_was_not_measured_stops(predicted):
    with raises(ValueError, match=r"areas.a\.tsv: found areas of the sections \[\] at the threshold 0\.45"):
        call(predicted, {"threshold": 0.45, "least_area": 3.0})
