# SPDX-License-Identifier: MIT
"""Segmentations of other tools: values worked out by hand, how files find each other, what is refused."""

import json

import numpy as np
import pandas as pd
import pytest
import tifffile
from scipy.stats import wilcoxon

from microtome.__main__ import main
from microtome.config.scoring import Scoring
from microtome.faults import ConfigurationError
from microtome.io import images
from microtome.io.label_images import read as read_labels
from microtome.stages.score import match, score

OBJECTS = Scoring(kind="instances")


def squares(*corners, side=10, shape=(40, 60)):
    """A map of square objects by their upper left corners."""
    labels = np.zeros(shape, np.uint16)
    for number, (row, column) in enumerate(corners, start=1):
        labels[row : row + side, column : column + side] = number
    return labels


def geojson(path, *boxes):
    """Squares as QuPath writes them: corner, side and class."""
    features = [
        {
            "type": "Feature",
            "geometry": {
                "type": "Polygon",
                "coordinates": [[[x, y], [x + side, y], [x + side, y + side], [x, y + side], [x, y]]],
            },
            "properties": {"objectType": "detection", "classification": {"name": name}},
        }
        for x, y, side, name in boxes
    ]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))


def write(folder, **maps):
    folder.mkdir(parents=True, exist_ok=True)
    for name, labels in maps.items():
        images.write_png(folder / f"{name}.png", labels)
    return folder


def values(folder, run="tool"):
    frame = pd.read_csv(folder / "metrics.tsv", sep="\t")
    frame = frame[frame["run"] == run]
    return frame.set_index(["sample", "class", "metric"])["value"]


def test_objects_by_hand(tmp_path):
    truth = write(tmp_path / "truth", a=squares((0, 0), (0, 20)), b=squares((5, 5)))
    # a: the first object shifted by 2 columns (80 of 100 pixels shared), the second missed, one invented.
    found = write(tmp_path / "tool", a=squares((0, 2), (20, 40)), b=squares((5, 5)))
    score(truth, {"tool": found}, tmp_path / "out", scoring=OBJECTS)
    got = values(tmp_path / "out")
    assert got["a", "all", "aji"] == pytest.approx(80 / (120 + 100 + 100))
    assert got["a", "all", "pq"] == pytest.approx(80 / 120 / (1 + 0.5 + 0.5))
    assert got["a", "all", "dice"] == pytest.approx(2 * 80 / (200 + 200))
    assert got["b", "all", "aji"] == got["b", "all", "object_f1"] == 1
    table = pd.read_csv(tmp_path / "out/scores.tsv", sep="\t")
    assert table.loc[0, "aji"] == pytest.approx((80 / 320 + 1) / 2)
    assert table.loc[0, "n"] == 2


def test_classes_by_hand_with_ignored_pixels(tmp_path):
    truth = np.repeat(np.array([[0, 50, 100, 255]], np.uint8), 4, axis=0)
    found = np.where(truth == 255, 0, truth)
    found[0] = [50, 50, 50, 50]
    scoring = Scoring(classes={"stroma": 0, "tumour": 50, "fat": 100}, ignore=(255,))
    write(tmp_path / "t", a=truth)
    write(tmp_path / "p", a=found.astype(np.uint8))
    score(tmp_path / "t", {"tool": tmp_path / "p"}, tmp_path / "out", scoring=scoring)
    got = values(tmp_path / "out")
    assert got["a", "tumour", "dice"] == pytest.approx(2 * 4 / (4 + 6))
    assert got["a", "fat", "iou"] == pytest.approx(3 / 4)
    assert got["a", "all", "accuracy"] == pytest.approx(10 / 12)


def test_outlines_equal_the_maps_that_they_draw(tmp_path):
    (tmp_path / "t").mkdir()
    geojson(tmp_path / "t/a.geojson", (0, 0, 10, "n"), (20, 0, 10, "n"))
    found = write(tmp_path / "p", a=squares((0, 0), (0, 20)))
    score(tmp_path / "t", {"tool": found}, tmp_path / "out", scoring=OBJECTS)
    assert values(tmp_path / "out")["a", "all", "aji"] == 1
    scoring = Scoring(classes={"rest": 0, "n": 1})
    write(tmp_path / "q", a=(squares((0, 0), (0, 20)) > 0).astype(np.uint8))
    score(tmp_path / "t", {"tool": tmp_path / "q"}, tmp_path / "classes", scoring=scoring)
    assert values(tmp_path / "classes")["a", "n", "dice"] == 1
    other = Scoring(classes={"rest": 0, "nn": 1})
    with pytest.raises(ValueError, match=r"found 'n' on 2 outlines .*expected 'nn'"):
        score(tmp_path / "t", {"tool": tmp_path / "q"}, tmp_path / "x", scoring=other)


