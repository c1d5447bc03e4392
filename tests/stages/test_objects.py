# SPDX-License-Identifier: MIT
"""A study of objects from the phantom to metrics, a run on new images, and what leaves the repository."""

import io
import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from microtome import images, networks, stain
from microtome.config.sampling import Input
from microtome.metrics.instances import aji
from microtome.metrics.summary import summarize
from microtome.resize import restored, zoomed
from microtome.stages.apply import TrainedRuns, apply_run
from microtome.stages.evaluate_applied import evaluate_applied
from microtome.stages.export import export_run
from microtome.stages.folders import read_map
from microtome.stages.objects import export_objects
from microtome.stages.predict import load_model, predict_batch
from microtome.stages.train import TrainingFiles, train_run
from microtome.training.tasks import normalize
from tests.stages import objects
from tests.stages.objects import SIDE, ZOOM, options

NEW = {"first": (SIDE, 70), "second": (61, 83)}
"""Names and sizes of images that the study does not know."""
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
    whole = files.labelled("tile-001", outputs).label
    assert whole.shape == (3, SIDE, SIDE)
    for number, name in enumerate(expected):
        assert np.array_equal(whole.read(0, 0, SIDE, SIDE)[number], images.read(folder / name))
    assert files.labelled("tile-001", ["mask"]).label.shape == (1, SIDE, SIDE)
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


def test_a_held_out_share_needs_no_other_windows_than_the_index_has(found, tmp_path):
    """Two training tiles and one for validation, with three copies each: twelve, of which three validate."""
    chosen = options(found.plan.train("main", "marked", 0))
    folder = found.root / "runs"
    seen = []

    class Stop(Exception):
        pass

    def fit(_, train, held, **__):
        seen.extend([train, held])
        raise Stop

    parts = ("train-0", "val-0")
    files = TrainingFiles(
        tuple(found.root / f"patches/{batch}.parquet" for batch in parts),
        tuple(found.root / f"stains/spcn/images/{batch}" for batch in parts),
        tuple(found.root / f"targets/{batch}" for batch in parts),
    )
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Stop):
        patch.setattr("microtome.stages.train.fit", fit)
        train_run(chosen, files, folder, checkpoint=tmp_path / "c", device="cpu", threads=1)
    train, held = seen
    assert [len(train.items), len(held.items)] == [9, 3]
    together = {tuple(item) for part in seen for item in part.items.tolist()}
    assert together == {(window, copy) for window in range(3) for copy in range(4)}
    assert set(train.images) == set(held.images) == {"tile-000", "tile-001", "tile-002"}
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
    chosen = options(found.plan.predict("marked")) | {"predict": {"window": None}}
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


def new_images(folder, sizes=None):
    """Cut from the phantom, as PNG and TIFF."""
    paths = []
    for number, (name, (height, width)) in enumerate((sizes or NEW).items()):
        tile = 0 if number == 0 else 3
        batch = "train-0" if number == 0 else "test-0"
        pixels = images.read(objects_root(folder) / f"images/{batch}/tile-00{tile}.tif")[:height, :width]
        path = folder / f"new/{name}.{'png' if number == 0 else 'tif'}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.ascontiguousarray(pixels)).save(path)
        paths.append(path)
    return paths


def objects_root(folder):
    return folder / "study"


@pytest.fixture(scope="module")
def applied(found, tmp_path_factory):
    """Each run on new images: run name to folder, and the images."""
    folder = tmp_path_factory.mktemp("applied")
    objects_root(folder).symlink_to(found.root)
    paths = new_images(folder)
    target = found.root / "stains/spcn/target.json"
    for run, members in (("marked", ["marked"]), ("alone", ["alone"]), ("twin", ["marked", "marked_too"])):
        trained = TrainedRuns([found.runs[member] for member in members], [target] * (run != "alone"))
        chosen = options(found.plan.apply(run))
        apply_run(chosen, paths, trained, folder / run, device="cpu", threads=1)
    return folder, paths


def test_new_images_get_maps_and_objects_of_their_own_size(applied):
    folder, _ = applied
    for run, count in (("marked", 2), ("alone", 1), ("twin", 2)):
        for name, size in NEW.items():
            assert read_map(folder / run / f"predictions/{name}.tif").shape == (count, *size)
            labels = images.read(folder / run / f"segmentations/{name}.tif")
            numbers = images.read(folder / run / f"segmentations/instances/{name}.tif")
            assert labels.shape == numbers.shape == size
            assert np.array_equal(labels > 0, numbers > 0)
        assert not list((folder / run).rglob(".*")), "no scratch is left"


