# SPDX-License-Identifier: MIT
"""Batches of slides: what survives a kill, what a damaged slide costs, and kept epochs without maps."""

import json

import numpy as np
import pandas as pd
import pytest

from microtome.io import images
from microtome.io.errors import ImageError
from microtome.provenance import tsv
from microtome.stages.slides import predict
from microtome.stages.slides.heatmaps import Predictor
from tests.slides.predicted import CALLS, OPTIONS, Darkness, Made, blobs

BOX = (0, 0, 120, 150)
NAMES = ("a", "b", "c")


@pytest.fixture
def made(tmp_path):
    batch = Made(tmp_path)
    for seed, name in enumerate(NAMES):
        batch.add(name, blobs(130, 160, seed), [BOX])
    (tmp_path / "model.safetensors").write_bytes(b"weights")
    return batch


@pytest.fixture
def network(monkeypatch):
    """The network that weights stand for; `windows` counts what it saw."""
    found = Darkness().eval()
    monkeypatch.setattr(
        predict, "ready_predictor", lambda options, weights, **_: Predictor(found, options, readers=1)
    )
    return found


def run(made, options=OPTIONS, **more):
    folder = made.root / "predictions"
    weights = made.root / "model.safetensors"
    named = {"device": "cpu", "threads": 1, "code": "c"} | more
    predict.predict_slides(options, weights, made.images, made.tissue, made.sections, folder, **named)
    return folder


def damage(made, sample):
    path = made.root / f"{sample}.tif"
    content = bytearray(path.read_bytes())
    content[8:600] = bytes(592)
    path.write_bytes(content)


def test_each_slide_has_a_map_a_table_of_areas_and_its_seconds(made, network):
    folder = run(made)
    assert sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.t*")) == [
        *("a.tif", "areas/a.tsv", "areas/b.tsv", "areas/c.tsv", "b.tif", "c.tif", "seconds.tsv")
    ]
    areas = tsv.read(folder / "areas" / "a.tsv")
    assert [*areas.columns] == ["section", "threshold", "area", "greatest"]
    assert areas["threshold"].tolist() == CALLS["thresholds"] and set(areas["section"]) == {1}
    seconds = pd.read_csv(folder / "seconds.tsv", sep="\t")
    assert seconds["sample"].tolist() == [*NAMES] and (seconds["seconds"] > 0).all()
    assert seconds["tissue_mm2"].tolist() == pytest.approx([120 * 150 * 0.25e-6] * 3)


