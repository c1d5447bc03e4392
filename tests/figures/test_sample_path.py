# SPDX-License-Identifier: MIT
"""One sample on its way: which steps there are, what each says, and that windows are those of prediction."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib.collections import PatchCollection
from matplotlib.text import Text

from microtome import figures
from microtome.config.prediction import Predict
from microtome.figures.inputs import FigureInputs, find_sources
from microtome.figures.parts import slide_views, window_frames
from microtome.figures.parts.markers_reached import unreached
from microtome.figures.parts.steps import Step, columns_of, draw_steps
from microtome.figures.parts.style import PHANTOM_TAG, styled
from microtome.figures.save import render
from microtome.inference.overlap_tile import predict
from microtome.io import images, views
from microtome.io.section_boxes import read_table
from microtome.stages.slides import heatmaps
from microtome.stages.slides.heatmaps import Predictor, lay_out, predict_sections
from tests.figures.test_readable import check
from tests.phantom_slides import OPTIONS, write_study

WHOLE = Predict().model_dump(mode="json")


def settings(run, **told):
    """What the workflow tells of a run."""
    return {
        "runs": {run: {"view": "image", "input": {"zoom": 1.0}, "predict": WHOLE, "by_pixel": False} | told}
    }


def steps(result):
    return list(result.data["step"])


def detail(result, step):
    return result.data.set_index("step")["detail"][step]


@pytest.fixture(scope="module")
def slide_study(tmp_path_factory):
    counts = {"train": 1, "val": 1, "weak": 1, "test": 1}
    found = write_study(tmp_path_factory.mktemp("slides"), options=OPTIONS | {"height": 1000}, counts=counts)
    told = {"predict": Predict(window=64, overlap=0.25).model_dump(mode="json")}
    return replace(found, settings=settings("r34_ds", **told))


# --- which steps there are


def test_an_image_goes_through_probability_to_classes(study):
    told = settings("bce", segment={"kind": "threshold", "threshold": 0.5})
    result = figures.draw("sample_path", replace(study, settings=told), run="bce")
    assert steps(result) == ["image", "probability", "classes", "labels"]
    assert "whole image at once" in detail(result, "probability")
    assert detail(result, "classes") == "cell where p > 0.5"
    assert "In maps of classes membrane is black, cell white." in result.caption


def test_without_runs_the_way_ends_at_what_there_is_to_see(study):
    bare = FigureInputs(sources=find_sources([], [f.image for f in study.sources.values()]))
    result = figures.draw("sample_path", bare)
    assert steps(result) == ["image"]
    assert set(result.data["run"]) == {""}
    with pytest.raises(ValueError, match="no files of sample with"):
        figures.draw("sample_path", FigureInputs())


def test_an_image_of_nuclei_is_normalized_and_gives_objects(nuclei):
    result = figures.draw("sample_path", nuclei, run="shape", sample="n01")
    assert steps(result) == ["image", "normalized", "probability", "shape marker", "objects", "labels"]
    path = nuclei.sources["n01"].segmented["shape"]
    count = np.unique(images.read(path)[images.read(path) > 0]).size
    assert detail(result, "objects") == f"{count} in the image: mask > 0.1, marker > 0.1"
    assert detail(result, "normalized") == "stains by SPCN"


def test_results_of_objects_are_shown_in_the_part_with_most_of_them(nuclei):
    result = figures.draw("sample_path", nuclei, run="shape", sample="n01", crop=32)
    assert steps(result)[2] == "part shown"
    sizes = [image.get_array().shape[:2] for axes in result.figure.axes for image in axes.images]
    assert sizes == [(64, 64)] * 3 + [(32, 32)] * 4


def test_a_cube_is_calibrated_and_its_bands_chosen(melanoma):
    told = settings("hypernet_ce", view="bands", segment={"kind": "argmax"})
    result = figures.draw("sample_path", replace(melanoma, settings=told), run="hypernet_ce")
    assert steps(result) == ["raw cube", "transmittance", "8 bands", "probability", "classes", "labels"]
    assert detail(result, "8 bands").startswith("610 nm to 662 nm")
    raw = figures.draw(
        "sample_path", replace(melanoma, settings=settings("hypernet_raw", view="raw")), run="hypernet_raw"
    )
    assert steps(raw)[:2] == ["raw cube", "8 bands"]
    rgb = figures.draw("sample_path", replace(melanoma, settings=settings("cnn2d_rgb")), run="cnn2d_rgb")
    assert steps(rgb)[:2] == ["image", "probability"]


def test_a_mosaic_of_folds_is_shown_as_the_fold_made_it_that_tested_it(mosaics):
    told = settings("mednet3", predict=Predict(window=16, overlap=0.5).model_dump(mode="json"))
    result = figures.draw("sample_path", replace(mosaics, settings=told | {"downsample": 2}), run="mednet3")
    assert steps(result) == ["image", "windows", "one window", "probability", "classes", "labels"]
    assert "each the mean of 2 × 2 of the file" in detail(result, "image")
    name = result.data["sample"].iloc[0]
    fold = next(
        r
        for r in mosaics.runs
        if r.run == "mednet3" and name in set(r.metrics.query("part == 'test'")["sample"])
    )
    shown = mosaics.classes.index(detail(result, "probability").split()[1])
    drawn = result.figure.axes[3].images[0].get_array()
    expected = views.read_map(fold.folder / f"predictions/0/{name}.tif")[shown]
    np.testing.assert_allclose(drawn, expected, atol=1e-6)
    legend = [text.get_text() for text in result.figure.legends[0].get_texts()]
    assert legend == [*mosaics.classes, "unlabelled"]


def test_a_slide_goes_through_tissue_and_windows_to_its_call(slide_study):
    result = figures.draw("sample_path", slide_study)
    assert steps(result) == ["slide", "tissue", "windows", "one window", "probability", "call"]
    assert "called tumor" in detail(result, "call") and "labelled tumor" in detail(result, "call")
    looking = replace(slide_study, runs=[])
    assert steps(figures.draw("sample_path", looking)) == ["slide", "tissue"]
    with pytest.raises(ValueError, match="no labelled section of slide 'slide-000'"):
        figures.draw("sample_path", slide_study, sample="slide-000")


# --- windows


@pytest.mark.parametrize(
    "options",
    [
        {"window": 16, "overlap": 0.5},
        {"window": 20, "overlap": 0.3},
        {"window": 16, "overlap": 0.5, "border": 8},
    ],
)
def test_windows_of_an_image_are_those_that_are_predicted(options, tmp_path):
    path, shape = tmp_path / "a.tif", (40, 53)
    images.write(path, np.zeros(shape, np.uint8))
    asked = []

    def wanted(y, x, height, width):
        asked.append((y, x, height, width))
        return True

    predict(torch.nn.Identity().eval(), np.zeros((1, *shape), np.float32), wanted=wanted, **options)
    view = slide_views.open_view([tmp_path], "a")
    found = window_frames.over_image(view, Predict(**options).model_dump(), 1.0)
    assert [(box.y, box.x, box.height, box.width) for box in found.boxes] == asked
    assert found.told.startswith(f"{len(asked)} windows of {options['window']} × {options['window']} pixels")


def test_windows_of_a_resized_image_cover_more_of_it(tmp_path):
    images.write(tmp_path / "a.tif", np.zeros((64, 64), np.uint8))
    view = slide_views.open_view([tmp_path], "a")
    options = Predict(window=16, overlap=0).model_dump()
    found = window_frames.over_image(view, options, 0.5)
    assert {(box.height, box.width) for box in found.boxes} == {(32, 32)} and len(found.boxes) == 4
    assert window_frames.over_image(view, options, 0.25) is None
    assert window_frames.over_image(view, WHOLE, 1.0) is None


def test_windows_of_a_section_are_those_that_are_predicted(slide_study, monkeypatch):
    """Each window that `predict_sections` asks the network for in the section, and no other."""
    sample = figures.draw("sample_path", slide_study).data["sample"].iloc[0]
    (images_at,), (tissue_at,) = slide_study.files["images"], slide_study.files["tissue"]
    boxes = read_table(slide_study.files["sections"][0] / f"{sample}.tsv")
    source = views.open_raster(views.find_sample([images_at], sample))
    tissue = views.find_sample([tissue_at], sample)
    options = Predict(window=64, overlap=0.25)
    asked = []

    def record(_, part, *, wanted, **__):
        side, step = options.window, options.window - 16
        for y in starts(part.shape[1], side, step):
            for x in starts(part.shape[2], side, step):
                if wanted(y, x, side, side):
                    asked.append((part.area.y + y, part.area.x + x))

    monkeypatch.setattr(heatmaps, "predict", record)
    told = {"predict": options.model_dump(), "activation": "softmax", "classes": ["normal", "tumor"]}
    told |= {"outputs": [], "input": {}}
    network = torch.nn.Conv2d(3, 2, 1)
    predict_sections(
        Predictor(network, told),
        lay_out(source, {b.section: b for b in boxes}, 1),
        views.open_raster(tissue),
        None,
    )
    whole = slide_views.open_view([images_at], sample)
    found = {
        (round(one.y / source.scale[0]), round(one.x / source.scale[1]))
        for box in boxes
        for one in window_frames.over_section(whole.of(box), boxes, options.model_dump(), tissue).boxes
    }
    assert found == set(asked) and found


def starts(length, side, step):
    """Evenly spread, by the definition in Axis' docstring, in floating point."""
    count = int(np.ceil(max(length - side, 0) / step)) + 1
    return [int(np.floor(k * (length - side) / max(count - 1, 1) + 0.5)) for k in range(count)]