def test_runs_see_new_images_in_the_stain_they_were_trained_in(found, applied):
    folder, paths = applied
    profile = json.loads((found.root / "stains/spcn/target.json").read_text())["profile"]
    assert not (folder / "alone/stains").exists()
    for path in paths:
        expected, report = stain.apply(images.read(path), profile)
        normalized = folder / f"marked/stains/spcn/{path.stem}"
        assert np.array_equal(images.read(normalized.with_suffix(".tif")), expected)
        assert json.loads(normalized.with_suffix(".json").read_text()) == {"sample": path.stem, **report}
    for run, source in (("marked", "stains/spcn"), ("alone", "images")):
        chosen, again = options(found.plan.predict(run)), folder / f"again-{run}"
        weights = found.runs[run] / "model.safetensors"
        predict_batch(chosen, weights, folder / run / source, again, device="cpu", threads=1)
        for name in NEW:
            assert np.array_equal(
                read_map(again / f"{name}.tif"), read_map(folder / run / f"predictions/{name}.tif")
            )


def test_members_of_an_ensemble_see_what_each_was_trained_on(found, applied):
    """One of them sees normalized stains, the other images as they are."""
    folder, _ = applied
    weights = found.runs["marked_too"] / "model.safetensors"
    chosen, plain = options(found.plan.predict("marked_too")), folder / "plain"
    predict_batch(chosen, weights, folder / "twin/images", plain, device="cpu", threads=1)
    for name in NEW:
        first, second = read_map(folder / f"marked/predictions/{name}.tif"), read_map(plain / f"{name}.tif")
        mean = read_map(folder / f"twin/predictions/{name}.tif")
        assert np.allclose(mean, (first + second) / 2, atol=1e-6)


def test_a_known_image_is_predicted_as_in_the_study(found, tmp_path):
    """`snakemake apply` and the study give the same maps and objects."""
    path = tmp_path / f"{TILE}.tif"
    shutil.copy(found.root / f"images/test-0/{TILE}.tif", path)
    for run in ("marked", "alone"):
        target = [found.root / "stains/spcn/target.json"] * (run == "marked")
        trained, chosen = TrainedRuns([found.runs[run]], target), options(found.plan.apply(run))
        apply_run(chosen, [path], trained, tmp_path / run, device="cpu", threads=1)
        for kind in ("predictions", "segmentations"):
            name = f"{TILE}.tif"
            first, second = (
                read_map(f / name) for f in (found.runs[run] / f"{kind}/test-0", tmp_path / run / kind)
            )
            assert np.array_equal(first, second)


def outline(labels):
    """An Aperio annotation of rectangles around objects, drawn so that pixel centres decide."""
    boxes = {number: np.argwhere(labels == number) for number in np.unique(labels[labels > 0])}
    regions = []
    for number, places in boxes.items():
        (y0, x0), (y1, x1) = places.min(0), places.max(0) + 1
        corners = ((x0, y0), (x1, y0), (x1, y1), (x0, y1))
        vertices = "".join(f'<Vertex X="{x}" Y="{y}" Z="0"/>' for x, y in corners)
        regions.append(f'<Region Id="{number}"><Vertices>{vertices}</Vertices></Region>')
    layer = f'<Annotation Id="1"><Regions>{"".join(regions)}</Regions></Annotation>'
    return f'<?xml version="1.0"?><Annotations>{layer}</Annotations>'


def boxes(size, seed):
    """Rectangular objects that do not overlap."""
    labels, rng = np.zeros(size, np.int32), np.random.default_rng(seed)
    for number, (y, x) in enumerate(((3, 4), (20, 30), (35, 8), (40, 45)), 1):
        height, width = rng.integers(6, 12, 2)
        labels[y : y + height, x : x + width] = number
    return labels


@pytest.fixture(scope="module")
def measured(found, applied):
    """The run on new images against a label image and an annotation file."""
    folder, paths = applied
    truth = {name: boxes(size, number) for number, (name, size) in enumerate(NEW.items())}
    (folder / "truth").mkdir()
    Image.fromarray(truth["first"].astype(np.uint16)).save(folder / "truth/first.png")
    (folder / "truth/second.xml").write_text(outline(truth["second"]), encoding="utf-8")
    labels = [folder / "truth/first.png", folder / "truth/second.xml"]
    chosen = options(found.plan.evaluate_applied("main", "marked", 0))
    table = evaluate_applied(chosen, folder / "marked", paths, labels, folder / "measured")
    return folder, truth, table


def test_labels_of_any_kind_become_targets(measured):
    folder, truth, _ = measured
    for name, labels in truth.items():
        target = folder / f"measured/targets/{name}.tif"
        assert np.array_equal(images.read(target.parent / f"instances/{name}.tif"), labels)
        assert np.array_equal(images.read(target), labels > 0)


def test_new_images_are_measured_against_their_labels(measured):
    folder, truth, _ = measured
    metrics = pd.read_csv(folder / "measured/metrics.tsv", sep="\t")
    assert set(metrics["part"]) == {"applied"}
    assert set(metrics["run"]) == {"marked"}
    assert metrics["group"].isna().all()
    values = metrics.set_index(["sample", "class", "metric"])["value"]
    for name, labels in truth.items():
        predicted = images.read(folder / f"marked/segmentations/instances/{name}.tif")
        assert values[name, "all", "aji"] == pytest.approx(aji(labels, predicted), nan_ok=True)
        both = np.sum((labels > 0) & (predicted > 0))
        dice = 2 * both / (np.sum(labels > 0) + np.sum(predicted > 0))
        assert values[name, "nucleus", "dice"] == pytest.approx(dice)


