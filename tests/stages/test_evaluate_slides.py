# SPDX-License-Identifier: MIT
"""Measuring slides: heat-maps on pixels window by window, calls on sections, failed and unlabelled ones."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest

from microtome.class_maps import IGNORE
from microtome.io import images
from microtome.io.failures import Failure
from microtome.io.raster import ArraySource
from microtome.metrics import calibration
from microtome.metrics.overlap import confusion_matrix
from microtome.provenance.runs import read_metrics
from microtome.provenance.section_calls import CALL_COLUMNS, read_sections
from microtome.stages.slides.evaluate import Decision, count_pixels, count_probabilities, evaluate_slides

CLASSES = ("normal", "tumor")
TUMOR = Decision(CLASSES, ("tumor",))
OPTIONS = {
    **{"study": "bcc", "split": "published", "run": "unet", "seed": 0},
    **{"classes": list(CLASSES), "metrics": ["overlap", "sections"], "betas": [], "mean_classes": []},
    **{"stored": ["tumor"], "called": "tumor"},
    "samples": {"a": "val", "weak": "test", "broken": "test"},
    "groups": {"a": "nodular", "weak": "", "broken": ""},
    "units": {"a": "p1", "weak": "", "broken": ""},
}


def calls(*rows):
    return pd.DataFrame([dict(zip(CALL_COLUMNS, row, strict=True)) for row in rows])


@pytest.fixture
def folders(tmp_path):
    """An annotated slide with two sections, a weak one, of which a section has no label, and a broken one."""
    for name in ("calls", "predictions", "targets"):
        (tmp_path / name).mkdir()
    truth = np.zeros((40, 60), np.uint8)
    truth[10:30, 10:40] = 1
    truth[:, 50:] = IGNORE
    heat = np.where(np.arange(60) < 25, 200, 20) * np.ones((40, 1))
    images.write(tmp_path / "targets/a.tif", truth, mpp=1.0)
    images.write(tmp_path / "predictions/a.tif", heat.astype(np.uint8), mpp=1.0, channels=["tumor"])
    tables = {
        "a": calls((1, "tumor", "tumor", 900.0, 0.8, 0.5, 100.0), (2, "normal", "", 0.0, 0.1, 0.5, 100.0)),
        "weak": calls((1, "normal", "tumor", 900.0, 0.8, 0.5, 100.0), (2, "", "", 0.0, 0.1, 0.5, 100.0)),
    }
    for name, table in tables.items():
        table.to_csv(tmp_path / f"calls/{name}.tsv", sep="\t", index=False)
    for name in ("calls", "predictions"):
        Failure("broken", "b.svs", "a tile cut short", "b.svs", "a whole file", "copy it").write(
            tmp_path / name
        )
    return {name: [tmp_path / name] for name in ("calls", "predictions", "targets")}


@pytest.fixture
def written(folders, tmp_path):
    paths = tmp_path / "metrics.tsv", tmp_path / "sections.tsv"
    evaluate_slides(OPTIONS, folders, *paths)
    return read_metrics(paths[0]), read_sections(paths[1])


def value(metrics, sample, metric, of="all"):
    rows = metrics[(metrics["sample"] == sample) & (metrics["metric"] == metric) & (metrics["class"] == of)]
    return rows["value"].item()


def test_pixels_of_an_annotated_slide_are_those_of_the_whole_maps(written):
    metrics, _ = written
    both, either = 20 * 15, 40 * 25 + 20 * 15
    assert value(metrics, "a", "iou", "tumor") == pytest.approx(both / either)
    assert value(metrics, "a", "pixels@tumor", "tumor") == both
    assert set(metrics.loc[metrics["sample"] == "a", "group"]) == {"nodular"}


def test_slides_without_annotations_or_that_failed_have_no_pixel_metrics_and_stay_paired(written):
    metrics, _ = written
    for sample in ("weak", "broken"):
        assert np.isnan(value(metrics, sample, "iou", "tumor"))
    names = [set(of["metric"]) for _, of in metrics.groupby("sample")]
    assert names[0] == names[1] == names[2]


def test_calls_are_counted_against_labels(written):
    metrics, _ = written
    assert value(metrics, "a", "section_accuracy") == 1
    assert [value(metrics, "weak", f"sections_{name}") for name in ("tp", "fp", "fn", "tn")] == [0, 1, 0, 0]
    assert np.isnan(value(metrics, "broken", "sections_fp"))


def test_every_section_is_listed_with_its_status(written):
    _, sections = written
    expected = [("a", "p1", "done"), ("a", "p1", "done"), ("weak", "weak", "done")]
    expected += [("weak", "weak", "unlabelled"), ("broken", "broken", "failed")]
    assert list(sections[["sample", "unit", "status"]].itertuples(index=False, name=None)) == expected
    assert sections["section"].tolist()[:4] == [1, 2, 1, 2]
    assert sections.loc[1, "call"] == ""


def test_each_family_is_measured_where_it_is_asked_for(folders, tmp_path):
    paths = tmp_path / "metrics.tsv", tmp_path / "sections.tsv"
    evaluate_slides(OPTIONS | {"metrics": ["sections"]}, folders, *paths)
    assert read_metrics(paths[0])["metric"].str.startswith("section").all()
    evaluate_slides(OPTIONS | {"metrics": ["overlap"]}, folders, *paths)
    assert not read_metrics(paths[0])["metric"].str.startswith("section").any()
    assert len(read_sections(paths[1])) == 5


def test_probabilities_of_annotated_slides_are_counted_window_by_window(folders, tmp_path):
    paths = tmp_path / "metrics.tsv", tmp_path / "sections.tsv"
    evaluate_slides(OPTIONS | {"metrics": ["calibration"]}, folders, *paths)
    metrics = read_metrics(paths[0])
    sure = np.where(np.arange(50) < 25, 200, 20) / 255
    truth = images.read(folders["targets"][0] / "a.tif")[:, :50]
    gaps = [sure[part].mean() - truth[:, part].mean() for part in (np.s_[:25], np.s_[25:])]
    assert value(metrics, "a", "ece", "tumor") == pytest.approx(np.abs(gaps).mean(), abs=1e-6)
    assert value(metrics, "a", "brier", "normal") == pytest.approx(((sure - truth) ** 2).mean(), abs=1e-6)
    assert metrics.loc[metrics["sample"] != "a", "value"].isna().all()


@pytest.mark.parametrize("stored", [("tumor",), ("normal",), ()])
@pytest.mark.parametrize("factor", [1, 4])
def test_probabilities_in_windows_are_those_of_the_whole_slide(stored, factor):
    rng = np.random.default_rng(factor)
    truth = rng.choice([0, 1, IGNORE], (101, 83)).astype(np.uint8)
    heat = rng.integers(0, 256, (len(stored or CLASSES), -(-101 // factor), -(-83 // factor)), np.uint8)
    heat[-1] = heat[-1] if stored else 255 - heat[0]
    found = count_probabilities(
        ArraySource(truth[None]), ArraySource(heat), Decision(CLASSES, stored), factor=factor, window=16
    )
    shares = heat.repeat(factor, 1).repeat(factor, 2)[:, :101, :83] / np.float32(255)
    tumor = 1 - shares[0] if stored == ("normal",) else shares[-1]
    expected = calibration.count(np.stack([1 - tumor, tumor]), truth, floor=1 / 510)
    np.testing.assert_allclose(found.bins, expected.bins, atol=1e-3)
    assert found.surprise == pytest.approx(expected.surprise, rel=1e-5)


def test_missing_calls_are_named(folders, tmp_path):
    (folders["calls"][0] / "weak.tsv").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file 'weak.tsv' in .*calls"):
        evaluate_slides(OPTIONS, folders, tmp_path / "m.tsv", tmp_path / "s.tsv")
    assert not (tmp_path / "m.tsv").exists()


def test_a_map_on_another_lattice_is_refused_by_name(folders, tmp_path):
    images.write(folders["predictions"][0] / "a.tif", np.zeros((40, 50), np.uint8), mpp=1.0)
    with pytest.raises(ValueError, match=r"a.tif: found 40 rows x 50 columns, expected 40 x 60"):
        evaluate_slides(OPTIONS, folders, tmp_path / "m.tsv", tmp_path / "s.tsv")


@pytest.mark.parametrize("factor", [1, 4, 16])
@pytest.mark.parametrize("window", [16, 48, 4096])
def test_windows_count_as_the_whole_slide(factor, window):
    rng = np.random.default_rng(factor)
    truth = rng.choice([0, 1, IGNORE], (101, 83)).astype(np.uint8)
    heat = rng.integers(0, 256, (-(-101 // factor), -(-83 // factor)), np.uint8)
    rows, columns = np.arange(101) // factor, np.arange(83) // factor
    whole = (heat[rows][:, columns] / 255 >= 0.5).astype(np.uint8)
    found = count_pixels(ArraySource(truth), ArraySource(heat), TUMOR, factor=factor, window=window)
    pd.testing.assert_frame_equal(found, confusion_matrix(truth, whole, classes=list(CLASSES)))


def test_no_window_grows_with_the_slide():
    """A slide far wider than memory should be, of which every pixel is annotated in a corner alone."""
    read = []

    @dataclass(frozen=True)
    class Wide:
        shape: tuple[int, int, int]

        def read(self, y, x, height, width):
            read.append(height * width)
            return np.full((1, height, width), 0 if (y, x) == (0, 0) else IGNORE, np.uint8)

    found = count_pixels(Wide((1, 5000, 400_000)), Wide((1, 1250, 100_000)), TUMOR, factor=4)
    assert found.to_numpy().sum() == max(read) == 2048**2


@pytest.mark.parametrize("factor", [1, 255])
def test_half_the_probability_is_enough(factor):
    maps = np.array([[[0.499, 0.5]]], np.float32) * factor
    assert TUMOR(maps if factor == 1 else np.round(maps).astype(np.uint8)).tolist() == [[0, 1]]


def test_several_stored_classes_are_told_apart_by_the_largest():
    maps = np.array([[[0.1, 0.2]], [[0.7, 0.3]], [[0.2, 0.5]]], np.float32)
    assert Decision(("a", "b", "c"))(maps).tolist() == [[1, 2]]
    assert Decision(("a", "b", "c"), ("c", "b", "a"))(maps).tolist() == [[1, 0]]
    nothing = np.zeros((3, 1, 1), np.uint8)
    assert Decision(("a", "b", "c"), ("c", "b", "a"))(nothing).tolist() == [[0]]
    with pytest.raises(ValueError, match=r"holds \['b'\] of the classes .* set predict.store.classes"):
        Decision(("a", "b", "c"), ("b",))
