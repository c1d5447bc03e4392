# SPDX-License-Identifier: MIT
"""Making the DAG: quick, without heavy packages; and states that cover what jobs import."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from microtome.config.load import load_workflow
from microtome.provenance import code
from microtome.study.load import load_plans
from microtome.study.plan import StudyPlan
from microtome.workflow.states import applied, data, products, runs, stains
from tests.workflow.conftest import Complete
from tests.workflow.workspace import STUDIES, Workspace, environment_of, make_workspace

SECONDS = 5.0
"""User time of a dry run of the demo study, at most (DESIGN 2)."""
STARTS = 3
"""User time of a dry run of the demo, at most, in starts of Snakemake itself (`--version`), which is 1."""
TRIES = 3
STUDY_RULES = {
    "simulate": (data.simulate,),
    "extract_patches": (data.extract_patches,),
    "write_sheet": (data.sheet,),
    "predict_raw": (runs.predict, "run"),
    "import_images": (
        data.import_images,
        "batch",
    ),
    "rasterize_targets": (
        data.rasterize_targets,
        "batch",
    ),
    "split": (
        data.split,
        "split",
    ),
    "train": (runs.train, "split", "run", "seed"),
    "predict": (
        runs.predict,
        "run",
    ),
    "average": (
        runs.average,
        "run",
    ),
    "ensemble": (runs.ensemble, "split", "run", "seed"),
    "fit_calibration": (runs.fit_calibration, "split", "run"),
    "calibrate_predictions": (
        runs.calibrate_predictions,
        "run",
    ),
    "segment": (
        runs.segment,
        "run",
    ),
    "tune": (runs.tune, "split", "run"),
    "fit_stain": (
        stains.fit_stain,
        "stain",
    ),
    "normalize_stain": (
        stains.normalize_stain,
        "stain",
    ),
    "export_objects": (
        applied.export_objects,
        "run",
    ),
    "evaluate": (runs.evaluate, "split", "run", "seed"),
}
"""The state of a rule, a function of the plan, and the wildcards that it takes."""
SECTIONS = {"tabulate": "tables", "draw": "figures"}
WHOLE = {"report_page": products.report, "crate": products.crate}
"""Rules of all studies together."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The repository as it is published, with nothing done."""
    workspace = make_workspace(tmp_path_factory.mktemp("demo"))
    workspace.write("config/config.yaml", "scale: demo\nstudies: [membranes]\n")
    workspace.run("-n", "-c1", "--quiet", "all")
    return workspace


def test_a_dry_run_of_the_demo_is_quick(demo: Workspace) -> None:
    """User time, as wall time says more of the machine's other guests; the best of a few."""
    found: list[float] = []
    while len(found) < TRIES and min(found, default=SECONDS) >= SECONDS:
        found.append(_user_seconds(demo, "-n", "-c1", "--quiet", "all"))
    assert min(found) < SECONDS, found
    assert min(found) < STARTS * _user_seconds(demo, "--version")


def _user_seconds(workspace: Workspace, *arguments: str) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    workspace.run(*arguments, from_scratch=True)
    return resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before


def test_a_dry_run_imports_no_heavy_package(demo: Workspace) -> None:
    demo.run("-n", "-c1", "--quiet", "all", MICROTOME_TEST_FORBIDDEN="torch matplotlib skimage")


def test_a_dry_run_of_phantoms_needs_snakemake_alone(demo: Workspace) -> None:
    """Readers of images are imported where a study has files; see requirements-launcher.txt.

    Snakemake and its SLURM plugin themselves import pandas, NumPy and, where it is there, PIL: so what the
    rules import, and the plans, are also made without Snakemake.
    """
    demo.run("-n", "-c1", "--quiet", "all", MICROTOME_TEST_FORBIDDEN="tifffile imagecodecs")
    files = [demo.root / "Snakefile", *sorted(demo.root.glob("rules/*.smk"))]
    lines = [line for file in files for line in file.read_text(encoding="utf-8").splitlines()]
    imports = [line for line in lines if line.startswith(("from microtome", "import microtome"))]
    assert len(imports) > 5
    made = "assert load_plans(load_workflow({'scale': 'demo'}))"
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*imports, made])],
        cwd=demo.root,
        env=environment_of(MICROTOME_TEST_FORBIDDEN="numpy pandas PIL tifffile imagecodecs"),
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_forbidden_imports_are_seen(demo: Workspace) -> None:
    """The guard of the test above can fail."""
    done = demo.run("-n", "-c1", "--quiet", "all", check=False, MICROTOME_TEST_FORBIDDEN="pydantic")
    assert done.returncode == 97
    assert "forbidden import: pydantic" in done.stderr


def test_states_cover_what_jobs_imported(complete: Complete, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every module that a job of the complete run loaded lies in the closure that its state hashes."""
    monkeypatch.chdir(complete.workspace.root)
    plans = load_plans(load_workflow({"scale": "demo", "studies": list(STUDIES)}))
    scopes = _record_scopes(monkeypatch)
    records = list(_records(complete.imports))
    assert {rule for rule, _, _ in records} >= {*STUDY_RULES, *SECTIONS, *WHOLE}
    missing = {}
    for rule, wildcards, modules in records:
        scopes.clear()
        _make_state(rule, wildcards, plans)
        (covered,) = scopes
        loaded = {file for name in modules for file in code.module_files(name)}
        names = {file.relative_to(code.ROOT).as_posix() for file in loaded - covered}
        for name in names:
            if not name.startswith(code.EXEMPT):
                missing.setdefault(name, set()).add(rule)
    assert missing == {}


def _records(folder: Path) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    for path in sorted(folder.glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        yield record["rule"], record["wildcards"], record["modules"]


def _record_scopes(monkeypatch: pytest.MonkeyPatch) -> list[set[Path]]:
    """Keep, for each state that is made, the files that it hashes."""
    scopes: list[set[Path]] = []

    def state(script: str, options: object, *, modules=(), files=()) -> str:
        named = (file for name in modules for file in code.module_files(name))
        scopes.append(code.closure([code.ROOT / script, *named]))
        return ""

    monkeypatch.setattr(code, "state", state)
    return scopes


def _make_state(rule: str, wildcards: dict[str, str], plans: dict[str, StudyPlan]) -> None:
    if rule in WHOLE:
        WHOLE[rule](plans)
        return
    plan = plans[wildcards["study"]]
    if rule in SECTIONS:
        products.entry(plan, SECTIONS[rule], wildcards["name"])
        return
    state, *names = STUDY_RULES[rule]
    values = [int(wildcards[name]) if name == "seed" else wildcards[name] for name in names]
    getattr(state, "__wrapped__", state)(plan, *values)
