# SPDX-License-Identifier: MIT
"""Tables and figures of a study of objects, made from folders as the workflow leaves them."""

import json
from pathlib import Path

import pandas as pd
import pytest

from microtome.figures.inputs import gather
from microtome.figures.save import save_figure
from microtome.io import images
from microtome.objects import measure
from microtome.stages.products import make
from microtome.tables.parts.save import save_table
from tests import synthetic_nuclei as nuclei

PUBLISHED = Path(__file__).parents[2] / "config/published.yaml"
SAMPLES = ["n00", "n01", "n02", "n03"]
GROUPS = dict(zip(SAMPLES, (*nuclei.ORGANS, "liver"), strict=True))


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """The folders of the study, with a split and measured objects."""
    folder = tmp_path_factory.mktemp("nuclei")
    nuclei.write_nuclei(folder, size=48)
    parts = pd.DataFrame({"sample": SAMPLES, "part": ["train", "val", "test", "test"]})
    parts.to_csv(folder / "split.tsv", sep="\t", index=False)
    for run in ("centre", "shape"):
        batch = folder / f"runs/published/{run}/seed-0/objects/{nuclei.BATCH}"
        batch.mkdir(parents=True)
        for sample in SAMPLES:
            path = folder / f"runs/published/{run}/seed-0/segmentations/{nuclei.BATCH}/instances/{sample}.tif"
            table = measure.measure(images.read(path), mpp=nuclei.MPP)
            (batch / f"{sample}.tsv").write_text(measure.to_tsv_text(table))
    return folder


def options(kind, **chosen):
    return {
        "kind": kind,
        "title": f"A {kind}",
        "options": chosen,
        "runs": ["centre", "shape"],
        "labels": {"centre": "Centre", "shape": "Shape"},
        "classes": ["background", "nucleus"],
        "paper": "p3_usenet",
        "data_kind": "phantom",
        "groups": GROUPS,
        "settings": nuclei.SETTINGS,
    }


def files(root):
    """What the workflow hands in, by the name of the input."""
    runs = [root / f"runs/published/{run}/seed-0" for run in ("centre", "shape")]
    return {
        "cards": [run / "card.json" for run in runs],
        "splits": [root / "split.tsv"],
        "images": [root / "images" / nuclei.BATCH],
        "targets": [root / "targets" / nuclei.BATCH],
        "labels": [root / "targets" / nuclei.BATCH],
        "stains": [root / f"stains/{nuclei.STAIN}/images/{nuclei.BATCH}"],
        "stain_targets": [root / f"stains/{nuclei.STAIN}/target.json"],
        "objects": [run / "objects" / nuclei.BATCH for run in runs],
        "published": [PUBLISHED],
    }


def tabulate(root, stem, kind, **chosen):
    make("tables", options(kind, **chosen), files(root), stem=stem, save=save_table)
    return pd.read_csv(f"{stem}.tsv", sep="\t", keep_default_na=False)


def test_true_objects_are_counted_by_part_and_group(root, tmp_path):
    frame = tabulate(root, tmp_path / "data", "instance_data", published="table_I").set_index("part")
    truth = [images.read(root / f"targets/{nuclei.BATCH}/instances/{sample}.tif") for sample in SAMPLES]
    counts = [len(set(labels.ravel().tolist()) - {0}) for labels in truth]
    assert frame.loc["training", ["images", "group_liver", "group_kidney"]].tolist() == [2, 1, 1]
    assert frame.loc["total", "objects"] == sum(counts)
    assert frame.loc["testing", "objects"] == sum(counts[2:])


def test_objects_of_runs_are_set_beside_the_true_ones(root, tmp_path):
    frame = tabulate(root, tmp_path / "objects", "morphometry").set_index(["group", "label"])
    assert [label for group, label in frame.index if group == "all"] == ["truth", "Centre", "Shape"]
    found = [
        len(pd.read_csv(p, sep="\t"))
        for p in sorted((root / "runs/published/shape").rglob("objects/*/*.tsv"))
    ]
    assert frame.loc[("all", "Shape"), "objects"] == sum(found)
    assert frame.loc[("all", "Shape"), "images"] == 4


def test_stain_reports_are_read(root, tmp_path):
    frame = tabulate(root, tmp_path / "stain", "stain_report")
    assert sorted(frame["sample"]) == SAMPLES
    report = json.loads((root / f"stains/{nuclei.STAIN}/images/{nuclei.BATCH}/n01.json").read_text())
    row = frame.set_index("sample").loc["n01"]
    assert row["angle_e"] == pytest.approx(report["angle_degrees"]["E"])
    assert row["group"] == "kidney"


@pytest.mark.parametrize(
    ("kind", "chosen"),
    [
        ("ablation", {"published": "table_II"}),
        ("external", {"published": "table_III"}),
        ("by_group", {}),
        ("data", {}),
        ("time", {}),
        ("paired_tests", {"metric": "aji"}),
        ("metrics", {"columns": ["aji", "pq"]}),
        ("comparison", {"columns": ["aji", {"metric": "dice", "class": "nucleus"}]}),
    ],
)
def test_other_kinds_take_a_study_of_objects(root, tmp_path, kind, chosen):
    assert len(tabulate(root, tmp_path / "table", kind, **chosen))
    assert "phantom" in json.loads((tmp_path / "table.json").read_text())["caption"]


@pytest.mark.parametrize(
    "kind",
    [
        "instance_results",
        "instance_targets",
        "marker_comparison",
        "pipeline",
        "stain_panels",
        "stain_vectors",
    ],
)
def test_figures_find_their_files(root, tmp_path, kind):
    make("figures", options(kind), files(root), stem=tmp_path / "figure", gather=gather, save=save_figure)
    assert {path.suffix for path in tmp_path.iterdir()} == {".svg", ".pdf", ".png", ".tsv", ".json"}
    assert "Phantom images" in json.loads((tmp_path / "figure.json").read_text())["caption"]
