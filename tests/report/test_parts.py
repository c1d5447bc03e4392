# SPDX-License-Identifier: MIT
import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from microtome.provenance import sidecars
from microtome.report import thumbnails
from microtome.report.benchmarks import read_benchmarks
from microtome.report.cases import rank
from microtome.report.inputs import ExpectedRun, RunInput, StudyMeta
from microtome.report.table_cells import cells_of
from microtome.tables.frame import Column, Table
from microtome.tables.parts.render import printed
from microtome.tables.parts.save import describe
from tests.report import tree


def run_with(values, *, name="a", seed=0, metric="dice", split="main"):
    rows = [
        ("s", split, name, seed, "test", sample, "all", metric, value) for sample, value in values.items()
    ]
    names = ["study", "split", "run", "seed", "part", "sample", "class", "metric", "value"]
    metrics = pd.DataFrame(rows, columns=names)
    return RunInput(ExpectedRun(name, split, seed), card={"network": {}}, metrics=metrics)


META = StudyMeta(name="s", title="S", data_source="own")


def test_images_are_ranked_by_the_mean_over_seeds_and_runs():
    runs = [
        run_with({"x": 0.5, "y": 0.9}),
        run_with({"x": 0.7, "y": 0.7}, seed=1),
        run_with({"x": 0.9, "y": 0.2}, name="b"),
    ]
    found = rank(runs, META)
    assert [row.sample for row in found.rows] == ["y", "x"]
    assert found.runs == ("a", "b")
    assert found.rows[0].values == pytest.approx((0.8, 0.2))
    assert found.run_means == pytest.approx((0.7, 0.55))


def test_lower_is_better_turns_the_ranking_round():
    error = {"metric": "pixel_error"}
    runs = [run_with({"x": 0.1, "y": 0.9}, **error), run_with({"x": 0.2, "y": 0.3}, name="b", **error)]
    found = rank(runs, META)
    assert [row.sample for row in found.rows] == ["y", "x"]
    assert found.runs == ("b", "a")
    assert found.detail[1][0] == "y"


def test_images_of_one_way_to_divide_the_samples_are_ranked():
    """No mean is taken over folds and clinics, and what is tested in clinics alone has no better mean."""
    runs = [
        run_with({"x": 0.5}, split="patients-0"),
        run_with({"y": 0.6}, split="patients-1"),
        run_with({"x": 0.9, "y": 0.1}, split="clinics"),
        run_with({"x": 1.0}, name="b", split="clinics"),
    ]
    found = rank(runs, replace(META, case_group="patients", case_splits=("patients-0", "patients-1")))
    assert [(row.sample, row.values) for row in found.rows] == [("x", (0.5,)), ("y", (0.6,))]
    assert (found.runs, found.group) == (("a",), "patients")
    assert rank(runs, META).rows[0].sample == "y"


def test_images_a_run_does_not_hold_have_no_value():
    found = rank([run_with({"x": 0.5}), run_with({"y": 0.4}, name="b")], META)
    assert [row.values for row in found.rows] == [(None, 0.4), (0.5, None)]


def test_an_unknown_metric_is_said():
    found = rank([run_with({"x": 0.5})], replace(META, case_metric="aji"))
    assert "the metric aji" in found.problem
    assert "dice" in found.problem


def test_benchmarks_add_up(tmp_path):
    tree.write_benchmarks(tmp_path)
    (tmp_path / "report.tsv").write_text("s\tmax_rss\n")
    usages = {usage.rule: usage for usage in read_benchmarks(tmp_path, {"membranes": None})}
    assert usages["train"].total_seconds == pytest.approx(174.0)
    assert (usages["train"].jobs, usages["train"].max_seconds, usages["train"].peak_mb) == (2, 90.75, 640.0)
    assert usages["split"].peak_mb is None
    assert usages["report"].unread == 1
    assert list(usages) == ["train", "split", "report"]


