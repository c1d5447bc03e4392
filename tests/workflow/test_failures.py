# SPDX-License-Identifier: MIT
"""A table or a figure that cannot be made costs nothing but itself: a red box, and exit status 1."""

from pathlib import Path

import pytest

from tests.crate_checks import check_crate
from tests.report.page_checks import Page
from tests.workflow.test_module import tiny_study
from tests.workflow.workspace import DryRunServer, Workspace, make_workspace

FIGURE = '''
"""Draws if the machine has what it needs."""
from pathlib import Path
import pandas as pd
from microtome.figures.parts.style import new_figure, styled
from microtome.figures.result import FigureResult


@styled
def draw(inputs, *, wide: bool = False):
    """Draw nothing."""
    {"yes": 1}["yes" if Path("allowed").exists() else "a key <that> lacks $x^"]
    return FigureResult(new_figure(2, 2), pd.DataFrame({"x": [1]}), "Drawn.")
'''
TABLE = '''
"""Counts to nothing."""
import pandas as pd
from microtome.tables.frame import Column, Table


def tabulate(inputs, *, right: bool = False, title: str = "", rows=None):
    """Count."""
    if not right:
        raise ValueError("the table has nothing to count; count something")
    return Table(pd.DataFrame({"a": [1]}), (Column("a", "A"),), title, "", inputs.data_kinds)
'''
HOME = "results/demo/reports/tiny"
REASONS = ("KeyError: 'a key <that> lacks $x^'", "the table has nothing to count; count something")
BROKEN = {("tabulate", "counts"), ("draw", "fragile")}
AFTER = {("report_page", ""), ("crate", "")}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    found = make_workspace(tmp_path / "clone")
    found.write("config/config.yaml", "scale: demo\nstudies: tiny\ndevice: cpu\n")
    study = tiny_study()
    study["tables"]["counts"] = {"kind": "nothing", "title": "Counts"}
    study["figures"] = {"fragile": {"kind": "fragile", "title": "Fragile"}}
    study["figures"]["curves"] = {"kind": "loss_curves", "title": "Curves", "runs": "all"}
    study.pop("paper")
    found.write_study("tiny", study)
    found.write("plugins/figures/kinds/fragile.py", FIGURE)
    found.write("plugins/tables/kinds/nothing.py", TABLE)
    return found


def left(workspace: Workspace, server: DryRunServer) -> set[tuple[str, str]]:
    """Rule and name of what would run."""
    return {(job.rule, job.wildcards.get("name", "")) for job in workspace.jobs(server)}


def boxes(workspace: Workspace) -> int:
    return workspace.read(f"{HOME}/report.html").count('<div class="failed">')


def test_others_and_the_report_are_made_and_only_what_failed_runs_again(
    workspace: Workspace, server: DryRunServer
) -> None:
    failed = workspace.run("-c2", check=False)
    assert failed.returncode == 1
    assert "2 of the tables and figures could not be made" in failed.stderr
    assert f"The report: {workspace.root / HOME}/report.html\n" in failed.stderr
    assert "Finished jobid" not in failed.stderr, "a line stands for those of single jobs"
    assert "Traceback" not in failed.stderr.partition("could not be made.")[2]
    page = Page(workspace.read(f"{HOME}/report.html"))
    assert boxes(workspace) == 2
    for reason, log in zip(REASONS, ("draw/tiny/fragile", "tabulate/tiny/counts"), strict=True):
        assert reason in page.words
        assert reason in failed.stderr
        assert f"logs/demo/{log}.log" in page.words
        assert workspace.read(f"logs/demo/{log}.log").rstrip().endswith(reason)
        assert "Traceback" in workspace.read(f"logs/demo/{log}.log")
    assert "Drawn" not in page.words
    assert (workspace.root / "results/demo/tiny/figures/curves.svg").is_file()
    assert workspace.read("results/demo/tiny/tables/comparison.tsv").startswith("run\t")
    entities = check_crate(workspace.root / HOME)
    assert "tiny/figures/curves.svg" in entities
    assert not [name for name in entities if name.startswith(("tiny/figures/fragile", "tiny/tables/counts"))]

    assert left(workspace, server) == BROKEN | AFTER
    assert workspace.run("-c2", check=False).returncode == 1, "it is no better the second time"
    assert boxes(workspace) == 2

    workspace.set_option("tiny", "tables.counts.right", True)
    assert workspace.run("-c2", check=False).returncode == 1
    assert boxes(workspace) == 1
    assert left(workspace, server) == {("draw", "fragile")} | AFTER

    workspace.write("allowed", "")
    assert workspace.run("-c2").returncode == 0
    assert boxes(workspace) == 0
    assert "tiny/figures/fragile.svg" in check_crate(workspace.root / HOME)
    assert left(workspace, server) == set()


def test_one_asked_for_by_name_fails_too(workspace: Workspace) -> None:
    """Where no report is asked for, the exit status says it all the same, of what has failed in this run."""
    figure = "results/demo/tiny/figures/fragile.svg"
    assert workspace.run("-c1", figure, check=False).returncode == 1
    assert "This figure could not be made." in workspace.read(figure)
    done = workspace.run("-c1", "results/demo/tiny/samples.tsv")
    assert done.returncode == 0


def test_an_unknown_need_stops_also_where_a_report_is_there(workspace: Workspace) -> None:
    """Snakemake passes over input functions that fail where what they are for is there already."""
    for name in ("report.html", "ro-crate-metadata.json", "workflow/Snakefile"):
        workspace.write(f"{HOME}/{name}", "")
    workspace.write("plugins/tables/kinds/nothing.py", f'{TABLE}\nNEEDS = frozenset({{"metrics"}})\n')
    done = workspace.run("-n", "-c1", check=False)
    assert done.returncode == 1
    said = "nothing.py NEEDS: found 'metrics'; expected 'names'? (known: annotations, bands, "
    assert said in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