def test_objects_of_several_classes_by_hand(tmp_path):
    for name in ("t", "p"):
        (tmp_path / name).mkdir()
    images.write_png(tmp_path / "a.png", np.zeros((40, 60), np.uint8))
    geojson(tmp_path / "t/a.geojson", (0, 0, 10, "tumour"), (20, 0, 10, "stroma"), (40, 0, 10, "stroma"))
    geojson(tmp_path / "p/a.geojson", (0, 0, 10, "tumour"), (20, 0, 10, "stroma"), (40, 0, 10, "tumour"))
    scoring = Scoring(kind="instances", classes={"background": 0, "tumour": 1, "stroma": 2})
    options = {"scoring": scoring, "pictures": tmp_path}
    score(tmp_path / "t", {"tool": tmp_path / "p"}, tmp_path / "out", **options)
    got = values(tmp_path / "out")
    assert got["a", "all", "pq"] == 1, "of objects whatever their class"
    assert got["a", "tumour", "pq"] == pytest.approx(1 / 1.5)
    assert got["a", "stroma", "pq"] == pytest.approx(1 / 1.5)
    assert got["a", "all", "mpq"] == pytest.approx(2 / 3)
    found = write(tmp_path / "q", a=squares((0, 0), (0, 20)))
    with pytest.raises(ValueError, match="numbers objects of 2 classes without saying theirs"):
        score(tmp_path / "t", {"tool": found}, tmp_path / "x", **options)


def test_regions_of_the_truth_are_left_out_and_said_but_count_as_faults_of_a_tool(tmp_path, caplog):
    """A region of interest around the nuclei is no nucleus; a tool that finds one is wrong."""
    for name in ("t", "p"):
        (tmp_path / name).mkdir()
        boxes = ((0, 0, 40, "n"), (2, 2, 10, "n"), (20, 20, 10, "n"))
        geojson(tmp_path / name / "a.geojson", *boxes)
    images.write_png(tmp_path / "a.png", np.zeros((50, 60), np.uint8))
    score(tmp_path / "t", {"tool": tmp_path / "p"}, tmp_path / "out", scoring=OBJECTS, pictures=tmp_path)
    got = values(tmp_path / "out")
    assert (got["a", "all", "truth_objects"], got["a", "all", "predicted_objects"]) == (2, 1)
    assert "outlines that are left out: 1" in caplog.text


def test_two_outlines_take_the_size_of_the_image(tmp_path):
    for name in ("t", "p", "i"):
        (tmp_path / name).mkdir()
    geojson(tmp_path / "t/a.geojson", (0, 0, 10, "n"), (30, 30, 10, "n"))
    geojson(tmp_path / "p/a.geojson", (0, 0, 10, "n"))
    with pytest.raises(ValueError, match=r"--images \(an image called a\)"):
        score(tmp_path / "t", {"tool": tmp_path / "p"}, tmp_path / "out", scoring=OBJECTS)
    images.write_png(tmp_path / "i/a.png", np.zeros((40, 40, 3), np.uint8))
    score(
        tmp_path / "t", {"tool": tmp_path / "p"}, tmp_path / "out", scoring=OBJECTS, pictures=tmp_path / "i"
    )
    assert values(tmp_path / "out")["a", "all", "aji"] == pytest.approx(100 / 200)


def test_tools_are_compared_by_paired_tests(tmp_path, capsys):
    rng = np.random.default_rng(0)
    truth = {f"s{i}": squares((5, 5), (20, 30)) for i in range(14)}
    moved = {
        name: {k: np.roll(v, rng.integers(low, high), axis=1) for k, v in truth.items()}
        for name, low, high in (("good", 1, 4), ("poor", 3, 8))
    }
    write(tmp_path / "truth", **truth)
    for name, maps in moved.items():
        write(tmp_path / name, **maps)
    tools = [f"StarDist={tmp_path / 'good'}", str(tmp_path / "poor")]
    main(["score", str(tmp_path / "truth"), *tools, "--kind", "instances", "--out", str(tmp_path / "out")])
    assert "| StarDist |" in capsys.readouterr().out
    test = pd.read_csv(tmp_path / "out/paired_tests_aji.tsv", sep="\t").loc[0]
    a, b = (values(tmp_path / "out", run).xs("aji", level="metric") for run in ("StarDist", "poor"))
    assert test["p_value_poor"] == pytest.approx(wilcoxon(a.to_numpy() - b.to_numpy()).pvalue)
    assert (test["run"], test["n_poor"]) == ("StarDist", 14)


def test_names_without_a_partner_are_listed(tmp_path):
    truth = write(tmp_path / "t", a=squares((0, 0)), b=squares((0, 0)), c=squares((0, 0)))
    found = write(tmp_path / "p", a=squares((0, 0)), d=squares((0, 0)))
    expected = "no file for b, c; it has d, which the truth has not; expected a file of the same name"
    with pytest.raises(ConfigurationError, match=expected):
        match(truth, found)
    with pytest.raises(ConfigurationError, match="no file of these endings"):
        match(truth, write(tmp_path / "empty"))
    images.write(found / "a.ome.tif", squares((0, 0)))
    with pytest.raises(ValueError, match=r"a.ome.tif and a.png are of one name"):
        match(truth, found)


