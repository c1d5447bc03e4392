# SPDX-License-Identifier: MIT
"""What tables and figures are made of, and how a project adds kinds of its own, with needs of their own."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from microtome.config.losses.dice import Dice
from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.figures import kinds as figure_kinds
from microtome.figures.inputs import gather
from microtome.figures.save import save_figure
from microtome.provenance import code
from microtome.registry import search_path
from microtome.stages.products import by_name, make
from microtome.study.load import load_plans
from microtome.workflow import needs
from microtome.workflow.paths import Layout
from microtome.workflow.states import products
from tests.workflow.workspace import he_study, mini_study

AT = Layout("results", "demo", ("x",))
TABLE = '''
"""Epochs of runs."""
import pandas as pd
from microtome.tables.frame import Column, Table

NEEDS = frozenset({"runs", "history"})
METRIC_OPTIONS = {"metric": ""}


def tabulate(inputs, *, metric: str, title: str = "Epochs", rows=None):
    """Count epochs."""
    frame = pd.DataFrame({"run": [record.run for record in inputs.runs]})
    return Table(frame, (Column("run", "Run", kind="text"),), title, "", inputs.data_kinds)
'''
FIGURE = '''
"""Sizes of the weights of runs."""
import pandas as pd
from microtome.figures.parts.style import new_figure, styled
from microtome.figures.result import FigureResult

NEEDS = frozenset({"weights"})


@styled
def draw(inputs, *, bars: int = 1):
    """Draw sizes."""
    sizes = [path.stat().st_size for path in inputs.files["weights"]]
    return FigureResult(new_figure(2, 2), pd.DataFrame({"bytes": sizes * bars}), "Sizes.")
'''
CACHES = (code.code_digest, code.facts, code.module_files, code._imports, code._file)


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a table and a figure of its own."""
    for section, text in (("tables", TABLE), ("figures", FIGURE)):
        kind = tmp_path / f"plugins/{section}/kinds/own_{section}.py"
        kind.parent.mkdir(parents=True)
        kind.write_text(text, encoding="utf-8")
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plan(content: dict[str, Any] | None = None, **sections: Any) -> Any:
    """The plan of the miniature study with other tables and figures."""
    content = mini_study() if content is None else content
    content |= {"tables": {}, "figures": {}, **sections}
    text = yaml.safe_dump(content, sort_keys=False)
    Path("config/studies/x.yaml").write_text(text, encoding="utf-8")
    return load_plans(Workflow(studies=("x",)))["x"]


def inputs(section: str, content: dict[str, Any] | None = None, **entry: Any) -> dict[str, list[str]]:
    return needs.files(plan(content, **{section: {"e": entry}}), AT, section, "e")


def test_files_are_those_that_the_kind_declares():
    shown = inputs("figures", kind="sample_panel", runs=["dice"])
    assert set(shown) == {"cards", "metrics", "images", "targets", "maps"}
    assert all("/dice/" in path for path in shown["maps"])
    assert inputs("figures", kind="worked_relu") == {}
    assert set(inputs("figures", kind="worked_pooling", example="image")) == {"images", "targets"}
    assert set(inputs("tables", kind="data")) == {"labels", "splits"}
    assert set(inputs("tables", kind="metrics", runs="all", columns=["v_rand"])) == {"cards", "metrics"}


def test_all_leaves_out_runs_without_what_is_needed():
    histories = inputs("figures", kind="loss_curves", runs="all")["histories"]
    assert [Path(path).parts[-3] for path in histories] == ["dice", "tversky", "n4"]


def test_stains_are_taken_only_by_kinds_that_show_them():
    assert set(inputs("tables", he_study(), kind="stain_report")) == {"stains", "stain_targets"}
    entry = {"kind": "stain_report"}
    told = json.loads(products.entry(plan(he_study(), tables={"e": entry}), "tables", "e"))["options"]
    assert set(told["groups"].values()) > {""} or all(told["groups"])
    other = json.loads(products.entry(plan(he_study(), tables={"e": {"kind": "data"}}), "tables", "e"))
    assert "groups" not in other["options"]


