# SPDX-License-Identifier: MIT
"""Figures of slides, drawn from a study of phantom slides: what they show is what the files hold."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.text import Text
from shapely.geometry import box, shape

from microtome import figures
from microtome.figures.kinds import (
    false_positive,
    section_heat_maps,
    section_labels,
    slide_annotations,
    tissue_sections,
)
from microtome.figures.parts import slide_views
from microtome.figures.parts.boxes import label_styles
from microtome.figures.parts.style import PHANTOM_TAG
from microtome.figures.save import render
from microtome.io import images
from microtome.io.failures import Failure
from microtome.io.section_boxes import Box, read_table
from microtome.provenance.section_calls import SECTIONS_NAME, read_sections
from tests.phantom_slides import BATCH, CLASSES, LEAST, THRESHOLD, write_study

KINDS = ("slide_annotations", "section_labels", "section_heat_maps", "false_positive", "tissue_sections")
SLIDE_MPP, MPP = 2.0, 4.0


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("slides"))


def with_sections(inputs, folder, change):
    """The inputs with another table of sections."""
    (run,) = inputs.runs
    frame = read_sections(run.folder / SECTIONS_NAME)
    moved = folder / run.run
    moved.mkdir()
    change(frame).to_csv(moved / SECTIONS_NAME, sep="\t", index=False)
    (moved / "predictions").symlink_to(run.folder / "predictions")
    return replace(inputs, runs=[replace(run, folder=moved)])


@pytest.mark.parametrize("kind", KINDS)
def test_draws_the_same_bytes_twice_and_tags_phantoms(kind, inputs):
    first, second = (figures.draw(kind, inputs) for _ in range(2))
    assert render(first, "svg") == render(second, "svg")
    assert first.caption.strip().endswith("Phantom images, not comparable with real ones.")
    assert PHANTOM_TAG in [item.get_text() for item in first.figure.findobj(Text)]


def test_areas_of_annotations_are_those_of_the_polygons_in_the_box(inputs):
    data = slide_annotations.draw(inputs).data
    assert set(data["region"]) == {"Tumornest", "Stroma", "Normal"}
    root = inputs.files["images"][0].parents[1] / "raw"
    for (sample, section), rows in data.groupby(["sample", "section"]):
        told = json.loads((root / f"annotations/{sample[-3:]}.geojson").read_text(encoding="utf-8"))
        found = next(
            one for one in read_table(inputs.files["sections"][0] / f"{sample}.tsv") if one.section == section
        )
        frame = box(found.x, found.y, found.right, found.bottom)
        for row in rows.itertuples():
            outlines = [
                shape(one["geometry"]).buffer(0)
                for one in told["features"]
                if one["properties"]["classification"]["name"] == row.region
            ]
            expected = sum(one.intersection(frame).area for one in outlines) * SLIDE_MPP**2 / 1e6
            assert row.area_mm2 == pytest.approx(expected, rel=0.06, abs=2e-4)


def test_annotated_slides_of_the_part_alone_and_named_ones(inputs):
    assert set(slide_annotations.draw(inputs, part="val").data["sample"]) == {"slide-002"}
    assert set(slide_annotations.draw(inputs, samples=["slide-001"]).data["sample"]) == {"slide-001"}
    with pytest.raises(ValueError, match=r"slides \['slide-003'\] have annotations.*'slide-000'"):
        slide_annotations.draw(inputs, samples=["slide-003"])
    with pytest.raises(ValueError, match="no slide of part 'test' has annotations"):
        slide_annotations.draw(inputs, part="test")


def test_without_regions_the_class_is_outlined(inputs):
    data = slide_annotations.draw(replace(inputs, regions={}), samples=["slide-000"]).data
    assert list(data["region"]) == ["tumor"]
    told = slide_annotations.draw(inputs, samples=["slide-000"]).data.set_index("region")["area_mm2"]
    assert data["area_mm2"].iloc[0] == pytest.approx(told["Tumornest"])


def test_labels_stand_in_colour_and_line_style(inputs):
    result = section_labels.draw(inputs)
    assert list(result.data["sample"].unique()) == ["slide-004", "slide-005"]
    styles = label_styles(CLASSES, "tumor")
    assert len({style["color"] for style in styles.values()}) == len(styles)
    assert len({str(style["linestyle"]) for style in styles.values()}) == len(styles)
    for axes, sample in zip(result.figure.axes, result.data["sample"].unique(), strict=True):
        drawn = {
            (patch.get_x(), patch.get_y(), patch.get_width(), patch.get_height())
            for patch in axes.patches
            if not patch.get_fill()
        }
        boxes = read_table(inputs.files["sections"][0] / f"{sample}.tsv")
        assert drawn == {(one.x, one.y, one.width, one.height) for one in boxes}


def test_sections_that_nobody_has_labelled_are_said_to_be_so(inputs, tmp_path):
    for path in inputs.files["sections"][0].glob("*.tsv"):
        table = pd.read_csv(path, sep="\t").assign(label="")
        table.to_csv(tmp_path / path.name, sep="\t", index=False)
    unlabelled = replace(inputs, files={**inputs.files, "sections": [tmp_path]})
    result = section_labels.draw(unlabelled, samples=["slide-004"])
    (legend,) = result.figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["not labelled"]
    with pytest.raises(ValueError, match="no slide of part 'trial' has sections"):
        section_labels.draw(inputs, part="trial")


def test_a_heat_map_of_each_type_those_with_tumour_first(inputs):
    data = section_heat_maps.draw(inputs).data
    assert list(data["group"]) == ["nodular", "sclerodermiform", "superficial", "none"]
    assert list(data["call"] == "tumor") == [True, True, True, False]
    for row in data.itertuples():
        whole = images.read(inputs.runs[0].folder / f"predictions/{BATCH}/{row.sample}.tif") / 255
        found = next(
            one
            for one in read_table(inputs.files["sections"][0] / f"{row.sample}.tsv")
            if one.section == row.section
        )
        step = MPP / SLIDE_MPP
        rows = slice(int(found.y / step), int(np.ceil(found.bottom / step)))
        columns = slice(int(found.x / step), int(np.ceil(found.right / step)))
        assert row.mean_probability == pytest.approx(whole[rows, columns].mean(), abs=1e-6)


def test_the_head_of_a_map_tells_the_call_and_the_area(inputs):
    result = section_heat_maps.draw(inputs)
    heads = [axes.get_title(loc="left") for axes in result.figure.axes]
    for row in result.data.itertuples():
        assert any(f"called {row.call}, {row.area:,.0f} µm²" in head for head in heads)


def test_groups_are_chosen_in_order_and_unknown_ones_refused(inputs):
    data = section_heat_maps.draw(inputs, groups=["none", "nodular"]).data
    assert list(data["group"]) == ["none", "nodular"]
    with pytest.raises(ValueError, match=r"no labelled section of groups \['adenoid'\]"):
        section_heat_maps.draw(inputs, groups=["adenoid"])


def test_without_groups_a_section_of_each_outcome_is_shown(inputs, tmp_path):
    plain = with_sections(inputs, tmp_path, lambda frame: frame.assign(group=""))
    data = section_heat_maps.draw(plain).data
    outcomes = list(zip(data["label"], data["call"], strict=True))
    assert len(set(outcomes)) == len(outcomes)
    assert outcomes[0] == ("tumor", "tumor")
    assert ("normal", "tumor") in outcomes


def test_the_false_positive_is_the_largest_and_its_part_holds_it(inputs):
    (row,) = false_positive.draw(inputs).data.to_dict("records")
    assert (row["label"], row["call"]) == ("normal", "tumor")
    frame = read_sections(inputs.runs[0].folder / SECTIONS_NAME)
    assert row["area"] == frame.loc[frame["label"] == "normal", "area"].max()
    whole = images.read(inputs.runs[0].folder / f"predictions/{BATCH}/{row['sample']}.tif") / 255
    step = MPP / SLIDE_MPP
    rows = slice(round(row["y"] / step), round((row["y"] + row["height"]) / step))
    columns = slice(round(row["x"] / step), round((row["x"] + row["width"]) / step))
    assert (whole[rows, columns] >= THRESHOLD).sum() * MPP**2 > LEAST
    assert (row["height"] * SLIDE_MPP, row["width"] * SLIDE_MPP) == (500, 500)


def test_without_a_false_positive_the_nearest_is_shown_and_said_to_be_right(inputs, tmp_path):
    right = with_sections(inputs, tmp_path, lambda frame: frame.assign(call=frame["label"]))
    result = false_positive.draw(right)
    assert "No section is called tumor wrongly" in result.caption
    with pytest.raises(ValueError, match="no section of slide 'none' is labelled otherwise"):
        false_positive.draw(inputs, sample="none")


def test_every_slide_is_in_the_table_and_as_many_drawn_as_asked_for(inputs):
    result = tissue_sections.draw(inputs, count=3, columns=2)
    assert list(result.data["sample"]) == [f"slide-{number:03d}" for number in range(8)]
    assert list(result.data["part"]) == ["train"] * 2 + ["val"] * 2 + ["test"] * 4
    assert (result.data["sections"] == result.data[["tumor", "normal", "unlabelled"]].sum(axis=1)).all()
    assert "3 of 8 slides" in result.caption
    assert len([axes for axes in result.figure.axes if axes.images]) == 3


def test_slides_that_cannot_be_read_are_counted_and_not_opened(inputs, tmp_path):
    failed = Failure("slide-007", "a.svs", "a damaged tile", "a.svs", "a whole file", "copy it again")
    failed.write(tmp_path)
    tissue = [*inputs.files["tissue"], tmp_path]
    result = tissue_sections.draw(replace(inputs, files={**inputs.files, "tissue": tissue}))
    assert dict(zip(result.data["sample"], result.data["status"], strict=True))["slide-007"] == "failed"
    assert "1 could not be read" in result.caption
    assert "not read" in [item.get_text() for item in result.figure.findobj(Text)]


@pytest.mark.parametrize("pixels", [40, 64, 500])
def test_layers_are_means_of_what_lies_below(inputs, pixels):
    whole = slide_views.open_view(inputs.files["images"], "slide-000")
    view = whole.of(Box(y=101, x=203, height=398, width=603))
    path = inputs.files["targets"][0] / "slide-000.tif"
    full = images.read(path)
    layer = slide_views.read_layer(path, view, lambda block: block[0].astype(float), pixels)
    step = MPP / SLIDE_MPP
    part = full[int(101 / step) : int(np.ceil(499 / step)), int(203 / step) : int(np.ceil(806 / step))]
    factor = round(layer.step[0] / step)
    for row, column in np.ndindex(layer.values.shape):
        block = part[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        assert layer.values[row, column] == pytest.approx(block.mean())
    assert max(layer.values.shape) < 2 * pixels
    assert layer.start == (int(101 / step) * step - 101, int(203 / step) * step - 203)


def test_bands_do_not_change_a_layer(inputs, monkeypatch):
    view = slide_views.open_view(inputs.files["images"], "slide-001")
    path = inputs.files["targets"][0] / "slide-001.tif"
    one = slide_views.read_layer(path, view, lambda block: block[0].astype(float), 100, most=True)
    monkeypatch.setattr(slide_views, "READ", 1000)
    other = slide_views.read_layer(path, view, lambda block: block[0].astype(float), 100, most=True)
    np.testing.assert_array_equal(one.values, other.values)


def test_a_picture_lies_where_its_mask_does(inputs):
    """Nests are darker than what is around them, at the resolution of the figure too."""
    view = slide_views.open_view(inputs.files["images"], "slide-000")
    picture = slide_views.read_picture(view, 300)
    path = inputs.files["targets"][0] / "slide-000.tif"
    mask = slide_views.read_layer(path, view, lambda block: block[0] == 1, 300)
    y, x = (centre for centre in mask.centres)
    rows, columns = (
        ((place - start) / step).astype(int).clip(0, length - 1)
        for place, start, step, length in zip(
            (y, x), picture.start, picture.step, picture.values.shape, strict=False
        )
    )
    seen = picture.values[rows][:, columns].mean(axis=-1)
    inside, tissue = mask.values > 0.9, seen < 0.85
    assert seen[inside].mean() < seen[tissue & ~inside].mean() - 0.05
