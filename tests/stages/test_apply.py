# SPDX-License-Identifier: MIT
"""A trained run of objects on new images, with and without labels."""

import errno
import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from microtome import stain
from microtome.io import images
from microtome.io.views import read_map
from microtome.metrics.instances import aji
from microtome.metrics.summary import summarize
from microtome.stages.applied import say_applied
from microtome.stages.apply import Trained, apply_run
from microtome.stages.evaluate import evaluate_applied
from microtome.stages.predict import predict_batch
from microtome.workflow.states import applied as applied_states
from microtome.workflow.states import runs as run_states
from tests.stages.objects import SIDE, options

NEW = {"first": (SIDE, 70), "second": (61, 83)}
"""Names and sizes of images that the study does not know."""
TILE = "tile-003"


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


def rows_of(paths, labels=()):
    rows = [{"sample": path.stem, "image": path.as_posix(), "page": 0, "mpp": None} for path in paths]
    pairs = zip(rows, labels, strict=True)
    return [row | {"label": label.as_posix()} for row, label in pairs] if labels else rows


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
        trained, stains = [found.runs[member] for member in members], [target] * (run != "alone")
        chosen = options(applied_states.apply(found.plan, run, 0, rows_of(paths)))
        apply_run(chosen, Trained(trained, stains), folder / run, device="cpu", threads=1)
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
        own = normalized.parent / "profiles" / f"{path.stem}.json"
        assert json.loads(own.read_text()) == report.pop("profile")
        assert json.loads(normalized.with_suffix(".json").read_text()) == {"sample": path.stem, **report}
    for run, source in (("marked", "stains/spcn"), ("alone", "images")):
        chosen, again = options(run_states.predict(found.plan, run)), folder / f"again-{run}"
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
    chosen, plain = options(run_states.predict(found.plan, "marked_too")), folder / "plain"
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
        chosen = options(applied_states.apply(found.plan, run, 0, rows_of([path])))
        apply_run(chosen, Trained([found.runs[run]], target), tmp_path / run, device="cpu", threads=1)
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
    chosen = options(applied_states.evaluate_applied(found.plan, "main", "marked", 0, rows_of(paths, labels)))
    table = evaluate_applied(chosen, folder / "marked", folder / "measured")
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
    counts = metrics["metric"].str.startswith("pixels@")
    pd.testing.assert_frame_equal(table, summarize(metrics[~counts]))
    matrix = pd.read_csv(folder / "measured/confusion.tsv", sep="\t", index_col="truth")
    assert matrix.sum().sum() == metrics.loc[counts, "value"].sum() == SIDE * 70 + 61 * 83
    assert matrix.index.tolist() == matrix.columns.tolist() == ["background", "nucleus"]
    written = pd.read_csv(folder / "measured/summary.tsv", sep="\t")
    pd.testing.assert_frame_equal(written, table, check_dtype=False)
    assert table.loc[table["metric"] == "aji", "n"].tolist() in ([2], [1])