def test_a_table_of_the_project_is_checked_like_any_other():
    with pytest.raises(ConfigurationError) as error:
        plan(tables={"e": {"kind": "own_tables", "runs": ["dice", "mean"], "metric": "v_rnad", "over": 1}})
    text = str(error.value)
    assert "tables.e.over: found unknown option 'over'" in text
    assert "tables.e.metric: found 'v_rnad'; expected 'v_rand'?" in text
    assert "tables.e.runs.1: found 'mean', an ensemble, which has no training history" in text


def test_a_table_of_the_project_has_its_files():
    shown = inputs("tables", kind="own_tables", runs="all", metric="v_rand")
    assert [Path(path).parts[-3] for path in shown["histories"]] == ["dice", "tversky", "n4"]


def test_its_code_is_part_of_its_own_job_alone(project: Path):
    entries = {"own": {"kind": "own_tables", "runs": ["dice"], "metric": "v_rand"}, "data": {"kind": "data"}}
    found = plan(tables=entries)
    before = {name: products.entry(found, "tables", name) for name in entries}
    kind = project / "plugins/tables/kinds/own_tables.py"
    kind.write_text(kind.read_text().replace('"Epochs"', '"Length"'), encoding="utf-8")
    for cached in CACHES:
        cached.cache_clear()
    after = {name: products.entry(found, "tables", name) for name in entries}
    assert after["own"] != before["own"]
    assert after["data"] == before["data"]


def test_a_changed_label_makes_what_prints_it_again(monkeypatch: pytest.MonkeyPatch):
    drawings = {name: {"kind": name, "runs": ["dice"]} for name in ("pipeline", "architecture")}
    found = plan(figures=drawings)
    before = {name: products.entry(found, "figures", name) for name in drawings}
    monkeypatch.setattr(Dice, "LABEL", "soft Dice")
    after = {name: products.entry(found, "figures", name) for name in drawings}
    assert after["pipeline"] != before["pipeline"]
    assert after["architecture"] == before["architecture"]


def test_a_drawing_does_not_take_what_is_configured_for_what_is_tuned():
    content, drawing = he_study(), {"kind": "pipeline", "runs": ["alone"]}

    def told() -> dict[str, Any]:
        state = products.entry(plan(content, figures={"e": drawing}), "figures", "e")
        return json.loads(state)["options"]["settings"]["runs"]["alone"]["segment"]

    before = told()
    content["runs"]["alone"]["tune"] = {"metric": "aji", "values": {"mask_threshold": [0.2, 0.3]}}
    assert told() == before | {"mask_threshold": None}
    assert before["mask_threshold"] is not None


def test_an_unknown_need_is_said():
    with pytest.raises(ConfigurationError, match=r"own_figures\.py NEEDS: found 'weights'; expected one of"):
        inputs("figures", kind="own_figures", runs=["dice"])
    two = plan(figures={name: {"kind": "own_figures", "runs": ["dice"]} for name in "ef"})
    with pytest.raises(ConfigurationError, match=r"own_figures\.py NEEDS: found 'weights'") as caught:
        needs.check([two, plan()])
    assert len(caught.value.faults) == 1, "the kind is at fault, and once"
    needs.check([plan()])


def test_a_new_need_is_one_entry_and_reaches_the_kind(monkeypatch: pytest.MonkeyPatch, project: Path):
    """A figure with a need that no other has: two files, the entry of `FILES` and the kind."""
    monkeypatch.setitem(needs.FILES, "weights", {"weights": lambda shown: shown.of_runs("model.bin")})
    # The package looks for plugins where its process began, which for a process of tests is another project.
    folders = search_path(figure_kinds.__name__, figure_kinds.__path__[:1])
    monkeypatch.setattr(figure_kinds, "__path__", folders)
    found = plan(figures={"e": {"kind": "own_figures", "runs": ["dice"], "bars": 2}})
    files = needs.files(found, AT, "figures", "e")
    (weights,) = files["weights"]
    assert weights == "results/demo/x/runs/main/dice/seed-0/model.bin"
    Path(weights).parent.mkdir(parents=True)
    Path(weights).write_bytes(b"12345")
    Path("published.yaml").write_text("papers: {}", encoding="utf-8")
    options = json.loads(products.entry(found, "figures", "e"))["options"]
    read = by_name({"weights": [weights], "published": "published.yaml"})
    make("figures", options, read, stem=project / "e", gather=gather, save=save_figure)
    assert pd.read_csv(project / "e.tsv", sep="\t")["bytes"].tolist() == [5, 5]
