# SPDX-License-Identifier: MIT
"""docs/how-to/mosaics.md, run as it is written: from labelled mosaics to a report."""

import re
import shlex
import subprocess
import sys

import pandas as pd
import pytest

from microtome.config.phantoms.mosaics import MosaicPhantomData
from microtome.phantoms.mosaics import files
from tests.workflow.workspace import REPOSITORY, environment_of, make_workspace

PAGE = REPOSITORY / "docs/how-to/mosaics.md"
BLOCKS = dict(re.findall(r"<!-- (\S+) -->\n```\w+\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL))
SHEET = "data/mine/mosaics.tsv"
RESULTS = "results/demo/mine"
FORMATS = ("nrrd", "nrrd", "nrrd", "mat", "mat", "png")
"""Of the labels, as the page's sheet has them."""
pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    """The page's files, and mosaics of the phantom with labels in the page's formats."""
    found = make_workspace(tmp_path_factory.mktemp("page") / "mosaics")
    for name in (name for name in BLOCKS if "/" in name):
        found.write(name, BLOCKS[name])
    parts = {"train": 2, "val": 2, "test": 2}
    settings = MosaicPhantomData(size=512, mpp=0.5, formats=FORMATS, mosaics=parts, of_patient=1)
    for path, content in files(settings):
        kind, _, name = path.rpartition("/")
        if kind in ("images", "labels"):
            to = found.root / f"data/mine/{kind}/m{int(name.partition('.')[0][-3:])}.{name.partition('.')[2]}"
            to.parent.mkdir(parents=True, exist_ok=True)
            content(to)
    return found


def test_the_page_is_run_as_it_is_written(workspace):
    _, *arguments = shlex.split(BLOCKS["count"])
    done = subprocess.run(
        [sys.executable, *arguments], cwd=workspace.root, env=environment_of(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    sheet = pd.read_csv(workspace.root / SHEET, sep="\t")
    counted = sheet.filter(like="pixels_").sum(axis=1)
    assert sheet.filter(like="pixels_").shape[1] == 6
    assert counted.between(0.3 * 512 * 448, 0.9 * 512 * 512).all()
    command, *arguments = shlex.split(BLOCKS["run"])
    assert command == "snakemake"
    workspace.run(*arguments)
    root = workspace.root / RESULTS
    splits = sorted(path.stem for path in root.glob("splits/*.tsv"))
    assert splits == ["clinics", "patients-0", "patients-1"]
    runs = sorted("/".join(path.parts[-4:-2]) for path in root.glob("runs/*/*/seed-0/metrics.tsv"))
    assert runs == ["clinics/mednet", "clinics/one_level", "patients-0/mednet", "patients-1/mednet"]
    assert {path.stem for path in root.glob("tables/*.md")} == {
        "pixels",
        "balance",
        "patients",
        "clinics",
        "regions",
    }
    assert {path.stem for path in root.glob("figures/*.png")} == {"labels", "results"}


def test_links_lead_somewhere():
    for target in re.findall(r"\]\(([^)#]+)", PAGE.read_text(encoding="utf-8")):
        assert (PAGE.parent / target).is_file()
