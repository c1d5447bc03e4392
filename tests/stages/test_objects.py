# SPDX-License-Identifier: MIT
"""A study of objects from the phantom to metrics: outputs, held-out copies, sizes, stains."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch

from microtome.config.sampling import Input
from microtome.inference.resize import restored, zoomed
from microtome.io import images
from microtome.io.views import read_map
from microtome.stages.objects import export_objects
from microtome.stages.predict import load_model, predict_batch
from microtome.stages.train import TrainingFiles, train_run
from microtome.training.labelled import Memory
from microtome.training.tasks import normalize
from microtome.workflow.states import applied, runs
from tests.stages import objects
from tests.stages.objects import SIDE, ZOOM, options

TILE = "tile-003"


def card(folder):
    return json.loads((folder / "card.json").read_text())


def test_the_card_says_what_the_outputs_and_the_stain_are(found):
    marked, alone = (card(found.runs[run]) for run in ("marked", "alone"))
    assert (marked["stain"], marked["outputs"]) == ("spcn", ["mask", "shape_marker"])
    assert (alone["stain"], alone["outputs"]) == (None, ["mask"])
    assert marked["network"]["options"]["out_channels"] == 2
    assert marked["training"]["sampler"]["copies"] == 3
    assert marked["training"]["input"]["zoom"] == ZOOM


def test_the_targets_of_outputs_lie_beside_the_masks(found, tmp_path):
    folder = found.root / "targets/train-0"
    files = TrainingFiles((), (found.root / "images/train-0",), (tmp_path, folder))
    assert files.target_files("tile-001", ["mask"]) == [folder / "tile-001.tif"]
    outputs = ["mask", "centre_marker", "shape_marker"]
    expected = ["tile-001.tif", "centre_markers/tile-001.tif", "shape_markers/tile-001.tif"]
    assert files.target_files("tile-001", outputs) == [folder / name for name in expected]
    whole = files.labelled("tile-001", outputs, Memory()).label
    assert whole.shape == (3, SIDE, SIDE)
    for number, name in enumerate(expected):
        assert np.array_equal(whole.read(0, 0, SIDE, SIDE)[number], images.read(folder / name))
    assert files.labelled("tile-001", ["mask"], Memory()).label.shape == (1, SIDE, SIDE)
    with pytest.raises(FileNotFoundError, match="no file of sample 'tile-009'"):
        files.target_files("tile-009", outputs)


@pytest.mark.parametrize("missing", ["shape_markers", "masks"])
def test_a_target_that_is_missing_is_named(found, tmp_path, missing):
    shutil.copytree(found.root, tmp_path / "root")
    for batch in ("train-0", "val-0"):
        target = tmp_path / f"root/targets/{batch}"
        shutil.rmtree(target / "shape_markers" if missing == "shape_markers" else target)
    word = "shape_markers" if missing == "shape_markers" else "no file of sample"
    with pytest.raises(FileNotFoundError, match=word):
        objects.train(found.plan, tmp_path / "root", "marked")


@pytest.mark.parametrize("change", ["marker", "stain"])
def test_the_digest_of_the_data_sees_what_is_trained_on(found, tmp_path, change):
    shutil.copytree(found.root, tmp_path / "root")
    before = card(found.runs["marked"])["digests"]["data"]
    path = {
        "marker": tmp_path / "root/targets/train-0/shape_markers/tile-001.tif",
        "stain": tmp_path / "root/stains/spcn/images/train-0/tile-001.tif",
    }[change]
    pixels = images.as_channels_first(images.read(path))
    images.write(path, (pixels * 0).squeeze() if change == "marker" else pixels[::-1].copy())
    assert card(objects.train(found.plan, tmp_path / "root", "marked"))["digests"]["data"] != before


def test_a_marker_that_is_not_trained_on_is_not_read(found, tmp_path):
    shutil.copytree(found.root, tmp_path / "root")
    for batch in ("train-0", "val-0"):
        shutil.rmtree(tmp_path / f"root/targets/{batch}/shape_markers")
    folder = objects.train(found.plan, tmp_path / "root", "alone")
    assert card(folder)["digests"] == card(found.runs["alone"])["digests"]


@pytest.mark.parametrize("parts", [("train-0", "val-0"), ("train-0",)])
def test_a_held_out_share_needs_no_other_windows_than_the_index_has(parts, found, tmp_path):
    """Training tiles, and perhaps one for validation, with three copies each; a quarter of all validates."""
    chosen = options(runs.train(found.plan, "main", "marked", 0))
    names = {"train": ["tile-000", "tile-001"], "val": ["tile-002"] if len(parts) > 1 else []}
    chosen["parts"] = names
    folder = found.root / "runs"
    seen = []

    class Stop(Exception):
        pass

    def fit(_, train, held, **__):
        seen.extend([train, held])
        raise Stop

    files = TrainingFiles(
        tuple(found.root / f"patches/{batch}.parquet" for batch in parts),
        tuple(found.root / f"stains/spcn/images/{batch}" for batch in parts),
        tuple(found.root / f"targets/{batch}" for batch in parts),
    )
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr("microtome.stages.train.fit", fit)
        train_run(chosen, files, folder, checkpoint=tmp_path / "c", device="cpu", threads=1)
    train, held = seen
    tiles = [*names["train"], *names["val"]]
    assert [len(train.items), len(held.items)] == [3 * len(tiles), len(tiles)]
    together = {tuple(item) for part in seen for item in part.items.tolist()}
    assert together == {(window, copy) for window in range(len(tiles)) for copy in range(4)}
    assert set(train.images) == set(held.images) == set(tiles)
    assert [train.shuffle, held.shuffle] == [True, False]


def test_two_outputs_give_two_maps_at_the_size_of_the_image(found):
    path = found.runs["marked"] / f"predictions/test-0/{TILE}.tif"
    maps = read_map(path)
    assert (maps.shape, maps.dtype) == ((2, SIDE, SIDE), np.float32)
    assert 0 <= maps.min() < maps.max() <= 1
    assert not np.allclose(maps[0], maps[1])
    assert read_map(found.runs["alone"] / f"predictions/test-0/{TILE}.tif").shape == (1, SIDE, SIDE)


def test_zoomed_prediction_is_the_network_on_the_resized_image(found, tmp_path):
    """As in training: scaled, resized, normalized; the maps are brought back."""
    source = found.root / "stains/spcn/images/test-0"
    weights = found.runs["marked"] / "model.safetensors"
    chosen = options(runs.predict(found.plan, "marked")) | {"predict": {"window": None}}
    chosen["input"] = {"scale": 255, "mean": 0.3, "std": 0.7, "zoom": 2 / 3}
    predict_batch(chosen, weights, source, tmp_path / "maps", device="cpu", threads=1)
    pixels = torch.from_numpy(np.moveaxis(images.read(source / f"{TILE}.tif"), -1, 0).astype(np.float32))
    inputs = normalize(zoomed(pixels[None], 2 / 3), Input(**chosen["input"]))
    assert inputs.shape[2:] == (64, 64)
    with torch.no_grad():
        small = load_model(weights, chosen["network"])(inputs).sigmoid()[0].numpy()
    assert np.allclose(read_map(tmp_path / f"maps/{TILE}.tif"), restored(small, (SIDE, SIDE)), atol=1e-4)


def test_metrics_have_the_group_of_each_image(found):
    organ = found.plan.samples[TILE].group
    for run, table in found.metrics.items():
        columns = ["study", "split", "run", "seed", "part", "sample", "group", "class", "metric", "value"]
        assert list(table.columns) == columns
        assert set(table["group"]) == {organ}
        assert set(table["run"]) == {run}
        assert {"aji", "pq", "dice", "iou"} <= set(table["metric"])


def test_objects_of_a_batch_are_exported(found, tmp_path):
    run = found.runs["marked"]
    chosen = options(applied.export_objects(found.plan, "marked"))
    assert chosen["class"] == "nucleus"
    source = found.root / "images/test-0"
    export_objects(chosen, run / "segmentations/test-0", source, tmp_path / "out")
    numbers = images.read(run / f"segmentations/test-0/instances/{TILE}.tif")
    table = pd.read_csv(tmp_path / f"out/{TILE}.tsv", sep="\t")
    drawn = json.loads((tmp_path / f"out/{TILE}.geojson").read_text())
    assert len(table) == len(drawn["features"]) == len(np.unique(numbers[numbers > 0]))
