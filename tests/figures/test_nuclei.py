# SPDX-License-Identifier: MIT
"""Figures of a study of objects: what is drawn, what stands behind it, what is refused."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgba
from matplotlib.text import Text

from microtome import figures
from microtome.figures.inputs import FigureInputs, SampleSources, find_sources
from microtome.figures.kinds import network_blocks
from microtome.figures.kinds.stain_vectors import angle
from microtome.figures.parts import objects, samples
from microtome.figures.parts.flow_diagram import Stage, draw_flow
from microtome.figures.parts.panels import read_output, read_probability
from microtome.figures.parts.pictures import shorten
from microtome.figures.parts.style import styled
from microtome.figures.save import render
from microtome.io import images
from microtome.io.views import read_map
from microtome.metrics.instances import score
from tests.synthetic_nuclei import ORGANS, STAIN, found_objects, stained
from tests.synthetic_nuclei import nuclei as draw_nuclei


def texts(result):
    return [item.get_text() for item in result.figure.findobj(Text) if item.get_text()]


def lines_of(axes, colour):
    """Outlines in a colour."""
    found = [c for c in axes.collections if isinstance(c, LineCollection)]
    return sum(len(c.get_segments()) for c in found if tuple(c.get_colors()[0]) == to_rgba(colour))


# --- objects


def test_touching_objects_differ_in_colour_and_have_a_line_between_them():
    labels = np.zeros((9, 12), np.int32)
    labels[2:7, 1:6], labels[2:7, 6:11] = 3, 4
    colored = objects.colour_labels(labels, background=(0, 0, 0))
    assert not np.allclose(colored[4, 3], colored[4, 8])
    assert np.allclose(colored[4, 5:7], 0)  # the border
    assert not np.allclose(colored[2, 3], 0)  # the rim beside background stays
    assert np.array_equal(colored, objects.colour_labels(labels, background=(0, 0, 0)))


def test_outcomes_agree_with_panoptic_quality():
    truth = draw_nuclei(96, seed=3)
    found = found_objects(truth, faults=0.3, seed=1)
    outcomes, quality = objects.match(truth, found), score(truth, found).panoptic
    sizes = [outcomes.matched.size, outcomes.false_positive.size, outcomes.missed.size]
    assert sizes == [quality.true_positives, quality.false_positives, quality.false_negatives]
    assert min(sizes) > 0


def test_outlines_follow_the_edges_of_the_pixels():
    labels = np.zeros((6, 7), np.int32)
    labels[1:4, 2:6] = 8
    labels[5, 0] = 2
    (line,) = objects.outlines(labels, [8])
    assert line.min(axis=0).tolist() == [1.5, 0.5]
    assert line.max(axis=0).tolist() == [5.5, 3.5]
    assert np.array_equal(line[0], line[-1])
    assert len(objects.outlines(labels)) == 2


def test_densest_window_holds_most_of_the_objects():
    rng = np.random.default_rng(0)
    labels = (rng.uniform(size=(23, 31)) < 0.2).astype(np.int32)
    window = objects.densest_window(labels, 7)
    counts = [labels[y : y + 7, x : x + 7].sum() for y in range(23 - 6) for x in range(31 - 6)]
    assert window.of(labels).sum() == max(counts)
    assert window.of(labels).shape == (7, 7)
    assert objects.densest_window(labels, 0).of(labels).shape == labels.shape
    assert objects.densest_window(labels, 25).of(labels).shape == (23, 25)


def test_labels_must_be_one_channel_of_integers(tmp_path):
    images.write(tmp_path / "a.tif", np.zeros((4, 4), np.float32))
    with pytest.raises(ValueError, match="integer object ids"):
        objects.read_labels(tmp_path / "a.tif")


# --- choosing samples


def test_samples_of_different_groups_come_first(nuclei):
    chosen = [name for name, _ in samples.choose_samples(nuclei, count=4, needs=("image",))]
    assert [nuclei.groups[name] for name in chosen[:3]] == list(ORGANS)
    assert chosen[3] == "n03"
    named = samples.choose_samples(nuclei, samples=["n02"], groups=["liver"])
    assert [name for name, _ in named] == ["n02"]
    assert [n for n, _ in samples.choose_samples(nuclei, groups=["brain", "liver"])] == ["n02", "n00"]


def test_samples_are_ranked_by_a_score(nuclei):
    record = nuclei.record("shape")
    worst, best = (samples.rank_samples(record, "aji", order) for order in ("worst", "best"))
    assert worst["value"].is_monotonic_increasing
    assert worst["sample"].tolist() == best["sample"].tolist()[::-1]
    result = figures.draw("instance_results", nuclei, run="shape", order="worst", count=2)
    assert result.data["sample"].tolist() == worst["sample"].tolist()[:2]
    with pytest.raises(ValueError, match="order is 'first'"):
        figures.draw("instance_results", nuclei, order="first")


def test_a_group_that_is_not_there_is_named(nuclei):
    with pytest.raises(ValueError, match=r"no sample of group 'lung'.*brain.*kidney.*liver"):
        figures.draw("instance_results", nuclei, groups=["lung"])


# --- figures


def test_results_draw_every_object_in_the_colour_of_its_outcome(nuclei):
    result = figures.draw("instance_results", nuclei, run="shape", samples=["n03"], crop=0)
    row = result.data.iloc[0]
    truth, found = (
        objects.read_labels(p)
        for p in (nuclei.sources["n03"].instances, nuclei.sources["n03"].segmented["shape"])
    )
    outcomes = objects.match(truth, found)
    panel = result.figure.axes[2]
    for name, ids, labels in (
        (objects.RIGHT, outcomes.matched, found),
        (objects.WRONG, outcomes.false_positive, found),
        (objects.MISSED, outcomes.missed, truth),
    ):
        assert lines_of(panel, objects.STYLES[name]["color"]) == len(objects.outlines(labels, ids))
    assert row[["matched", "false_positive", "missed"]].tolist() == [
        outcomes.matched.size,
        outcomes.false_positive.size,
        outcomes.missed.size,
    ]
    evaluated = nuclei.record("shape").metrics.query("sample == 'n03' and metric == 'aji'")["value"].item()
    assert row["aji"] == pytest.approx(evaluated)
    assert f"AJI {evaluated:.2f}" in texts(result)
    assert any(text.endswith("µm") for text in texts(result))  # the files say their pixel size


def test_a_part_of_an_image_keeps_the_outcomes_of_the_whole(nuclei):
    whole = figures.draw("instance_results", nuclei, run="shape", crop=0)
    part = figures.draw("instance_results", nuclei, run="shape", crop=20)
    pd.testing.assert_frame_equal(whole.data, part.data)
    assert "20×20" in part.caption
    assert "pixels with most" not in whole.caption


def test_targets_say_what_share_the_markers_take(nuclei):
    result = figures.draw("instance_targets", nuclei, samples=["n01"], crop=0)
    sources = nuclei.sources["n01"]
    for what in ("shape_marker", "centre_marker"):
        share = (images.read(getattr(sources, what)) > 0).mean()
        assert result.data[f"{what}_share"].item() == pytest.approx(share)
    assert len(result.figure.axes) == 5
    alone = replace(nuclei, sources={"n01": replace(sources, shape_marker=None, centre_marker=None)})
    assert len(figures.draw("instance_targets", alone).figure.axes) == 3


def test_markers_are_compared_with_and_without_runs(nuclei):
    full = figures.draw("marker_comparison", nuclei)
    assert full.data["run"].tolist() == ["centre", "shape"]
    assert full.data["aji"].notna().all()
    half = figures.draw("marker_comparison", nuclei, runs=["shape"])
    assert half.data["run"].tolist() == ["", "shape"]
    assert "no run" in texts(half)
    bare = figures.draw("marker_comparison", replace(nuclei, runs=()))
    assert len(bare.figure.axes) == 4
    assert "aji" not in bare.data


def test_stain_panels_show_the_target_or_its_stains(nuclei):
    result = figures.draw("stain_panels", nuclei, count=9)
    assert "n00" not in result.data["sample"].tolist()
    assert len(result.data) == 3
    rest = {name: files for name, files in nuclei.sources.items() if name != "n00"}
    swatches = figures.draw("stain_panels", replace(nuclei, sources=rest))
    assert "rising amounts" in swatches.caption
    with pytest.raises(ValueError, match="no stain normalization 'other'"):
        figures.draw("stain_panels", nuclei, stain="other")
    with pytest.raises(ValueError, match="no stain normalization ''"):
        figures.draw("stain_vectors", replace(nuclei, stain_targets={}))


def test_normalization_brings_stain_vectors_closer_to_the_target(nuclei):
    data = figures.draw("stain_vectors", nuclei).data
    angles = data.groupby(["when", "sample"])["angle"].max().unstack("when")
    assert (angles.loc[["n01", "n03"], "after"] < angles.loc[["n01", "n03"], "before"]).all()
    assert "n00" not in set(data["sample"])
    assert angle(np.array([0, 2.0, 0]), np.array([0, 0, 3.0])) == pytest.approx(90)


def test_an_image_left_unchanged_has_no_vectors(nuclei, tmp_path):
    path = tmp_path / "n01.json"
    path.write_text('{"sample": "n01", "fallback": "unchanged: no tissue"}')
    changed = replace(nuclei.sources["n01"], stain_reports={STAIN: path})
    data = figures.draw("stain_vectors", replace(nuclei, sources={**nuclei.sources, "n01": changed})).data
    assert set(data["sample"]) == {"n02", "n03"}


def test_the_pipeline_leaves_out_what_a_run_does_without(nuclei):
    full = figures.draw("pipeline", nuclei, run="shape")
    assert full.data["step"].tolist() == [
        "image",
        "normalized",
        "augmented",
        "USE-Net",
        "mask and shape marker",
        "objects",
    ]
    assert full.data["pictures"].tolist() == [1, 1, 3, 0, 2, 1]
    assert "12 copies of each" in full.data["detail"][2]
    assert {"SPCN", "train", "predict", "watershed"} <= set(texts(full))
    plain = {"stain": None, "outputs": ["mask"], "augment": {}, "sampler": {}}
    record = replace(nuclei.record("shape"), card={**nuclei.record("shape").card, "outputs": ["mask"]})
    sources = {"n00": replace(nuclei.sources["n00"], predictions={})}
    bare = replace(nuclei, runs=[record], sources=sources, settings={"runs": {"shape": plain}})
    result = figures.draw("pipeline", bare)
    assert result.data["step"].tolist() == ["image", "USE-Net", "mask", "objects"]
    assert result.data["pictures"].tolist() == [1, 0, 0, 1]
    assert "predict" not in texts(result)
    assert render(result, "svg")


def test_pictures_of_oblong_images_can_be_turned(nuclei, tmp_path):
    labels = draw_nuclei(64)[:40]
    images.write(tmp_path / "a.tif", stained(labels))
    images.write(tmp_path / "b.tif", labels)
    sources = {"a": SampleSources(image=tmp_path / "a.tif", instances=tmp_path / "b.tif")}
    turned = {"runs": {"shape": {"stain": None, "augment": {"rotate90": 1.0}, "sampler": {"repeats": 3}}}}
    for crop in (0, 50):
        result = figures.draw(
            "pipeline", replace(nuclei, sources=sources, settings=turned), run="shape", crop=crop
        )
        assert "anew, 3× per epoch, quarter turns" in result.data["detail"].tolist()


def test_an_empty_stage_is_a_frame():
    stages = [Stage("picture", ("image",)), Stage("network", ("net",)), Stage("picture", ("map",), (None,))]
    figure = styled(draw_flow)(stages, data_kind="public")
    assert len(figure.axes[0].images) == 0


# --- files, channels, other kinds


def test_files_beside_targets_and_in_run_folders_are_found(nuclei, tmp_path):
    sources = nuclei.sources["n02"]
    assert sources.instances.parent.name == "instances"
    assert sources.shape_marker.parent.name == "shape_markers"
    assert sources.segmented["shape"].parts[-3:-1] == ("test-0", "instances")
    assert sources.segmentations["shape"].parent.name == "test-0"
    assert sources.stain_reports[STAIN].suffix == ".json"
    only = find_sources([], [], stains={STAIN: [sources.normalized[STAIN]]})
    assert only["n02"].image is None
    assert only["n02"].normalized == {STAIN: sources.normalized[STAIN]}


def test_the_mask_channel_is_the_probability_of_the_class(nuclei):
    path, outputs = nuclei.sources["n00"].predictions["shape"], ("mask", "shape_marker")
    array = images.read(path)
    mask = read_probability(path, nuclei, outputs=outputs)
    assert np.array_equal(mask, array[..., 0])
    assert np.array_equal(read_probability(path, nuclei, "background", outputs=outputs), 1 - mask)
    assert np.array_equal(read_output(path, outputs, "shape_marker"), array[..., 1])
    with pytest.raises(ValueError, match=r"2 channel\(s\), the run's outputs are .'mask'."):
        read_probability(path, nuclei, outputs=("mask",))
    result = figures.draw("sample_panel", nuclei, run="shape", sample="n00")
    truth = images.read(nuclei.sources["n00"].target)
    assert result.data.set_index("class").loc["nucleus", "mean_probability"] == pytest.approx(
        mask[truth == 1].mean()
    )


@pytest.mark.parametrize("kind", ["worst_cases", "difference_map", "overlap_tile", "loss_curves"])
def test_kinds_of_other_studies_show_nuclei(kind, nuclei):
    options = {"worst_cases": {"metric": "aji", "count": 2}}.get(kind, {})
    result = figures.draw(kind, nuclei, **options)
    assert render(result, "svg")
    if kind == "difference_map":
        assert set(result.data["class"]) == {"nucleus"}


def test_long_names_are_written_along_their_row(nuclei):
    long = "TCGA-21-5784-01Z-00-DX1"
    record = nuclei.record("shape")
    metrics = record.metrics.assign(sample=record.metrics["sample"].replace("n00", long))
    inputs = replace(
        nuclei,
        runs=[replace(record, metrics=metrics)],
        sources={long: nuclei.sources["n00"], **nuclei.sources},
    )
    figure = figures.draw("worst_cases", inputs, metric="aji", lowest_first=False, count=4).figure
    label = next(axes.yaxis.label for axes in figure.axes if "TCGA" in axes.get_ylabel())
    assert label.get_rotation() == 90
    assert shorten(long, 40) == long
    assert len(shorten(long, 9)) == 9


def test_a_figure_of_objects_needs_them(nuclei):
    bare = FigureInputs(runs=nuclei.runs, sources={"n00": SampleSources(image=nuclei.sources["n00"].image)})
    for kind in ("instance_targets", "instance_results", "marker_comparison"):
        with pytest.raises(ValueError, match="no files of sample with"):
            figures.draw(kind, bare)


def test_outputs_are_those_of_the_run_not_the_targets(nuclei):
    data = figures.draw("instance_outputs", nuclei, run="shape", samples=["n01"]).data.iloc[0]
    maps = read_map(nuclei.sources["n01"].predictions["shape"])
    assert data["mean_mask"] == pytest.approx(maps[0].mean())
    assert data["mean_shape_marker"] == pytest.approx(maps[1].mean())
    found = images.read(nuclei.sources["n01"].segmented["shape"])
    assert data["objects"] == np.unique(found[found > 0]).size
    record = nuclei.record("shape")
    other = replace(nuclei, runs=[replace(record, card={**record.card, "outputs": ["mask"]})])
    with pytest.raises(ValueError, match=r"the outputs .'mask'. and a map of sample 'n01' with 2 channels"):
        figures.draw("instance_outputs", other, samples=["n01"])


@pytest.mark.parametrize(
    ("encoder", "title", "scaled"),
    [("seresnet50", "SE bottleneck of the encoder", 4), ("resnet18", "residual block of the encoder", 0)],
)
def test_blocks_are_those_of_the_network_as_built(encoder, title, scaled):
    blocks = network_blocks.blocks_of({"name": "usenet", "encoder": encoder, "width": 8})
    assert list(blocks) == ["block of the decoder", title]
    kinds = [layer.kind for layer in blocks["block of the decoder"]]
    assert kinds == ["convolution", "norm", "activation"] * 2
    assert sum(layer.path == "scale" for layer in blocks[title]) == scaled
    assert blocks[title][-1].text == "ReLU"
    with pytest.raises(ValueError, match="no stages of residual blocks"):
        network_blocks.blocks_of({"name": "unet", "width": 4})
