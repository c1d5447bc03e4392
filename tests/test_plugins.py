# SPDX-License-Identifier: MIT
"""Entries of a project's own, in its folder `plugins`: found, checked, listed and hashed as built-in ones."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]
ENVIRONMENT = os.environ | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}
PAGE = (REPOSITORY / "docs/how-to/own-data.md").read_text(encoding="utf-8")
PAGE_PLUGINS = dict(re.findall(r"<!-- (plugins/\S+) -->\n```python\n(.*?)```", PAGE, re.DOTALL))

PLUGINS = PAGE_PLUGINS | {
    "plugins/config/networks/line.py": """
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from microtome.config.networks import NetworkOptions


class Line(NetworkOptions):
    \"\"\"One convolution.\"\"\"

    LABEL: ClassVar = "Line"
    name: Literal["line"] = Field("line", description="this network")
    kernel: Literal[1, 3] = Field(1, description="side of the kernel")
    in_channels: PositiveInt = Field(1, description="channels of an image")
    out_channels: PositiveInt = Field(1, description="outputs")
""",
    "plugins/networks/line.py": """
from torch import nn

from microtome.config.networks.line import Line


def build(options: Line) -> nn.Module:
    return nn.Conv2d(options.in_channels, options.out_channels, options.kernel, padding=options.kernel // 2)
""",
    "plugins/metrics/families/extremes.py": """
\"\"\"The largest probability of an image.\"\"\"
from microtome.metrics.families._context import Context, Measure


def measure(context: Context) -> list[Measure]:
    return [Measure("all", "largest", float(context.probability.max()))]
""",
    "plugins/config/phantoms/stripes.py": """
from typing import ClassVar, Literal

from pydantic import Field, PositiveInt

from microtome.config.section import Section


class Stripes(Section):
    \"\"\"Images of stripes.\"\"\"

    CHANNELS: ClassVar = 1
    OBJECTS: ClassVar = False
    kind: Literal["stripes"] = Field("stripes", description="the simulator")
    period: PositiveInt = Field(4, description="pixels of a stripe")
""",
    "plugins/phantoms/stripes/__init__.py": """
def files(options):
    import numpy as np

    stripes = np.tile(np.arange(32) // options.period % 2 * 255, (32, 1)).astype(np.uint8)
    for number in range(3):
        yield f"images/{number:03d}.tif", stripes
        yield f"labels/{number:03d}.tif", stripes
""",
    "plugins/phantoms/stripes/sheet.py": """
from microtome.phantoms._rows import PARTS, files_of


def rows(options):
    return [
        files_of(f"stripe-{number}", number) | {"unit": part, "group": "stripes", "part": part}
        for number, part in enumerate(PARTS)
    ]
""",
    "plugins/datasets/shelf.py": """
\"\"\"Images on a shelf.\"\"\"


def discover(folder):
    return sorted(path.name for path in folder.iterdir())


def to_sheet(rows):
    return "\\n".join(["sample\\timage", *(f"{row}\\t{row}" for row in rows)]) + "\\n"
""",
}

STUDY = """paper: p4_unet_isbi
title: Mine
data:
  source: phantom
  phantom: {kind: stripes, period: 4}
  group_by: block
  classes: {gap: 0, stripe: 255}
patches: {size: 32, stride: 32}
defaults:
  network: {name: unet, width: 2}
runs:
  plain: {loss: {name: bce}}
  brier: {loss: {name: brier, weight: 2}}
  line: {network: {name: line}, loss: {name: dice}}
evaluate: {metrics: [overlap, extremes]}
"""

STATES = """
import json
from microtome.config.load import load_workflow
from microtome.study.load import load_plans
from microtome.workflow.states import data, runs

plan = load_plans(load_workflow({"studies": ["mine"], "scale": "paper"}))["mine"]
states = {f"train {run}": runs.train(plan, "main", run, 0) for run in ("plain", "brier", "line")}
states |= {f"predict {run}": runs.predict(plan, run) for run in ("plain", "line")}
states |= {"simulate": data.simulate(plan), "evaluate": runs.evaluate(plan, "main", "plain", 0)}
states |= {"segment": runs.segment(plan, "plain"), "samples": " ".join(plan.samples)}
print(json.dumps(states))
"""

JOBS = """
from pathlib import Path
import json
from microtome import losses, networks
from microtome.config.load import load_workflow
from microtome.stages.images import simulate
from microtome.study.load import load_plans
from microtome.workflow.states import data, runs
from microtome.datasets import names

plan = load_plans(load_workflow({"studies": ["mine"], "scale": "paper"}))["mine"]
simulate(json.loads(data.simulate(plan))["options"], Path("raw"))
options = json.loads(runs.train(plan, "main", "line", 0))["options"]
network = networks.build(**options["network"])
print(len(list(Path("raw").rglob("*.tif"))), network.kernel_size, "shelf" in names(), end=" ")
print(losses.build("brier", weight=3).weight)
"""


def run(folder: Path, program: str, **more: str) -> str:
    """What a program prints in a project."""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=folder, env=ENVIRONMENT | more, capture_output=True, text=True
    )
    return done.stdout if done.returncode == 0 else done.stderr


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return write(tmp_path / "mine", PLUGINS | {"config/studies/mine.yaml": STUDY})


def states(project: Path, **more: str) -> dict[str, str]:
    printed = run(project, STATES, **more)
    assert printed.startswith("{"), printed
    return json.loads(printed)


def test_a_plugin_works_like_a_built_in(project: Path) -> None:
    assert run(project, JOBS) == "6 (1, 1) True 3.0\n"


CLASSES = """
from microtome.config.load import load_workflow
from microtome.study.load import load_plans

run = load_plans(load_workflow({"studies": ["mine"], "scale": "paper"}))["mine"].study.runs["line"]
print(run.network.out_channels, run.activation, run.segment.kind)
"""


@pytest.mark.parametrize(
    ("classes", "loss", "expected"),
    [
        ("gap: 0, stripe: 255, edge: 7", "dice", "3 softmax argmax"),
        ("gap: 0, stripe: 255", "lovasz", "2 softmax argmax"),
        ("gap: 0, stripe: 255", "dice", "1 sigmoid threshold"),
    ],
)
def test_a_network_plugged_in_has_as_many_outputs_as_the_study_asks_for(project, classes, loss, expected):
    text = STUDY.replace("gap: 0, stripe: 255", classes).replace("{name: dice}", f"{{name: {loss}}}")
    for name in ("bce", "brier, weight: 2"):
        text = text.replace(f"{{name: {name}}}", "{name: cross_entropy}")
    write(project, {"config/studies/mine.yaml": text})
    assert run(project, CLASSES) == f"{expected}\n"


def test_a_plugin_enters_the_digests_of_its_own_jobs(project: Path) -> None:
    """Where the project or its plugins lie counts for nothing."""
    before = states(project)
    assert before["samples"] == "stripe-0 stripe-1 stripe-2"
    changes = {
        "plugins/losses/brier.py": {"train brier"},
        "plugins/config/losses/brier.py": {"train brier"},
        "plugins/networks/line.py": {"train line", "predict line"},
        "plugins/metrics/families/extremes.py": {"evaluate"},
        "plugins/phantoms/stripes/__init__.py": {"simulate"},
        "plugins/datasets/shelf.py": set(),
    }
    for name, expected in changes.items():
        write(project, {name: PLUGINS[name] + "\nADDED = 1\n"})
        after = states(project)
        assert {job for job in before if before[job] != after[job]} == expected, name
        write(project, {name: PLUGINS[name]})
    elsewhere = project.rename(project.parent / "other")
    (elsewhere / "plugins").rename(project.parent / "shared")
    assert states(elsewhere, MICROTOME_PLUGINS="../shared") == before


def test_adding_a_plugin_changes_no_other_state(project: Path) -> None:
    before = states(project)
    for kind in ("losses", "config/losses"):
        text = PLUGINS[f"plugins/{kind}/brier.py"].replace("brier", "second").replace("Brier", "Second")
        write(project, {f"plugins/{kind}/second.py": text})
    assert states(project) == before


def test_editing_the_package_reruns_what_uses_it(project: Path, tmp_path: Path) -> None:
    """A new loss, a message, a check of options or a reader of GeoJSON trains nothing again."""
    for part in ("microtome", "scripts"):
        skipped = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / part, tmp_path / "clone" / part, ignore=skipped)
    clone = tmp_path / "clone/microtome"
    before = states(project, PYTHONPATH=str(clone.parent))
    write(clone, {"losses/new.py": PLUGINS["plugins/losses/brier.py"]})
    write(clone, {"config/losses/new.py": PLUGINS["plugins/config/losses/brier.py"].replace("brier", "new")})
    for name in (
        "workflow/job.py",
        "faults.py",
        "config/checks.py",
        "losses/focal.py",
        "config/losses/focal.py",
    ):
        append(clone / name)
    assert states(project, PYTHONPATH=str(clone.parent)) == before
    append(clone / "io/geojson.py")
    after = states(project, PYTHONPATH=str(clone.parent))
    assert not [job for job in before if before[job] != after[job] and job.startswith(("train", "predict"))]
    append(clone / "config/losses/bce.py")
    after = states(project, PYTHONPATH=str(clone.parent))
    assert [job for job in before if before[job] != after[job] and job.startswith("train")] == ["train plain"]


def append(file: Path) -> None:
    """A change of what a module does, as far as anyone can tell without running it."""
    file.write_text(file.read_text(encoding="utf-8") + "\nADDED = 1\n", encoding="utf-8")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("weight: 2", "weight: 0", "mine.yaml:13 runs.brier.loss.weight: found 0; expected a number above"),
        ("weight: 2", "weigth: 2", "mine.yaml:13 runs.brier.loss.weigth: found unknown option 'weigth'"),
        ("name: brier,", "name: brierr,", "'brier'?"),
        ("name: line}", "name: line, kernel: 2}", "mine.yaml:14 runs.line.network.kernel: found 2"),
        ("period: 4", "period: 0", "mine.yaml:5 data.phantom.period: found 0"),
        ("extremes]", "extreme]", "mine.yaml:15 evaluate.metrics.1: found 'extreme'; expected 'extremes'?"),
        (
            "{name: dice}",
            "{name: lovasz}, segment: {kind: threshold}",
            "mine.yaml:14 runs.line.segment.kind: found 'threshold'; expected 'argmax'",
        ),
        (
            "{name: line}",
            "{name: line, out_channels: 2}",
            "mine.yaml:14 runs.line.network.out_channels: found 2; expected 1, one for each of outputs: mask",
        ),
    ],
)
def test_options_are_checked_with_their_line(project: Path, old: str, new: str, expected: str) -> None:
    write(project, {"config/studies/mine.yaml": STUDY.replace(old, new)})
    assert expected in run(project, STATES)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        (
            "losses/dice.py",
            "",
            "'dice'; expected another name than that of a built-in module",
        ),
        ("config/losses/dice.py", "", "found a plugin called 'dice'"),
        ("losses/lonely.py", "", "config/losses/lonely.py: found no such file"),
        ("config/networks/lonely.py", "", "networks/lonely.py: found no such file"),
        (
            "config/losses/brier.py",
            "x = 1\n",
            'expected a class derived from Section that has `name: Literal["',
        ),
        (
            "config/losses/brier.py",
            PLUGINS["plugins/config/losses/brier.py"].replace("    TARGET", "    AIM"),
            "found no class attribute TARGET",
        ),
    ],
)
def test_a_plugin_that_cannot_be_one_is_named(project: Path, name: str, text: str, expected: str) -> None:
    write(project, {f"plugins/{name}": text})
    found = run(project, "import microtome.losses, microtome.config.run")
    assert expected in found
    assert f"plugins/{'' if 'lonely' in name else name}" in found


def test_the_reference_lists_plugins_and_checks_the_built_in(project: Path) -> None:
    printed = run(project, "from microtome.__main__ import main; main(['reference', '--check'])")
    assert printed == ""
    page = run(project, "from microtome.config.reference import plugin_page; print(plugin_page())")
    assert "### loss brier\n\nBrier score: the squared error" in page
    assert "| `weight` | number > 0 | `1.0` | factor |" in page
    assert "### network line" in page
    assert "### phantom stripes" in page
    assert "### family of metrics extremes\n\nThe largest probability" in page
    assert "### data set shelf\n\nImages on a shelf." in page


def test_a_folder_becomes_a_sheet(project: Path) -> None:
    write(project, {"shelf/a.tif": ""})
    run(
        project, "from microtome.__main__ import main; main(['scan', 'shelf', 'shelf', '--out', 'sheet.tsv'])"
    )
    assert (project / "sheet.tsv").read_text(encoding="utf-8") == "sample\timage\na.tif\ta.tif\n"