def test_a_label_of_another_size_is_named_and_does_not_stop_the_others(found, applied, tmp_path):
    folder, paths = applied
    small, right = tmp_path / "first.png", folder / "truth/second.xml"
    Image.fromarray(np.zeros((5, 5), np.uint16)).save(small)
    rows = rows_of(paths, [small, right])
    chosen = options(applied_states.evaluate_applied(found.plan, "main", "marked", 0, rows))
    evaluate_applied(chosen, folder / "marked", tmp_path / "out")
    table = pd.read_csv(tmp_path / "out/images.tsv", sep="\t", keep_default_na=False)
    assert table["status"].tolist() == ["failed", "done"]
    assert "first.png: found 5 rows x 5 columns, expected 96 x 70" in table["message"][0]
    assert set(pd.read_csv(tmp_path / "out/metrics.tsv", sep="\t")["sample"]) == {"second"}
    with pytest.raises(ValueError, match=r"no image could be measured; the first, .*first\.png"):
        evaluate_applied(chosen | {"samples": rows[:1]}, folder / "marked", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_objects_are_measured_and_outlined(applied):
    folder, _ = applied
    summary = pd.read_csv(folder / "marked/summary.tsv", sep="\t", index_col="sample")
    for name in NEW:
        numbers = images.read(folder / f"marked/segmentations/instances/{name}.tif")
        labels = images.read(folder / f"marked/segmentations/{name}.tif")
        outlined = json.loads((folder / f"marked/objects/{name}.geojson").read_text())
        count = len(np.unique(numbers[numbers > 0]))
        assert summary.loc[name, "objects"] == count == len(outlined["features"])
        assert summary.loc[name, "nucleus_pixels"] == np.sum(labels == 1)
        assert summary.loc[name, "background_share"] == pytest.approx(np.mean(labels == 0))


def test_one_image_that_fails_is_a_row_and_leaves_no_files(found, applied, tmp_path, capsys):
    _, paths = applied
    grey, broken = tmp_path / "grey.png", tmp_path / "broken.png"
    Image.fromarray(np.zeros((SIDE, SIDE), np.uint8)).save(grey)
    broken.write_bytes(b"no picture")
    chosen = options(applied_states.apply(found.plan, "alone", 0, rows_of([broken, paths[0], grey])))
    table = apply_run(chosen, Trained([found.runs["alone"]]), tmp_path / "out", device="cpu", threads=1)
    assert table["status"].tolist() == ["failed", "done", "failed"]
    assert table["message"][0].startswith("not an image this program reads")
    text = (tmp_path / "out/summary.tsv").read_text(encoding="utf-8")
    assert f"\tdone\t\t{SIDE}\t70\t" in text, "whole numbers, though other images have none"
    assert str(tmp_path / "out") not in table["message"][2]
    written = pd.read_csv(tmp_path / "out/summary.tsv", sep="\t", dtype=str, keep_default_na=False)
    assert written.loc[1, ["height", "width"]].tolist() == [
        str(side) for side in table.loc[1, ["height", "width"]]
    ]
    assert written.loc[1, "background_pixels"].isdigit(), "a count is whole, also beside an image without one"
    made = {path.stem for path in (tmp_path / "out").rglob("*.*") if path.parent != tmp_path / "out"}
    assert made == {"first"}
    said = options(applied_states.say(found.plan, "alone", 0))
    assert say_applied(said, tmp_path / "out") == 2
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert "2 of 3" not in page
    for text in ("Mask alone on new images", "of 3 done", "broken.png", "not an image this program reads"):
        assert text in page, text
    assert page.count("data:image/webp") == 2, "the image, and what was found in it"
    assert "simulated images" in page, "the study is a phantom's"
    said = capsys.readouterr().out
    assert "1 of 3 images done:\n  first.png -> first" in said
    assert "2 of 3 images failed" in said
    assert "broken.png: not an image" in said


def test_names_are_said_whatever_the_terminal_takes(found, tmp_path, monkeypatch):
    folder = tmp_path / "out"
    folder.mkdir()
    row = {"image": "neu/Präparat.png", "sample": "Präparat", "page": "", "status": "failed", "message": "µ"}
    pd.DataFrame([row]).to_csv(folder / "summary.tsv", sep="\t", index=False)
    written = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stdout", written)
    assert say_applied(options(applied_states.say(found.plan, "alone", 0)), folder) == 1
    written.seek(0)
    assert r"neu/Pr\xe4parat.png: \xb5" in written.read()


@pytest.mark.parametrize(
    "error", [MemoryError(), torch.OutOfMemoryError("CUDA"), RuntimeError("can't allocate memory: 9 TB")]
)
def test_an_image_that_is_too_large_is_a_row_that_says_what_to_do(
    found, applied, tmp_path, monkeypatch, error
):
    from microtome.stages import apply

    whole, calls = apply.predict_folder, []

    def first_fails(*arguments):
        calls.append(1)
        if len(calls) == 1:
            raise error
        return whole(*arguments)

    monkeypatch.setattr(apply, "predict_folder", first_fails)
    chosen = options(applied_states.apply(found.plan, "alone", 0, rows_of(applied[1])))
    table = apply_run(chosen, Trained([found.runs["alone"]]), tmp_path / "out", device="cpu", threads=1)
    assert table["status"].tolist() == ["failed", "done"]
    assert "not enough memory; where there is more, or with device=cpu" in table["message"][0]
    monkeypatch.setattr(apply, "predict_folder", lambda *_: (_ for _ in ()).throw(RuntimeError("a fault")))
    with pytest.raises(RuntimeError, match="a fault"):
        apply_run(chosen, Trained([found.runs["alone"]]), tmp_path / "no", device="cpu", threads=1)


def test_a_full_disk_is_not_the_fault_of_an_image(found, applied, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("microtome.stages.apply.import_images", full)
    chosen = options(applied_states.apply(found.plan, "alone", 0, rows_of(applied[1])))
    with pytest.raises(OSError, match="No space left"):
        apply_run(chosen, Trained([found.runs["alone"]]), tmp_path / "out", device="cpu", threads=1)
    assert not (tmp_path / "out").exists()