def test_cells_that_stand_in_the_file_are_not_changed():
    frame, columns = cells_of("# caption\nname\tvalue\n01\t0.50\n#2\t–\n", ())
    assert [column.label for column in columns] == ["name", "value"]
    assert [[text for text, _ in row] for row in printed(frame, columns)] == [["01", "0.50"], ["#2", "–"]]


@settings(deadline=None)
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_sidecars_round_trip(caption, note, units):
    sidecar = sidecars.TableSidecar(
        caption=caption, note=note, units=units, columns=(Column("v", "V", better="low"),)
    )
    assert sidecars.TableSidecar.parse(sidecars.dump(sidecar)) == sidecar


def test_the_sidecar_of_a_table_prints_like_the_table():
    table = Table(pd.DataFrame({"v": [1.0]}), (Column("v", "V", "s"),), "Title", "Note", ("phantom",))
    sidecar = describe(table)
    assert (sidecar.caption, sidecar.note, sidecar.units_text) == ("Title (phantom data)", "Note", "v: s")


@pytest.mark.parametrize("columns", ['[{"key": "v", "wrong": 1}]', "[3]", '["v"]'])
def test_wrong_columns_are_refused(columns):
    with pytest.raises(ValueError, match="columns"):
        sidecars.TableSidecar.parse(f'{{"caption": "c", "columns": {columns}}}')


@pytest.mark.parametrize(
    ("array", "options", "shape"),
    [
        (np.zeros((40, 30), np.uint8), {}, (40, 30)),
        (np.zeros((3, 40, 30), np.uint8), {"photometric": "rgb", "planarconfig": "separate"}, (3, 40, 30)),
        (np.zeros((40, 30, 3), np.uint8), {"photometric": "rgb"}, (3, 40, 30)),
        (np.zeros((16, 40, 30), np.uint16), {"photometric": "minisblack"}, (16, 40, 30)),
    ],
)
def test_overviews_are_channels_first(tmp_path, array, options, shape):
    tifffile.imwrite(tmp_path / "a.tif", array, **options)
    assert thumbnails.load_overview(tmp_path / "a.tif").shape == shape


def write_pyramid(path):
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(np.zeros((1024, 2048), np.uint8), subifds=2, tile=(128, 128))
        for level in (1, 2):
            tiff.write(
                np.full((1024 >> level, 2048 >> level), level, np.uint8), subfiletype=1, tile=(128, 128)
            )


def test_overviews_take_the_smallest_sufficient_level(tmp_path):
    write_pyramid(tmp_path / "a.tif")
    assert thumbnails.load_overview(tmp_path / "a.tif", longest=300).shape == (256, 512)
    assert thumbnails.load_overview(tmp_path / "a.tif", longest=600).shape == (512, 1024)


def test_large_images_without_a_pyramid_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(thumbnails, "SOURCE_PIXELS", 99)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((10, 10), np.uint8))
    with pytest.raises(ValueError, match="no pyramid"):
        thumbnails.load_overview(tmp_path / "a.tif")


def test_errors_are_red_and_unlabelled_pixels_grey():
    shown = thumbnails.show_errors(np.array([[0, 1, 1]]), np.array([[0, 0, 255]], np.uint8))
    assert shown[0, 1].tolist() == list(thumbnails.WRONG_COLOUR)
    assert shown[0, 2].tolist() == list(thumbnails.IGNORE_COLOUR)


def test_classes_have_the_colours_of_the_figures_and_errors_those_of_what_was_given():
    colors = ("#000000", "#56B4E9", "#E69F00")
    truth, found = np.array([[0, 1, 2, 255]], np.uint8), np.array([[0, 2, 2, 1]], np.uint8)
    shown = thumbnails.show_labels(truth, colors)[0].tolist()
    assert shown == [[0, 0, 0], [86, 180, 233], [230, 159, 0], list(thumbnails.IGNORE_COLOUR)]
    maps = np.eye(3, dtype=np.float32)[found[0]].T[:, None]
    assert thumbnails.show_probability(maps, colors)[0, 1].tolist() == [230, 159, 0]
    errors = thumbnails.show_errors(found, truth, colors)[0].tolist()
    right = [242, 242, 242]
    assert errors == [right, [230, 159, 0], right, list(thumbnails.IGNORE_COLOUR)]


