# SPDX-License-Identifier: MIT
"""Runs of pixel classifiers: what is stale when, what is refused, and all jobs of one up to the report."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from safetensors.numpy import load_file

from microtome.config.workflow import Workflow
from microtome.faults import ConfigurationError
from microtome.provenance.cards import has_history, read_card
from microtome.provenance.runs import load_run
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan
from microtome.workflow.asked import ask
from microtome.workflow.states import runs
from tests.workflow.workspace import Content, Workspace, make_workspace, mini_study

LDA = {"name": "lda", "neighbourhood": 3}
RESULTS = "results/demo/mini/runs/main"


def study(**changes: object) -> Content:
    """A study with a network, a classifier and the mean of both, with options changed (`__` for the dot)."""
    content = mini_study()
    network = {"loss": {"name": "ce_dice"}, "training": {"epochs": 1}}
    content["runs"] = {
        "net": network,
        "lda": {"classifier": dict(LDA), "label": "LDA"},
        "mean": {"members": ["net", "lda"]},
    }
    content["evaluate"] = {"metrics": ["overlap"]}
    comparison = {"kind": "comparison", "title": "All runs", "runs": "all", "columns": ["accuracy"]}
    content["tables"] = {"comparison": comparison}
    content["figures"] = {"curves": {"kind": "loss_curves", "title": "Curves", "runs": "all"}}
    for keys, value in changes.items():
        *parents, last = keys.split("__")
        place: Any = content
        for key in parents:
            place = place.setdefault(key, {})
        place[last] = value
    return content


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config/studies").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)


def plan(**changes: object) -> StudyPlan:
    text = yaml.safe_dump(study(**changes), sort_keys=False)
    Path("config/studies/mini.yaml").write_text(text, encoding="utf-8")
    return load_plans(Workflow(studies=("mini",)))["mini"]


def states(found: StudyPlan, seed: int = 0) -> dict[str, str]:
    return {
        "fit": runs.fit_classifier(found, "main", "lda", seed),
        "classify": runs.classify(found, "lda"),
        "segment": runs.segment(found, "lda"),
    }


OPTIONS = {
    "runs__lda__classifier__pixels": (7, {"fit", "classify"}),
    "runs__lda__classifier__neighbourhood": (5, {"fit", "classify"}),
    "runs__lda__predict": ({"store": {"dtype": "uint8"}}, {"classify"}),
    "runs__lda__training": ({"epochs": 9}, set()),
    "runs__lda__label": ("New", set()),
    "defaults__augment": ({"rotate90": 0.5}, set()),
    "data__phantom__seed": (1, set()),
}


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("keys", OPTIONS)
def test_an_option_changes_the_states_that_use_it(keys: str) -> None:
    value, jobs = OPTIONS[keys]
    before, after = states(plan()), states(plan(**{keys: value}))
    assert {name for name in before if before[name] != after[name]} == jobs


@pytest.mark.usefixtures("elsewhere")
def test_a_seed_fits_anew_and_the_code_is_that_of_the_classifier() -> None:
    found = plan()
    assert states(found)["fit"] != states(found, seed=1)["fit"]
    other = plan(runs__lda__classifier={"name": "sam"})
    codes = {name: json.loads(state)["code"] for name, state in states(found).items()}
    assert {n for n, state in states(other).items() if json.loads(state)["code"] != codes[n]} == {
        "fit",
        "classify",
    }


@pytest.mark.usefixtures("elsewhere")
def test_a_classifier_has_no_network_and_a_map_for_each_class() -> None:
    run = plan().study.runs["lda"]
    assert (run.network, run.loss, run.kind, run.segment.kind) == (None, None, "classifier", "argmax")
    assert run.has_class_maps
    assert not (run.is_trained or run.has_history or run.needs_validation)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"runs__lda__network": {"name": "unet"}}, "a network; expected none, as `classifier` stands"),
        ({"runs__lda__loss": {"name": "dice"}}, "a loss; expected none, as `classifier` stands"),
        ({"runs__lda__calibration": {"kind": "cubic"}}, "expected 'none', as pixel classifiers are not"),
        ({"runs__lda__learn": {"share": 0.5}}, "left out or filled; expected nothing .share: 1, fill: null"),
        ({"runs__lda__segment": {"kind": "threshold"}}, "expected 'argmax', as the run gives a probab"),
        ({"runs__mean__classifier": dict(LDA)}, "a classifier; expected none, as `members` makes"),
        ({"runs__lda__classifier": {"name": "lad"}}, "'lad'"),
        ({"runs__lda__classifier": {"name": "lda", "neighbourhood": 2}}, "an odd number, such as 1, 3 or 5"),
        ({"figures__curves__runs": ["lda"]}, "'lda', a pixel classifier, which has no training history"),
    ],
)
def test_what_contradicts_a_classifier_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigurationError, match=said):
        plan(**changes)


@pytest.mark.usefixtures("elsewhere")
@pytest.mark.parametrize("run", ["lda", "mean"])
def test_it_is_neither_applied_nor_packed(run: str) -> None:
    found = plan()
    wanted = Workflow(studies=("mini",), study="mini", run=run, export="out")
    with pytest.raises(ConfigurationError, match="a pixel classifier or made of one; expected a run of net"):
        ask(wanted, {"mini": found}, ("export",))


@pytest.mark.workflow
def test_a_classifier_from_data_to_metrics(tmp_path: Path) -> None:
    workspace: Workspace = make_workspace(tmp_path / "mini")
    workspace.write_study("mini", study())
    workspace.run("-c1", "--config", "studies=[mini]")
    folder = workspace.root / RESULTS / "lda/seed-0"
    card = read_card(folder / "card.json")
    assert (card["classifier"], has_history(card)) == ("lda", False)
    assert load_file(folder / "model.safetensors")["slopes"].shape == (2, 3)
    record = load_run(folder)
    assert record.history is None
    metrics = record.metrics.query("metric == 'accuracy'")
    assert metrics["value"].min() > 0.5
    table = pd.read_csv(workspace.root / "results/demo/mini/tables/comparison.tsv", sep="\t")
    assert set(table["run"]) == {"net", "lda", "mean"}
    page = workspace.read("results/demo/reports/mini/report.html")
    assert "classifier.neighbourhood" in page
    done = workspace.run("-n", "-c1", "--config", "studies=[mini]")
    assert "Nothing to be done" in done.stdout + done.stderr
