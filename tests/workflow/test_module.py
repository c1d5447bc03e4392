# SPDX-License-Identifier: MIT
"""Projects outside the clone: the workflow on another folder, and as a module of another workflow."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crate_checks import check_crate
from tests.workflow.conftest import Complete
from tests.workflow.workspace import (
    REPORT,
    REPOSITORY,
    Content,
    DryRunServer,
    Workspace,
    environment_of,
    make_workspace,
    mini_study,
    repository_files,
)

CONFIG = "scale: demo\nstudies: [tiny]\ndevice: cpu\n"
OURS = ("-s", str(REPOSITORY / "Snakefile"))
MODULE = """
configfile: "config/config.yaml"

module microtome:
    snakefile:
        {snakefile}
    config:
        config

use rule * from microtome{renamed}
"""
TAG = "v0.1.0"
ADDRESS = "https://github.com/OWNER/microtome"
PAGE = (REPOSITORY / "docs/how-to/projects.md").read_text(encoding="utf-8")


def tiny_study() -> Content:
    """One run and one table on the smallest phantom."""
    study = mini_study()
    run = {"label": "Dice", "loss": {"name": "dice"}, "training": {"epochs": 1}}
    return study | {
        "runs": {"dice": run},
        "evaluate": {"metrics": ["boundaries", "overlap"]},
        "tables": {"comparison": study["tables"]["comparison"]},
        "figures": {},
    }


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    """A folder with a configuration and a study, and nothing of the workflow."""
    workspace = Workspace(tmp_path / "project")
    workspace.write("config/config.yaml", CONFIG)
    workspace.write_study("tiny", tiny_study())
    return workspace


def _is_complete(project: Workspace, study: str = "tiny") -> None:
    """The study went through, in the project's folder, to a report that is a valid crate."""
    assert (project.root / f"results/demo/{study}/runs/main/dice/seed-0/model.safetensors").is_file()
    page = project.root / f"results/demo/reports/{study}/report.html"
    assert f'href="{study}/tables/comparison.tsv"' in page.read_text(encoding="utf-8")
    assert (page.parent / f"{study}/tables/comparison.tsv").is_file()
    entities = check_crate(page.parent)
    assert {f"workflow/config/studies/{study}.yaml", "workflow/config/datasets.yaml"} <= set(entities)
    assert "workflow/config/studies/membranes.yaml" not in entities


def test_a_project_in_a_folder_of_its_own(tmp_path: Path) -> None:
    """The page's files, and its commands as they are written."""
    project = Workspace(tmp_path / "project")
    for path, text in re.findall(r"<!-- (config/\S+) -->\n```yaml\n(.*?)```", PAGE, re.DOTALL):
        project.write(path, text)
    (commands,) = re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    _shell(commands, tmp_path)
    _is_complete(project, "first")
    assert {path.name for path in tmp_path.iterdir()} == {"project"}
    assert "Nothing to be done" in _shell(commands.splitlines()[-1], tmp_path)


def _shell(commands: str, folder: Path) -> str:
    """Run commands of a page where `CLONE` and `PATH` are as it says; returns what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", commands],
        cwd=folder,
        env=environment_of(CLONE=str(REPOSITORY), PATH=path),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    return done.stdout + done.stderr


def test_a_rule_by_hand(tmp_path: Path) -> None:
    """The command of CONTRIBUTING.md."""
    page = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^snakemake .*$", page, re.MULTILINE)
    clone = make_workspace(tmp_path / "clone")
    shutil.copy2(REPOSITORY / "config/config.yaml", clone.root / "config/config.yaml")
    printed = _shell(command, clone.root)
    assert printed.count("The job is done, in ") == 1
    assert (clone.root / "results/demo/membranes/splits/main.tsv").is_file()


def test_a_module_from_a_repository(project: Workspace, tmp_path: Path) -> None:
    """The form that `snakedeploy deploy-workflow` writes, as on the page; git has a folder at the address."""
    _make_repository(tmp_path / "repository")
    (text,) = re.findall(r"<!-- workflow/Snakefile -->\n```python\n(.*?)```", PAGE, re.DOTALL)
    project.write("workflow/Snakefile", text)
    git = {
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{tmp_path / 'repository'}.insteadOf",
        "GIT_CONFIG_VALUE_0": ADDRESS,
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    project.run("-c2", "--workflow-profile", str(REPOSITORY / "profiles/default"), **git)
    _is_complete(project)


def _make_repository(root: Path) -> None:
    if shutil.which("git") is None:
        pytest.skip("needs git")
    for name in repository_files():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(REPOSITORY / name, root / name)
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org")
    for arguments in (("init", "-q"), ("add", "-A"), (*who, "commit", "-qm", "All"), ("tag", TAG)):
        subprocess.run(["git", "-C", str(root), *arguments], check=True, env=os.environ | {"HOME": str(root)})


def test_a_module_in_a_folder_with_other_names(project: Workspace) -> None:
    snakefile = repr(str(REPOSITORY / "Snakefile"))
    text = MODULE.format(snakefile=snakefile, renamed=" as microtome_*")
    project.write("Snakefile", text + '\nrule own:\n    shell: "true"\n')
    done = project.run("-n", "-c1", "--quiet", "rules")
    listed = done.stdout + done.stderr
    assert {"microtome_train", "microtome_report_page", "microtome_all"} <= set(listed.split())
    prefixed = text.replace("    config:", '    prefix:\n        "other"\n    config:', 1)
    project.write("Snakefile", prefixed)
    refused = project.run("-n", "-c1", check=False)
    assert refused.returncode == 1
    assert "`prefix`" in refused.stdout + refused.stderr


def test_shipped_studies_are_found_and_may_be_replaced(
    project: Workspace, server: DryRunServer, tmp_path: Path
) -> None:
    """Without any configuration the workflow's own holds; a study of the project hides the shipped one."""
    empty = Workspace(tmp_path / "empty")
    empty.root.mkdir()
    found = empty.jobs(server, *OURS)
    assert {job.wildcards.get("study") for job in found} - {None} == {
        "membranes",
        "nuclei",
        "melanoma",
        "bcc",
        "rcm",
    }
    project.write_study("membranes", tiny_study())
    jobs = project.jobs(server, *OURS, "--config", "studies=[membranes]")
    assert [job.wildcards["run"] for job in jobs if job.rule == "train"] == ["dice"]


def test_messages_say_where_was_searched(project: Workspace) -> None:
    files = {"source": "files", "samples": "config/samples/my.tsv", "classes": {"membrane": 0, "cell": 255}}
    project.set_option("tiny", "data", files)
    done = project.run(*OURS, "-n", "-c1", "--config", "studies=[tiny,mebranes]", check=False)
    assert done.returncode == 1
    places = f"neither in the project {project.root} nor in the workflow {REPOSITORY}"
    faults = [line for line in (done.stdout + done.stderr).splitlines() if places in line]
    assert any("'mebranes'" in line and "'membranes'? (known: bcc, melanoma" in line for line in faults)
    assert any("config/samples/my.tsv" in line for line in faults)


def test_each_set_of_studies_keeps_its_report(complete: Complete, copy: Workspace) -> None:
    """Another study's run leaves the report and the crate of the first ones as they are."""
    before = _contents(copy.root / REPORT)
    copy.run("-c2", "--config", "studies=[own]")
    assert _contents(copy.root / REPORT) == before
    own = check_crate(copy.root / "results/demo/reports/own")
    assert "own/" in own
    assert "mini/" not in own
    again = copy.run("-n", "-c1")
    assert "Nothing to be done" in again.stdout + again.stderr


def _contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    assert len(files) > 20
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}
