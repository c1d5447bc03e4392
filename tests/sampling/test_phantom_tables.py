# SPDX-License-Identifier: MIT
"""The phantom from files to Tables 1 and 2, and Table 2 recomputed by an independent script."""

import numpy as np
import pandas as pd
import pytest
import yaml

from microtome import tables
from microtome.config.modalities.objects import Targets
from microtome.config.phantoms.slides import SlidePhantomData
from microtome.config.sections import Glass, Proposed
from microtome.files import write_json
from microtome.io import slides
from microtome.phantoms import sheet_rows
from microtome.stages.images import simulate
from microtome.stages.sheets import write_sheet
from microtome.stages.slides.references import reference_slides
from microtome.stages.slides.sections import find_sections
from microtome.stages.slides.targets import annotate_slides, index_tissue
from microtome.stages.slides.tissue import find_tissue
from microtome.tables.inputs import Inputs
from tests.sampling import recomputed
from tests.workflow.workspace import REPOSITORY

CLASSES = ["normal", "tumor"]
REGIONS = {"T": ("Tumornest",), "S": ("Stroma",), "N": ("Normal",)}
SIZE, LEAST, MPP = 64, 0.2, 2.0
PHANTOM = SlidePhantomData(
    height=1300, width=1900, sections=1, mpp=1.0, slides={"train": 3, "val": 1, "weak": 2, "test": 1}
)
LISTS = {
    "rest": {"fraction": "T", "below": 0.0005},
    "t": {"fraction": "T", "at_least": 0.0005, "draw": 300},
    "dense": {"fraction": "T", "at_least": 0.1, "draw": 100},
    "s": {"fraction": "S", "at_least": 0.0005, "draw": 200},
    "n": {"fraction": "N", "at_least": 0.0005, "draw": 200},
}
PRINTED = {
    "rest": "T_lt_0.05pct",
    "t": "T_ge_0.05pct",
    "dense": "T_ge_10pct",
    "s": "S_ge_0.05pct",
    "n": "N_ge_0.05pct",
}
PUBLISHED = yaml.safe_load((REPOSITORY / "config/published.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The folder of a study as the rules of slides leave it, before any training."""
    root = tmp_path_factory.mktemp("bcc")
    simulate(PHANTOM.model_dump(mode="json"), root / "raw")
    rows = sheet_rows(PHANTOM)
    write_sheet(rows, root / "samples.tsv")
    parts = [{key: row[key] for key in ("sample", "part")} for row in rows]
    write_sheet(parts, root / "splits/fixed.tsv")
    told = {"mpp": MPP, "tolerance": 0.05, "crop": True, "decode": "exact"}
    reference_slides(rows, root / "raw", root / "images/0", slides=told)
    seen = {"tissue": Glass().model_dump(), "may_fail": False}
    find_tissue(seen, root / "images/0", root / "tissue/0")
    names = {"normal": ("Normal",), "tumor": ("Tumor",)}
    boxes = {"sections": Proposed(names=names).model_dump(), "classes": CLASSES, "may_fail": False}
    found = (root / "raw", root / "images/0", root / "tissue/0", root / "sections/0")
    find_sections(boxes | {"samples": rows}, *found)
    targets = Targets(features={"names": {"Tumornest": "tumor"}}, outside="normal", regions=REGIONS)
    known = targets.used | {"classes": [(name, n) for n, name in enumerate(CLASSES)]}
    annotate_slides({"samples": rows, "targets": known}, root / "raw", root / "images/0", root / "targets/0")
    options = {
        "patches": {"size": SIZE, "stride": SIZE, "labelled": 0},
        "classes": CLASSES,
        "regions": list(REGIONS),
    }
    options |= {"least_tissue": LEAST}
    index_tissue(options, root / "targets/0", root / "tissue/0", root / "patches/0.parquet")
    return root


def inputs(root, **more):
    files = {
        "patches": [root / "patches/0.parquet"],
        "splits": [root / "splits/fixed.tsv"],
        "sheet": [root / "samples.tsv"],
        "section_boxes": [root / "sections/0"],
    }
    samplers = {"r34": {"kind": "lists", "lists": LISTS}}
    told = {
        "files": files,
        "published": PUBLISHED,
        "paper": "p1_bcc",
        "classes": tuple(CLASSES),
        "samplers": samplers,
    }
    return Inputs(**(told | more))


@pytest.fixture(scope="module")
def by_hand(study):
    """The shares of the windows of training, recomputed."""
    rows = [row for row in sheet_rows(PHANTOM) if row["part"] == "train"]
    found = []
    for row in rows:
        reference = slides.read_reference(study / f"images/0/{row['sample']}.slide")
        places = (study / "raw" / row["label"], study / f"tissue/0/{row['sample']}.tif", reference.shape)
        found += recomputed.windows(*places, MPP / PHANTOM.mpp, size=SIZE, least=LEAST, mpp=MPP)
    return found


def test_table_2_is_that_of_an_independent_script(study, by_hand):
    bounds = {
        name: ((one["fraction"], one.get("at_least", 0), one.get("below", np.inf)), one.get("draw"))
        for name, one in LISTS.items()
    }
    wanted = recomputed.table(by_hand, bounds)
    assert all(wanted[name][0] > 0 for name in LISTS)
    found = tables.tabulate("sampling_lists", inputs(study)).frame.set_index("list")
    assert set(found.index) == set(wanted)
    for name, sides in wanted.items():
        rel = 2e-4 if name == "pixel unbalance" else 0  # the centre of a pixel or two lies on an outline
        both = found.loc[name, ["before", "after"]].tolist()
        assert both == pytest.approx(sides, rel=rel, abs=0, nan_ok=True), name
    assert found.loc["pixel unbalance", "after"] < found.loc["pixel unbalance", "before"]


def test_scaled_numbers_keep_their_ratios_and_published_ones_stand_beside(study, by_hand):
    scaled = {"r34": {"kind": "lists", "lists": LISTS, "scale": "auto", "of": 10 * len(by_hand)}}
    options = {"published": "table_2", "published_rows": PRINTED}
    table = tables.tabulate("sampling_lists", inputs(study, samplers=scaled), **options)
    frame = table.frame.set_index("list")
    assert frame.loc[["t", "dense", "s", "n"], "after"].tolist() == [30, 10, 20, 20]
    assert frame.loc["rest", "after"] == frame.loc["rest", "before"]
    assert frame.loc[["t", "total", "pixel unbalance"], "published_before"].tolist() == [9537, 209390, 78.48]
    assert frame.loc["total", "published_after"] == 255771
    assert "not comparable" in table.columns[-1].group
    assert "0.1 times" in table.note


def test_the_unbalance_is_of_the_class_that_the_run_calls(study):
    """Which need not be the last one."""
    of_last = tables.tabulate("sampling_lists", inputs(study))
    called = tables.tabulate("sampling_lists", inputs(study, calls={"r34": {"class": "normal"}}))
    assert "for one of tumor" in of_last.note and "for one of normal" in called.note
    before = [table.frame.set_index("list").loc["pixel unbalance", "before"] for table in (of_last, called)]
    assert before[1] == pytest.approx(1 / before[0])


def test_lists_of_no_run_and_of_no_window_are_named(study):
    with pytest.raises(
        ValueError, match=r"run 'unet' has no sampler of kind 'lists'; those that have: .'r34'."
    ):
        tables.tabulate("sampling_lists", inputs(study), sampler="unet")
    others = pd.DataFrame({"sample": ["x"], "part": ["train"]})
    others.to_csv(study / "splits/other.tsv", sep="\t", index=False)
    files = inputs(study).files | {"splits": [study / "splits/other.tsv"]}
    with pytest.raises(ValueError, match="holds no window of the part train"):
        tables.tabulate("sampling_lists", inputs(study, files=files))


def test_table_1_counts_slides_and_labelled_sections(study):
    table = tables.tabulate("slide_parts", inputs(study), published="table_1")
    frame = table.frame[table.frame["source"] == "this study"].set_index("part")
    rows = pd.DataFrame(sheet_rows(PHANTOM))
    assert frame["slides"].to_dict() == {
        "Training": 3,
        "Validation I": 1,
        "Validation II": 2,
        "Test": 1,
        "Total": 7,
    }
    assert frame["annotated"].to_dict() == {
        "Training": 3,
        "Validation I": 1,
        "Validation II": 0,
        "Test": 0,
        "Total": 4,
    }
    tumors = rows.assign(part=rows["part"], tumor=rows["group"] != "none").groupby("part")["tumor"].sum()
    assert frame.loc["Training", "sections_tumor"] == tumors["train"]
    assert frame.loc["Total", "sections_tumor"] == tumors.sum()
    assert frame.loc["Total", "sections"] == 7
    printed = table.frame[table.frame["source"] != "this study"].set_index("part")
    assert printed.loc["Total", ["slides", "annotated", "sections_tumor", "sections"]].tolist() == [
        650,
        100,
        1752,
        3443,
    ]
    assert printed.loc["Validation II", "sections_normal"] == 608
    assert "All slides have labels of sections" in table.note


def test_slides_that_cannot_be_read_are_told(study, tmp_path):
    (tmp_path / "sections").mkdir()
    (tmp_path / "sections/a.tsv").write_text("section\ty\tx\theight\twidth\tlabel\n1\t0\t0\t5\t5\t\n")
    broken = dict.fromkeys(("path", "what", "where", "expected", "remedy"), "x")
    write_json(tmp_path / "sections/b.failed.json", {"sample": "b"} | broken)
    pd.DataFrame({"sample": ["a", "b"], "label": ["", ""]}).to_csv(tmp_path / "s.tsv", sep="\t", index=False)
    pd.DataFrame({"sample": ["a", "b"], "part": "test"}).to_csv(tmp_path / "p.tsv", sep="\t", index=False)
    files = {
        "sheet": [tmp_path / "s.tsv"],
        "splits": [tmp_path / "p.tsv"],
        "section_boxes": [tmp_path / "sections"],
    }
    table = tables.tabulate("slide_parts", inputs(study, files=files))
    assert table.frame["sections_unlabelled"].tolist() == [1, 1]
    assert "Without sections, as they cannot be read: b." in table.note