def test_finished_slides_survive_a_kill(made, network, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    whole, write = run(made), predict.areas_table
    expected = {path.name: path.read_bytes() for path in whole.glob("*.tif")}
    for path in [*whole.rglob("*.*")]:
        path.unlink()
    tables = iter([write, killed])
    monkeypatch.setattr(predict, "areas_table", lambda found: next(tables)(found))
    with pytest.raises(KeyboardInterrupt):
        run(made)
    monkeypatch.setattr(predict, "areas_table", write)
    before = network.windows
    folder = run(made)
    of_one = network.windows - before
    assert {path.name: path.read_bytes() for path in folder.glob("*.tif")} == expected
    assert pd.read_csv(folder / "seconds.tsv", sep="\t")["sample"].tolist() == [*NAMES]
    run(made)
    assert network.windows - before == of_one + of_one // 2 * 3, "two of three slides were done again"


@pytest.mark.parametrize("change", ["code", "weights", "options", "sections"])
def test_what_was_begun_otherwise_is_begun_anew(made, network, monkeypatch, change):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        tables = iter([predict.areas_table, killed])
        patch.setattr(predict, "areas_table", lambda found: next(tables)(found))
        with pytest.raises(KeyboardInterrupt):
            run(made)
    before, options, code = network.windows, OPTIONS, "c"
    if change == "weights":
        (made.root / "model.safetensors").write_bytes(b"others")
    elif change == "options":
        options = OPTIONS | {"predict": OPTIONS["predict"] | {"store": {"dtype": "uint8"}}}
    elif change == "sections":
        made.add("c", blobs(130, 160, 2), [(0, 0, 120, 149)])
    else:
        code = "d"
    run(made, options, code=code)
    assert network.windows - before == 3 * (before // 2)


def test_a_damaged_slide_is_recorded_where_it_may_fail(made, network):
    damage(made, "b")
    folder = run(made, OPTIONS | {"may_fail": True})
    record = json.loads((folder / "b.failed.json").read_text())
    assert record["sample"] == "b" and {"what", "where", "expected", "remedy"} <= record.keys()
    assert sorted(path.name for path in folder.iterdir()) == [
        *("a.tif", "areas", "b.failed.json", "c.tif", "seconds.tsv")
    ]
    assert not (folder / "areas" / "b.tsv").exists()


def test_a_slide_that_was_copied_again_after_a_kill_has_a_map_and_no_record(made, network, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    whole = (made.root / "b.tif").read_bytes()
    damage(made, "b")
    with monkeypatch.context() as patch:
        tables = iter([predict.areas_table, killed])
        patch.setattr(predict, "areas_table", lambda found: next(tables)(found))
        with pytest.raises(KeyboardInterrupt):
            run(made, OPTIONS | {"may_fail": True})
    (made.root / "b.tif").write_bytes(whole)
    folder = run(made, OPTIONS | {"may_fail": True})
    assert sorted(path.name for path in folder.glob("b.*")) == ["b.tif"]


def test_a_damaged_slide_stops_training_parts(made, network):
    damage(made, "b")
    with pytest.raises(ImageError, match="b"):
        run(made)
    assert not (made.root / "predictions").exists()


def test_records_of_earlier_stages_are_passed_on(made, network):
    record = dict.fromkeys(("path", "what", "where", "expected", "remedy"), "x") | {"sample": "b"}
    (made.tissue / "b.failed.json").write_text(json.dumps(record))
    (made.tissue / "b.tif").unlink()
    (made.sections / "b.tsv").unlink()
    folder = run(made)
    assert json.loads((folder / "b.failed.json").read_text()) == record
    assert not (folder / "b.tif").exists() and (folder / "c.tif").is_file()


def test_a_slide_without_sections_has_an_empty_map(made, network):
    made.add("b", blobs(130, 160), [])
    folder = run(made)
    source = images.open_source(folder / "b.tif")
    assert source.shape == (2, 130, 160) and not source.read(0, 0, 130, 160).any()
    assert len(tsv.read(folder / "areas" / "b.tsv")) == 0


def test_kept_epochs_have_the_areas_of_their_maps(made, network):
    kept, folder = made.root / "kept", made.root / "candidates"
    kept.mkdir()
    (kept / "kept.json").write_text(json.dumps([{"epoch": 3, "metric": 0.5}, {"epoch": 12, "metric": 0.4}]))
    for epoch in (3, 12):
        (kept / f"{epoch:04d}.safetensors").write_bytes(bytes(epoch))
    folders = made.images, made.tissue, made.sections
    predict.predict_kept(OPTIONS, kept, *folders, folder, device="cpu", threads=1)
    maps = run(made)
    assert sorted(path.name for path in folder.iterdir()) == ["0003", "0012"]
    for epoch in ("0003", "0012"):
        for name in NAMES:
            table = (folder / epoch / f"{name}.tsv").read_bytes()
            assert table == (maps / "areas" / f"{name}.tsv").read_bytes()
    assert not list(folder.rglob("*.tif"))


def test_areas_are_of_float_values_whatever_is_kept(made, network):
    exact = tsv.read(run(made) / "areas" / "a.tsv")
    options = OPTIONS | {"predict": OPTIONS["predict"] | {"store": {"dtype": "uint8", "classes": ["tumor"]}}}
    folder = run(made, options)
    pd.testing.assert_frame_equal(tsv.read(folder / "areas" / "a.tsv"), exact)
    assert images.header(folder / "a.tif").dtype == "uint8"
    assert np.ptp(images.open_source(folder / "a.tif").read(0, 0, 120, 150)) > 200
