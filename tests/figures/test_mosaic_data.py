# SPDX-License-Identifier: MIT
"""Figures of what mosaics and their labels show: examples, labels in two palettes, fragmentation."""

import numpy as np
import pandas as pd
import pytest
from skimage.measure import label as connected

from microtome.config.colors import rgb_bytes
from microtome.figures.inputs import FigureInputs, SampleSources
from microtome.figures.kinds import class_examples, fragmentation, mosaic_labels
from microtome.io import images
from microtome.provenance.runs import RunRecord

PAPER = {
    "background": "#ff0000",
    "artifact": "#ffff00",
    "meshwork": "#00ff00",
    "ring": "#0000ff",
    "nest": "#00ffff",
}
CLASSES = ("low", "middle", "high")


def write(folder, labels, *, groups=()):
    """Inputs with images whose grey value is 80 times the class of the truth."""
    sources = {}
    for number, label in enumerate(labels):
        name, label = f"s{number}", np.asarray(label, np.uint8)
        images.write(
            folder / f"images/{name}.tif", np.where(label == 255, 7, 80 * label).astype(np.uint8), mpp=2.0
        )
        images.write(folder / f"targets/{name}.tif", label, mpp=2.0)
        sources[name] = SampleSources(folder / f"images/{name}.tif", folder / f"targets/{name}.tif")
    groups = {f"s{number}": group for number, group in enumerate(groups)}
    return FigureInputs(sources=sources, classes=CLASSES, groups=groups, data_kind="public")


def squares(*places, side=64, width=64):
    """A label of class 0 with squares (class, top, left, side)."""
    found = np.zeros((side, width), np.uint8)
    for value, top, left, length in places:
        found[top : top + length, left : left + length] = value
    return found


def test_examples_are_where_a_class_fills_most(tmp_path):
    inputs = write(
        tmp_path,
        [squares((1, 40, 4, 16), (255, 0, 0, 8)), squares((1, 0, 20, 12), (2, 40, 30, 20), width=80)],
    )
    data = class_examples.draw(inputs, size=16).data
    found = data[data["class"] == "middle"].reset_index(drop=True)
    assert list(found["sample"]) == ["s0", "s1"]
    assert found["share"][0] == 1
    assert (found["top"][0], found["left"][0]) == (40, 4)
    assert found["share"][1] == pytest.approx(144 / 256)
    assert found["grey_mean"][0] == pytest.approx(80 / 255)
    assert data.loc[data["class"] == "low", "share"].eq(1).all()
    (high,) = data[data["class"] == "high"].itertuples()
    assert high.sample == "s1"


def test_examples_come_from_several_groups_if_these_are_good_enough(tmp_path):
    labels = [
        squares((1, 0, 0, 30)),
        squares((1, 30, 30, 30)),
        squares((1, 20, 20, 15)),
        squares((1, 9, 9, 5)),
    ]
    inputs = write(tmp_path, labels, groups=("a", "a", "b", "c"))
    chosen = class_examples.draw(inputs, size=16, count=3).data
    assert list(chosen.loc[chosen["class"] == "middle", "sample"]) == ["s0", "s2", "s1"]


def test_a_class_without_labels_is_said(tmp_path):
    result = class_examples.draw(write(tmp_path, [squares((1, 0, 0, 30))]), size=16)
    assert "No label shows high." in result.caption
    assert set(result.data["class"]) == {"low", "middle"}


def test_windows_are_no_larger_than_images(tmp_path):
    data = class_examples.draw(write(tmp_path, [squares(side=20, width=30)]), size=128).data
    assert (data["height"].item(), data["width"].item()) == (20, 30)


def test_examples_of_the_study_of_mosaics(mosaics):
    result = class_examples.draw(mosaics, size=24)
    assert set(result.data["class"]) == set(mosaics.classes)
    for one in result.data.itertuples():
        target = images.read(mosaics.sources[one.sample].target)
        window = target[one.top : one.top + one.height, one.left : one.left + one.width]
        assert (window == mosaics.class_id(getattr(one, "_1", one[1]))).mean() == pytest.approx(one.share)


def colours_of(axes):
    return {tuple(color) for color in axes.images[0].get_array()[..., :3].reshape(-1, 3).tolist()}


