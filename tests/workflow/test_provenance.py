# SPDX-License-Identifier: MIT
"""A finished workspace traces every table and figure, and is a valid RO-Crate."""

import json
from pathlib import Path

import pytest

from microtome.provenance import code as provenance
from microtome.provenance.trace import describe, trace
from tests.crate_checks import check_crate
from tests.workflow.conftest import Complete
from tests.workflow.workspace import REPORT, Workspace

MEGABYTE = 1_000_000
TABLE = "results/demo/mini/tables/comparison.tsv"
DICE = "results/demo/mini/runs/main/dice/seed-0"


def _sidecars(root: Path) -> list[Path]:
    found = [path for kind in ("tables", "figures") for path in root.glob(f"results/demo/*/{kind}/*.json")]
    assert len(found) == 5
    return sorted(found)


def test_every_table_and_figure_is_as_it_was_made(complete: Complete) -> None:
    for sidecar in _sidecars(complete.workspace.root):
        found = trace(sidecar)
        assert found.differences == (), describe(found)
    text = describe(trace(complete.workspace.root / TABLE))
    for run in ("dice", "tversky", "n4", "mean"):
        assert f"run {run} (split main, seed 0)" in text
    for piece in (
        "../samples.tsv: sha256",
        "../splits/main.tsv: sha256",
        "microtome.networks.ciresan",
        "torch 2",
    ):
        assert piece in text


def test_what_was_recorded_is_what_the_rule_had(complete: Complete) -> None:
    """The code digest of a sidecar is that of the rule's state, of the modules that it names."""
    for sidecar in _sidecars(complete.workspace.root):
        code = json.loads(sidecar.read_text())["provenance"]["code"]
        assert code["digest"] == provenance.code_digest(code["script"], tuple(code["modules"]))


@pytest.mark.parametrize(
    ("path", "named"),
    [
        (TABLE, "comparison.tsv"),
        (f"{DICE}/card.json", "../runs/main/dice/seed-0/card.json"),
        (f"{DICE}/model.safetensors", "../runs/main/dice/seed-0/model.safetensors"),
    ],
)
def test_what_changed_by_hand_is_named(copy: Workspace, path: str, named: str) -> None:
    with (copy.root / path).open("ab") as file:
        file.write(b" ")
    assert {step.name for step in trace(copy.root / TABLE).differences} == {named}


def test_a_sheet_that_is_only_named_reruns_nothing(copy: Workspace) -> None:
    """The sheet and the splits are told in the sidecar; figures that do not read them are not drawn again."""
    sheet = copy.root / "results/demo/mini/samples.tsv"
    sheet.write_text(sheet.read_text() + "\n")
    done = copy.run("-n", "-c1", "results/demo/mini/figures/panel.svg", TABLE)
    assert "Nothing to be done" in done.stdout + done.stderr
    assert [step.name for step in trace(copy.root / TABLE).differences] == ["../samples.tsv"]


def test_tables_and_figures_made_again_have_the_same_bytes(copy: Workspace) -> None:
    """What differs between two makings stands in the sidecars alone."""
    before = _products(copy.root)
    copy.run("-c2", "--forcerun", "tabulate", "draw", "--", "tables", "figures")
    assert before == _products(copy.root)


def _products(root: Path) -> dict[str, bytes]:
    found = [path for sidecar in _sidecars(root) for path in sidecar.parent.glob(f"{sidecar.stem}.*")]
    assert len(found) == 3 * 4 + 2 * 5
    return {str(path): path.read_bytes() for path in found if path.suffix != ".json"}


def test_the_results_are_a_valid_crate(complete: Complete) -> None:
    folder = complete.workspace.root / REPORT
    entities = check_crate(folder)
    assert (folder / "ro-crate-metadata.json").stat().st_size < 2 * MEGABYTE
    assert {"report.html", "mini/", "own/", "he/", "workflow/rules/train.smk"} <= set(entities)
    assert "workflow/config/studies/mini.yaml" in entities
    table = entities["#table-mini-comparison"]
    runs = [f"mini/runs/main/{run}/seed-0/" for run in ("dice", "tversky", "n4", "mean")]
    assert {*runs, "mini/samples.tsv"} <= {part["@id"] for part in table["object"]}
    assert entities["#data-mini"]["keywords"] == "phantom, simulated"
    card = json.loads((folder / "mini/runs/main/dice/seed-0/card.json").read_text())
    assert entities["#run-mini/runs/main/dice/seed-0"]["endTime"] == card["finished"]