def test_labels_of_one_class_have_one_colour_and_instances_are_shown():
    shown = thumbnails.show_labels(np.array([[0, 1, 1, 2, 500]], np.uint16))
    assert (shown[0, 1] == shown[0, 2]).all()
    assert len({tuple(colour) for colour in shown[0, [0, 1, 3]]}) == 3


@pytest.mark.parametrize("channels", [1, 2, 3, 6])
def test_probabilities_of_any_number_of_channels_are_shown(channels):
    shown = thumbnails.show_probability(np.ones((channels, 4, 5), np.float32) / channels)
    assert shown.shape == (4, 5, 3)
    assert shown.dtype == np.uint8


@pytest.mark.parametrize("dtype", [np.float32, np.uint8])
def test_of_the_maps_of_two_classes_the_second_is_shown(dtype):
    second = np.random.default_rng(0).random((4, 5), np.float32)
    scale = 1 if dtype == np.float32 else 255
    maps = (np.stack([1 - second, second]) * scale).astype(dtype)
    shown = thumbnails.show_probability(maps)[..., 0]
    assert np.abs(shown - second * 255).max() <= 1
    marked = np.stack([second, np.minimum(second, 0.3)])
    assert np.abs(thumbnails.show_probability(marked)[..., 0] - second * 255).max() <= 1


def test_figures_fit_their_budget():
    noise = np.random.default_rng(0).integers(0, 255, (400, 900, 3), np.uint8)
    for budget in (200_000, 60_000, 3_000):
        picture = thumbnails.encode_figure(Image.fromarray(noise), label="n", alt="n", budget=budget)
        assert len(picture.webp) <= budget
        assert bool(picture.webp) != bool(picture.problem)
    assert Image.open(io.BytesIO(picture.webp)).width if picture.webp else picture.problem


def test_drawings_stay_exact_at_their_own_size():
    drawing = np.zeros((300, 400, 3), np.uint8)
    drawing[::7], drawing[:, ::11] = (255, 0, 0), (0, 90, 255)
    picture = thumbnails.encode_figure(Image.fromarray(drawing), label="d", alt="d", budget=60_000)
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(picture.webp)).convert("RGB")), drawing)


def test_transparent_figures_get_a_white_page():
    clear = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture = thumbnails.encode_figure(clear, label="n", alt="n", budget=10_000)
    assert Image.open(io.BytesIO(picture.webp)).convert("RGB").getpixel((0, 0)) == (255, 255, 255)


@pytest.mark.parametrize(("kind", "studies"), [("phantom", ["membranes"]), ("own", "mine")])
def test_captions_are_jinja_and_rst(kind, studies):
    """With what the rules behind them have: no other wildcard, no other parameter."""
    docutils = pytest.importorskip("docutils.core")
    jinja2 = pytest.importorskip("jinja2")
    job = {
        "wildcards": {"study": "membranes", "name": "table_1"},
        "config": {"scale": "demo", "studies": studies},
        "params": {"state": json.dumps({"options": {"data_kind": kind}})},
    }
    captions = sorted((Path(__file__).parents[2] / "report").glob("*.rst"))
    assert [path.stem for path in captions] == ["figure", "html", "table", "workflow"]
    for path in captions:
        text = (
            jinja2.Environment(undefined=jinja2.StrictUndefined)
            .from_string(path.read_text())
            .render(snakemake=job)
        )
        html = docutils.publish_string(text, writer="html5", settings_overrides={"halt_level": 2})
        assert b"demo" in html
        told = path.stem in ("figure", "table")
        assert (b"Phantom data" in html) == (told and kind == "phantom")
        assert path.stem != "workflow" or (studies if kind == "own" else studies[0]).encode() in html
