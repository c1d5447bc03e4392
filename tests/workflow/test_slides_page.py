# SPDX-License-Identifier: MIT
"""docs/how-to/slides.md, run as it is written: from slides to corrected boxes, and from these to calls."""

import json
import re
import shlex

import pandas as pd
import pytest
import shapely

from microtome.config.phantoms.slides import SlidePhantomData
from microtome.files import write_json
from microtome.io.section_boxes import read_boxes, read_table
from microtome.phantoms.slides.simulation import files
from microtome.provenance.section_calls import read_calls
from tests.workflow.workspace import REPOSITORY, make_workspace

PAGE = REPOSITORY / "docs/how-to/slides.md"
BLOCKS = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
FILES = [name for name in BLOCKS if "/" in name]
NAMES = ("p1", "p2", "p3", "p4", "p5")
PARTS = {"train": 2, "val": 1, "weak": 1, "test": 1}
LOOKED, RUN = "results/demo/look", "results/demo/mine/runs/main/deep/seed-0"
pytestmark = pytest.mark.workflow


def ask(workspace, name):
    """Run a command of the page."""
    command, *arguments = shlex.split(BLOCKS[name])
    assert command == "snakemake"
    done = workspace.run(*arguments)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The page's files, slides of the phantom, and their annotations, but no boxes."""
    found = make_workspace(tmp_path_factory.mktemp("page") / "slides")
    for name in FILES:
        found.write(name, BLOCKS[name])
    settings = SlidePhantomData(height=1300, width=2200, mpp=0.92, sections=2, formats=["svs"], slides=PARTS)
    for path, content in files(settings):
        kind, _, name = path.rpartition("/")
        if not kind:
            continue  # the phantom's own sheet
        to = found.root / f"data/mine/{kind}/{NAMES[int(name[:3])]}.{name.split('.')[1]}"
        to.parent.mkdir(parents=True, exist_ok=True)
        if kind == "sections":
            write_json(found.root / "truth" / to.name, content)
        elif callable(content):
            content(to)
        else:
            write_json(to, content)
    return found


def correct(workspace):
    """What a person does in QuPath: each proposed box gets a class, and the edges of the true section."""
    for name in NAMES[2:]:
        truth = {
            box.label: shapely.box(box.x, box.y, box.right, box.bottom)
            for box in read_boxes(workspace.root / f"truth/{name}.geojson")
        }
        document = json.loads(
            (workspace.root / f"{LOOKED}/sections/test-0/{name}.geojson").read_text(encoding="utf-8")
        )
        for feature in document["features"]:
            drawn = shapely.geometry.shape(feature["geometry"])
            label, box = max(truth.items(), key=lambda one: one[1].intersection(drawn).area)
            assert box.intersection(drawn).area > 0.8 * box.union(drawn).area
            feature["properties"]["classification"] = {"name": label, "color": [200, 0, 0]}
            feature["geometry"] = shapely.geometry.mapping(box)
        write_json(workspace.root / f"data/mine/sections/{name}.geojson", document)


def test_the_page_is_run_as_it_is_written(workspace):
    ask(workspace, "look")
    root = workspace.root / LOOKED
    for name in NAMES:
        assert len(read_table(root / f"sections/test-0/{name}.tsv")) == 2
        assert (root / f"tissue/test-0/{name}.png").is_file()
    assert pd.read_csv(root / "tissue/test-0/shares.tsv", sep="\t")["sample"].tolist() == list(NAMES)
    correct(workspace)
    ask(workspace, "run")
    run = workspace.root / RUN
    chosen = json.loads((run / "selection.json").read_text(encoding="utf-8"))
    assert chosen["tp"] + chosen["fp"] + chosen["fn"] + chosen["tn"] == 4
    (table,) = run.glob("calls/test-*/p5.tsv")
    calls = read_calls(table)
    boxes = read_boxes(workspace.root / "data/mine/sections/p5.geojson")
    assert calls["label"].tolist() == [box.label.lower() for box in boxes]
    assert set(calls["call"]) <= {"normal", "tumor"}
    assert calls["threshold"].unique().tolist() == [chosen["threshold"]]
    assert len(pd.read_csv(run / "sections.tsv", sep="\t")) == 6


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).is_file()