def test_sizes_that_differ_and_values_that_no_class_has(tmp_path):
    truth = write(tmp_path / "t", a=squares((0, 0), (20, 20)))
    small = write(tmp_path / "p", a=squares((0, 0), (20, 20), shape=(40, 50)))
    with pytest.raises(ValueError, match="40 rows x 50 columns, expected 40 x 60"):
        score(truth, {"tool": small}, tmp_path / "out", scoring=OBJECTS)
    with pytest.raises(ValueError, match="40 x 50 pixels, its partner 40 x 60"):
        score(truth, {"tool": small}, tmp_path / "o", scoring=Scoring(classes={"a": 0, "b": 1, "c": 2}))
    with pytest.raises(ValueError, match=r"holds the value 2 .*0 = a, 1 = b"):
        score(truth, {"tool": truth}, tmp_path / "o", scoring=Scoring(classes={"a": 0, "b": 1}))
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_not_replaced(tmp_path):
    truth = write(tmp_path / "t", a=squares((0, 0)))
    with pytest.raises(ConfigurationError, match="something else than scores"):
        score(truth, {"tool": truth}, truth, scoring=OBJECTS)
    assert read_labels(truth / "a.png", (40, 60)).any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--metrics", "instances"], "kind instances"),
        (["--classes", "a=0", "b=0"], "two classes or more"),
        (["--classes", "a=0"], "two classes or more"),
        (["--kind", "instances", "--ignore", "3"], "no ignored values"),
    ],
)
def test_options_that_do_not_fit(tmp_path, arguments, message):
    truth = str(write(tmp_path / "t", a=squares((0, 0))))
    with pytest.raises(SystemExit, match=message):
        main(["score", truth, truth, "--out", str(tmp_path / "out"), *arguments])


def test_an_xml_truth_and_messages_that_name_the_options_of_the_command(tmp_path):
    corners = [(0, 0), (10, 0), (10, 10), (0, 10)]
    vertices = "".join(f'<Vertex X="{x + 20}" Y="{y}"/>' for x, y in corners)
    region = f"<Region Id='1'><Vertices>{vertices}</Vertices></Region>"
    (tmp_path / "a.xml").write_text(
        f"<Annotations><Annotation Name='n'><Regions>{region}</Regions></Annotation></Annotations>"
    )
    found = write(tmp_path / "p", a=squares((0, 20))) / "a.png"
    options = ["--kind", "instances", "--out", str(tmp_path / "out")]
    main(["score", str(tmp_path / "a.xml"), f"tool={found}", *options])
    assert values(tmp_path / "out")["a", "all", "aji"] == 1
    classes = ["--classes", "a=0", "b=2", "--out", str(tmp_path / "o")]
    with pytest.raises(SystemExit, match=r"--classes knows 0 = a, 2 = b; --ignore is empty"):
        main(["score", str(found), f"tool={found}", *classes])


@pytest.mark.parametrize("name", ["all", " "])
def test_no_class_is_called_like_all_together(name):
    with pytest.raises(ValueError, match="classes that are not called 'all'"):
        Scoring(classes={"background": 0, name: 1})


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "tumour",
            r"found 'tumour' on .*expected 'tumor'\? \(known: bg, stroma, tumor\); correct the file",
        ),
        (
            "",
            r"found 1 outline without a class .*expected a class for each \(bg, tumor, stroma\); correct the",
        ),
    ],
)
def test_the_command_names_no_option_that_it_has_not(name, told, tmp_path):
    geojson(tmp_path / "t.geojson", (0, 0, 10, name))
    write(tmp_path / "p", t=squares((0, 0)))
    classes = ["--classes", "bg=0", "tumor=1", "stroma=2", "--out", str(tmp_path / "o")]
    with pytest.raises(SystemExit, match=told) as error:
        main(["score", str(tmp_path / "t.geojson"), str(tmp_path / "p/t.png"), *classes])
    assert "targets" not in str(error.value)


@pytest.mark.parametrize("kind", ["semantic", "instances"])
@pytest.mark.parametrize("stacked", ["t", "p"])
def test_stacks_are_not_scored_by_their_first_page(kind, stacked, tmp_path):
    for name in "tp":
        maps = np.stack([squares((0, 0), (20, 20))] * 2).astype(np.uint8) // (1 + (kind == "semantic"))
        pages = maps if name == stacked else maps[0]
        tifffile.imwrite(tmp_path / f"{name}.tif", pages, photometric="minisblack")
    found, scoring = {"tool": tmp_path / "p.tif"}, Scoring(kind=kind)
    with pytest.raises(ValueError, match=rf"{stacked}.tif is a stack of 2 pages.*save each page as a file"):
        score(tmp_path / "t.tif", found, tmp_path / "out", scoring=scoring)


def test_no_class_takes_the_column_of_the_spread_of_another(tmp_path):
    write(tmp_path / "t", a=squares((0, 0)))
    scoring = Scoring(classes={"other": 0, "cell": 1, "cell_sd": 2})
    with pytest.raises(ValueError, match=r"dice_cell_sd, .*sd or number of another.s; rename the class"):
        score(tmp_path / "t", {"tool": tmp_path / "t"}, tmp_path / "out", scoring=scoring)