def test_the_summary_is_that_of_the_metrics(measured):
    folder, _, table = measured
    metrics = pd.read_csv(folder / "measured/metrics.tsv", sep="\t")
    pd.testing.assert_frame_equal(table, summarize(metrics))
    written = pd.read_csv(folder / "measured/summary.tsv", sep="\t")
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    assert table.loc[table["metric"] == "aji", "n"].tolist() in ([2], [1])


def test_labels_of_another_size_are_named_and_leave_nothing(found, applied, tmp_path):
    folder, paths = applied
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(tmp_path / "first.png")
    chosen = options(found.plan.evaluate_applied("main", "marked", 0))
    with pytest.raises(ValueError, match=r"first\.png: found 5 rows x 5 columns, expected 96 x 70"):
        evaluate_applied(chosen, folder / "marked", paths[:1], [tmp_path / "first.png"], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def packed(found, path, run="marked", members=("marked",), **changes):
    chosen = options(found.plan.export_run(run, None)) | changes
    stains = [found.root / f"stains/{name}/target.json" for name in chosen["stains"]]
    folders = [found.runs[member] for member in members]
    export_run(chosen, members=folders, stains=stains, metrics=folders[0] / "metrics.tsv", archive=path)
    return zipfile.ZipFile(io.BytesIO(path.read_bytes()))


def test_a_package_holds_what_applying_needs(found, tmp_path):
    archive = packed(found, tmp_path / "a.zip")
    run = found.runs["marked"]
    expected = {f"marked/{name}": run / name for name in ("model.safetensors", "card.json", "history.tsv")}
    expected |= {
        "stains/spcn.json": found.root / "stains/spcn/target.json",
        "metrics.tsv": run / "metrics.tsv",
    }
    assert archive.namelist() == sorted([*expected, "README.md", "run.json"])
    assert archive.testzip() is None
    for name, path in expected.items():
        assert archive.read(name) == path.read_bytes()
    settings = json.loads(archive.read("run.json"))
    assert list(settings) == ["marked"]
    assert settings["marked"]["segment"]["kind"] == "watershed"
    assert settings["marked"]["stain"] == "spcn"


def test_packing_twice_gives_the_same_bytes(found, tmp_path):
    packed(found, tmp_path / "a.zip")
    packed(found, tmp_path / "b.zip")
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["a.zip", "b.zip"], "nothing unfinished"
    packed(found, tmp_path / "b.zip", label="Another")
    assert (tmp_path / "a.zip").read_bytes() != (tmp_path / "b.zip").read_bytes()


def test_the_readme_says_what_the_model_is_and_how_good(found, tmp_path):
    data = {"citation": "Somebody, A set of images.", "licence": "CC BY 4.0"}
    text = packed(found, tmp_path / "a.zip", dataset=data).read("README.md").decode()
    about = card(found.runs["marked"])
    parameters = networks.parameter_count(networks.build("usenet", encoder="resnet18", width=2))
    for expected in (
        "# With a marker (he, demo scale)\n",
        f"`usenet` (encoder resnet18, width 2, in_channels 3, out_channels 2), {parameters:,} parameters",
        f"trained on 2 images (phantom data), 1 epochs, best epoch {about['best_epoch']}, seed 0.",
        "Data: Somebody, A set of images. Licence: CC BY 4.0.",
        "| part | class | metric | mean | sd | images |",
    ):
        assert expected in text
    values = found.metrics["marked"].set_index(["class", "metric"])["value"]
    assert f"| test | nucleus | dice | {values['nucleus', 'dice']:.4f} |" in text
    assert "Data:" not in packed(found, tmp_path / "b.zip").read("README.md").decode()


def test_the_package_of_an_ensemble_holds_each_member(found, tmp_path):
    members = ("marked", "marked_too")
    archive = packed(found, tmp_path / "a.zip", run="twin", members=members)
    assert {f"{member}/model.safetensors" for member in members} < set(archive.namelist())
    settings = json.loads(archive.read("run.json"))
    assert set(settings) == {"twin", *members}
    assert settings["twin"]["members"] == list(members)
    assert settings["marked_too"]["input"]["zoom"] == ZOOM
    text = archive.read("README.md").decode()
    assert "The mean of the maps of these runs:\n\n- `marked`: network" in text
    assert "\n- `marked_too`: network" in text


def test_objects_of_a_batch_are_exported(found, tmp_path):
    run = found.runs["marked"]
    chosen = options(found.plan.export_objects("marked"))
    assert chosen["class"] == "nucleus"
    source = found.root / "images/test-0"
    export_objects(chosen, run / "segmentations/test-0", source, tmp_path / "out")
    numbers = images.read(run / f"segmentations/test-0/instances/{TILE}.tif")
    table = pd.read_csv(tmp_path / f"out/{TILE}.tsv", sep="\t")
    drawn = json.loads((tmp_path / f"out/{TILE}.geojson").read_text())
    assert len(table) == len(drawn["features"]) == len(np.unique(numbers[numbers > 0]))