def test_the_window_framed_is_the_one_where_the_class_is_most_probable(mosaics):
    told = settings("mednet3", predict=Predict(window=12, overlap=0).model_dump(mode="json"))
    result = figures.draw("sample_path", replace(mosaics, settings=told), run="mednet3")
    axes = result.figure.axes[1]
    (frame,) = axes.patches
    drawn = [one for one in axes.collections if isinstance(one, PatchCollection)]
    assert len(drawn[0].get_paths()) == int(detail(result, "windows").split()[0])
    values = result.figure.axes[3].images[0].get_array()
    y, x = round(frame.get_y()), round(frame.get_x())
    means = [
        values[j : j + 12, i : i + 12].mean()
        for j in range(0, 37, 12)
        for i in range(0, values.shape[1] - 11, 12)
    ]
    assert values[y : y + 12, x : x + 12].mean() == pytest.approx(max(means))


# --- markers that are of no use


def faint(nuclei, folder, largest):
    """The inputs, with maps of run `shape` whose marker is below a value everywhere."""
    record = nuclei.record("shape")
    for path in sorted(record.folder.glob("predictions/*/*.tif")):
        maps = views.read_map(path)
        images.write(folder / f"shape/predictions/test-0/{path.name}", np.stack([maps[0], maps[1] * largest]))
    (folder / "shape/segmentations").symlink_to(record.folder / "segmentations")
    runs = [replace(one, folder=folder / "shape") if one.run == "shape" else one for one in nuclei.runs]
    found = list(nuclei.sources.values())
    sources = find_sources(runs, [f.image for f in found], [f.target for f in found])
    return replace(nuclei, runs=runs, sources=sources)