def test_labels_are_shown_in_both_palettes(mosaics):
    result = mosaic_labels.draw(mosaics, colors=PAPER)
    _, given, own = result.figure.axes
    (name,) = result.data["sample"].unique()
    target = images.read(mosaics.sources[name].target)
    there = {mosaics.classes[value] for value in np.unique(target[target < 255])}
    colors = {"aspecific": mosaics.palette["aspecific"], **PAPER}
    assert colours_of(given) == {rgb_bytes(colors[one]) for one in there} | {rgb_bytes("#808080")}
    assert colours_of(own) == {rgb_bytes(mosaics.palette[one]) for one in there} | {rgb_bytes("#E8E2D0")}
    entries = [text.get_text() for text in result.figure.legends[0].get_texts()]
    assert entries == [*mosaics.classes, "unlabelled"]
    data = result.data.set_index("class")
    assert data["pixels"].sum() == target.size
    assert data.loc["ring", "pixels"] == (target == 4).sum()
    assert data.loc["unlabelled", "mm2"] == pytest.approx((target == 255).sum() * 4e-6)


def test_one_palette_is_enough(mosaics):
    result = mosaic_labels.draw(mosaics, count=2)
    assert len(result.figure.axes) == 4
    assert result.data["sample"].nunique() == 2
    assert result.data["given_color"].eq("").all()


def test_the_image_with_most_classes_comes_first(tmp_path):
    inputs = write(
        tmp_path, [squares((1, 0, 0, 30)), squares((1, 0, 0, 9), (2, 20, 20, 9)), squares()], groups="aab"
    )
    assert mosaic_labels.draw(inputs).data["sample"].unique().tolist() == ["s1"]
    assert mosaic_labels.draw(inputs, groups=["b"]).data["sample"].unique().tolist() == ["s2"]


def test_unknown_classes_and_groups_are_named(mosaics):
    with pytest.raises(ValueError, match="unknown class 'rings'"):
        mosaic_labels.draw(mosaics, colors={"rings": "#ff0000"})
    with pytest.raises(ValueError, match=r"no image of the groups \['Boston'\]"):
        mosaic_labels.draw(mosaics, groups=["Boston"])


def measured(folder, run, split, maps, truth, full):
    """A record whose metrics are counted here, one image after the other."""
    rows = []
    for name, classes in maps.items():
        known = truth[name] < 255
        parts = {"": np.ones_like(known), "_labelled": known, "_unlabelled": ~known}
        for prefix, array in (("", classes), ("truth_", truth[name]), ("full_", full[name])):
            for ending, part in parts.items():
                if prefix == "truth_" and ending != "_labelled":
                    continue
                pieces = connected(np.where(part, array.astype(int) + 1, 0), background=0, connectivity=2)
                sizes = np.bincount(pieces.ravel())[1:] * 4e-6
                rows.append((name, f"{prefix}regions_per_mm2{ending}", sizes.size / sizes.sum()))
                rows.append(
                    (name, f"{prefix}small_region_share{ending}", sizes[sizes < 0.01].sum() / sizes.sum())
                )
        rows += [
            (name, f"mm2{ending}", parts[ending].sum() * 4e-6) for ending in ("_labelled", "_unlabelled")
        ]
    frame = pd.DataFrame(rows, columns=["sample", "metric", "value"])
    frame = frame.assign(study="m", run=run, split=split, seed=0, part="test", group="", **{"class": "all"})
    return RunRecord(
        run=run,
        label=run.upper(),
        split=split,
        seed=0,
        folder=folder,
        card={"data_source": "public"},
        metrics=frame,
        history=pd.DataFrame(),
    )


def test_regions_of_labels_and_runs(tmp_path):
    rng = np.random.default_rng(0)
    full = {name: np.kron(rng.integers(0, 3, (4, 4)), np.ones((16, 16))).astype(np.uint8) for name in "ab"}
    truth = {name: np.where(np.arange(64) < 40, one, 255).astype(np.uint8) for name, one in full.items()}
    noisy = {
        name: np.where(rng.random(one.shape) < 0.1, 1, one).astype(np.uint8) for name, one in full.items()
    }
    records = [
        measured(tmp_path, "good", "main", full, truth, full),
        measured(tmp_path, "bad", "main", noisy, truth, full),
    ]
    inputs = FigureInputs(runs=records, classes=CLASSES, data_kind="public")
    result = fragmentation.draw(inputs)
    assert "Labels are complete ones." in result.caption
    data = result.data.set_index(["label", "measure", "where"])["mean"]
    assert list(dict.fromkeys(data.index.get_level_values(0))) == ["labels", "GOOD", "BAD"]
    for label, maps in (("labels", full), ("GOOD", full), ("BAD", noisy)):
        regions = sum(connected(one.astype(int) + 1, connectivity=2).max() for one in maps.values())
        wanted = regions / (2 * 64 * 64 * 4e-6)
        assert data[label, "regions_per_mm2", "whole image"] == pytest.approx(wanted)
    outside = ("regions_per_mm2", "part without labels")
    assert data[("labels", *outside)] == data[("GOOD", *outside)] < data[("BAD", *outside)]
