# SPDX-License-Identifier: MIT
"""A modality that a project brings along goes from the sheet to the report without an edit in the package."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from microtome.io import images
from tests.workflow.workspace import OWN_PARTS, SIZE, Workspace, make_workspace

OPTIONS = '''\
"""Options of heat maps."""

from pydantic import Field, PositiveFloat

from microtome.config.section import Section
from microtome.faults import Fault

VIEWS = {"heat": "the heat map, in units of `heat.range`"}


class Heat(Section):
    range: PositiveFloat = Field(100.0, description="kelvins from black to white")


class StudyOptions(Section):
    heat: Heat | None = Field(None, description="heat maps beside the images")


def check(study, places):
    for name, run in study.runs.items():
        if run.view in VIEWS and study.heat is None:
            yield Fault(places.inside(("runs", name, "view"), 1), "'heat'", "'image', as there is no `heat`")


def channels(study, run):
    return (1, "one heat map") if run.view in VIEWS else None
'''
MODALITY = '''\
"""Heat maps beside images: a file, the temperature of black, and the camera."""

from pathlib import Path

from microtome.faults import Fault
from microtome.study.headers import look

COLUMNS = {"heat": Path, "coldest": str, "camera": str}


def check_files(sample, where, image):
    path = sample.more.get("heat")
    found = (yield from look(path, f"{where} heat", 0)) if path else None
    if found and image and (found.height, found.width) != (image.height, image.width):
        size = f"a heat map of {found.height} x {found.width} pixels"
        yield Fault(f"{where} heat", size, f"{image.height} x {image.width}, the size of its image")


def check_samples(study, samples, sheet):
    for sample in samples:
        if study.heat is not None and not sample.more.get("heat"):
            yield Fault(f"{sheet}:{sample.row} heat", "nothing", "a heat map, as the study has `heat`")


def seen(plan, split, run):
    return "heat/{batch}" if run.view == "heat" else None


def training(study, run):
    return {"view": run.view} if study.heat else {}
'''
RULES = """\
def heat_state(wildcards):
    found = plan(wildcards)
    options = {"rows": found.rows(wildcards.batch), "root": str(found.root), "range": found.study.heat.range}
    return code.state("plugins/scripts/read_heat.py", options)


rule read_heat:
    input:
        files=raw_files("heat"),
    output:
        folder=directory(at.study("heat/{batch}")),
    log:
        at.log("read_heat", "study", "batch"),
    params:
        state=heat_state,
    script:
        "../scripts/read_heat.py"
"""
SCRIPT = """\
from pathlib import Path

import numpy as np

from microtome.files import finished_folder
from microtome.io import images
from microtome.workflow.job import job

folder = Path(snakemake.output.folder)
with job(snakemake.params.state, snakemake.log[0]) as options, finished_folder(folder) as made:
    for row in options["rows"]:
        kelvins = images.read(Path(options["root"]) / row["heat"]) + float(row["coldest"])
        scaled = np.clip(kelvins / options["range"] * 255, 0, 255).astype(np.uint8)
        images.write(made / f"{row['sample']}.tif", images.as_channels_first(scaled), mpp=row["mpp"])
"""
FILES = {
    "config/modalities/heat.py": OPTIONS,
    "study/modalities/heat.py": MODALITY,
    "rules/heat.smk": RULES,
    "scripts/read_heat.py": SCRIPT,
}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The own-files study with heat maps, and a run that is trained on them."""
    made = make_workspace(tmp_path_factory.mktemp("heat"))
    for name, text in FILES.items():
        made.write(f"plugins/{name}", text)
    study = made.study("own") | {"heat": {"range": 400.0}}
    study["runs"]["warm"] = study["runs"]["dice"] | {"view": "heat"}
    study["evaluate"] = {"metrics": ["boundaries", "overlap"]}
    study["tables"] = {"comparison": {"kind": "comparison", "title": "Runs", "runs": "all"}}
    made.write_study("own", study)
    rows = made.read("data/own/samples.tsv").splitlines()
    cells = [f"h{number}.png\t{100 + number}\tA" for number in range(len(OWN_PARTS))]
    _write_sheet(made, rows, ["heat\tcoldest\tcamera", *cells])
    for number in range(len(OWN_PARTS)):
        _write_heat(made.root / f"data/own/h{number}.png", SIZE, number)
    return made


def _write_sheet(made: Workspace, rows: list[str], cells: list[str]) -> None:
    lines = (f"{row}\t{more}" for row, more in zip(rows, cells, strict=True))
    made.write("data/own/samples.tsv", "\n".join(lines) + "\n")


def _write_heat(path: Path, size: int, number: int) -> None:
    pixels = np.random.default_rng(number).integers(0, 99, (size, SIZE), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def test_from_the_sheet_to_the_report(workspace: Workspace) -> None:
    workspace.run("-c2", "--config", "studies=[own]")
    results = workspace.root / "results/demo"
    assert "warm" in (results / "reports/own/report.html").read_text(encoding="utf-8")
    card = json.loads((results / "own/runs/main/warm/seed-0/card.json").read_text(encoding="utf-8"))
    assert card["view"] == "heat"
    raw = np.asarray(Image.open(workspace.root / "data/own/h0.png"))
    seen = images.read(results / "own/heat/train-0/s0.tif").squeeze()
    assert np.array_equal(seen, ((raw + 100.0) / 400 * 255).astype(np.uint8))
    sheet = (results / "own/samples.tsv").read_text(encoding="utf-8")
    assert {"heat", "coldest", "camera"} <= set(sheet.splitlines()[0].split("\t"))


def test_its_faults_are_listed_with_their_line(workspace: Workspace, tmp_path: Path) -> None:
    wrong = workspace.copy(tmp_path / "wrong")
    _write_heat(wrong.root / "data/own/h1.png", SIZE // 2, 1)
    (wrong.root / "data/own/h2.png").unlink()
    done = wrong.run("-n", "-c1", "--config", "studies=[own]", check=False)
    said = done.stdout + done.stderr
    assert "samples.tsv:3 heat: found a heat map of 32 x 64 pixels; expected 64 x 64" in said
    assert "samples.tsv:4 heat: found 'data/own/h2.png', which does not exist" in said


def test_its_options_are_checked(workspace: Workspace, tmp_path: Path) -> None:
    wrong = workspace.copy(tmp_path / "wrong")
    wrong.set_option("own", "heat.range", -1)
    done = wrong.run("-n", "-c1", "--config", "studies=[own]", check=False)
    assert "heat.range: found -1" in done.stdout + done.stderr