@pytest.mark.parametrize("kind", ["sample_path", "instance_outputs", "marker_comparison", "pipeline"])
def test_markers_below_the_threshold_are_said(kind, nuclei, tmp_path):
    below = faint(nuclei, tmp_path, 0.09)
    options = {"runs": ["centre", "shape"]} if kind == "marker_comparison" else {"run": "shape"}
    told = figures.draw(kind, below, **options)
    assert "o shape marker reaches the threshold of 0.1 in 20 joined pixels" in told.caption
    assert "nothing is cut apart" in told.caption
    assert "marker reaches" not in figures.draw(kind, nuclei, **options).caption
    if kind in ("instance_outputs", "marker_comparison"):
        texts = [text.get_text() for text in told.figure.findobj(Text)]
        assert "below the threshold everywhere" in texts


def test_a_marker_that_is_high_but_small_is_of_no_use_either(nuclei, tmp_path):
    record = replace(nuclei.record("shape"))
    maps = np.zeros((2, 16, 16), np.float32)
    maps[1, 2:6, 2:6] = 0.9
    images.write(tmp_path / "a.tif", maps)
    segment = {"kind": "watershed", "marker_threshold": 0.5, "min_marker_area": 17}
    assert "0.5 in 17 joined pixels (largest probability 0.90)" in unreached(
        record, tmp_path / "a.tif", segment
    )
    assert unreached(record, tmp_path / "a.tif", segment | {"min_marker_area": 16}) == ""
    assert unreached(record, tmp_path / "a.tif", {"kind": "threshold"}) == ""
    assert "0.5 in 17" in unreached(record, tmp_path / "a.tif", segment | {"mask_threshold": None})
    for tuned in ("marker_threshold", "min_marker_area"):
        assert unreached(record, tmp_path / "a.tif", segment | {tuned: None}) == ""


# --- how it looks


@pytest.mark.parametrize("name", ["study", "nuclei", "melanoma", "mosaics", "slide_study"])
def test_nothing_is_cut_off_or_covered(name, request):
    inputs = request.getfixturevalue(name)
    result = figures.draw("sample_path", inputs)
    check(result.figure)
    again = figures.draw("sample_path", inputs)
    assert render(result, "svg") == render(again, "svg")
    tagged = PHANTOM_TAG in [item.get_text() for item in result.figure.findobj(Text)]
    assert tagged == (inputs.data_kind == "phantom")


def test_long_texts_of_many_steps_are_readable():
    some = [
        Step(f"step {n}", lambda axes: axes.set(xticks=[], yticks=[]), 0.3 + 0.2 * n, "word " * 12)
        for n in range(9)
    ]
    check(styled(draw_steps)(some, data_kind="own"))
    assert columns_of(9) == 5
