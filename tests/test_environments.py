# SPDX-License-Identifier: MIT
"""Environments: one pin a package everywhere, nothing left unpinned, every import of every script there."""

import ast
import re
import sys
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from microtome import provenance
from tests.lint_workflow import ROOT, Rule, workflow_rules

ENVIRONMENTS = sorted(path.stem for path in (ROOT / "envs").glob("*.yaml"))
MANAGER = ("snakemake", "snakemake-executor-plugin-slurm", "Pygments")
"""What runs the workflow rather than its jobs: Snakemake, its SLURM plugin, and what `--report` needs."""
GPU_BUILD = re.compile(r"^(nvidia-|cuda-|triton)")
"""Packages that only the CUDA build of torch asks for."""
CHOSEN_AT_RUN_TIME = {
    "simulate": ("phantoms",),
    "train": ("networks", "losses"),
    "predict": ("networks",),
    "evaluate": ("evaluation", "losses"),
    "tabulate": ("tables", "networks"),
    "draw": ("figures", "networks"),
}
"""Folders of the package from which a rule imports by name."""
UNSEEN = {"parquet": "pyarrow"}
"""Packages that another package imports for us: a word in the code, and what it needs."""

Pins = dict[str, str]


def _pins(lines: Iterable[str]) -> Pins:
    """Canonical name to version; a package must be pinned once, exactly."""
    found: Pins = {}
    for line in lines:
        requirement = Requirement(line)
        (specifier,) = requirement.specifier
        name = canonicalize_name(requirement.name)
        assert specifier.operator == "==", f"{line}: not pinned"
        assert name not in found, f"{line}: pinned twice"
        found[name] = specifier.version
    return found


def _requirements(name: str) -> Pins:
    lines = (
        line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    )
    return _pins(line for line in lines if line and not line.startswith("-"))


@cache
def _environment(name: str) -> Pins:
    content = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text(encoding="utf-8"))
    (pip,) = (entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    return _pins(pip)


def _dependencies(names: Iterable[str]) -> set[str]:
    """The packages and everything that they ask for on this machine, by what is installed."""
    found: set[tuple[str, str]] = set()
    waiting = [(canonicalize_name(name), "") for name in names]
    while waiting:
        name, extra = entry = waiting.pop()
        if entry not in found and not GPU_BUILD.match(name):
            found.add(entry)
            waiting += _asked_for(name, extra)
    return {name for name, _ in found}


def _asked_for(name: str, extra: str) -> Iterator[tuple[str, str]]:
    for text in metadata.requires(name) or ():
        requirement = Requirement(text)
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield from ((canonicalize_name(requirement.name), other) for other in ("", *requirement.extras))


PINNED = _requirements("requirements.txt")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_has_the_pins_of_requirements(name: str) -> None:
    here = _environment(name)
    assert {package: PINNED.get(package) for package in here} == here


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_environment_pins_all_that_its_packages_ask_for(name: str) -> None:
    here = _environment(name)
    assert _dependencies(here) - set(here) == set()


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
    union = {package for name in ENVIRONMENTS for package in _environment(name)}
    assert set(PINNED) == union | _dependencies(MANAGER)


def test_development_adds_and_changes_nothing() -> None:
    added = _requirements("requirements-dev.txt")
    assert set(added) & set(PINNED) == set()
    lines = (ROOT / "requirements-dev.txt").read_text(encoding="utf-8").splitlines()
    assert "-r requirements.txt" in lines


@pytest.mark.parametrize("package", sorted(PINNED))
def test_installed_versions_are_the_pins(package: str) -> None:
    """These tests speak of the pinned versions. Builds of torch differ in a local suffix such as +cpu."""
    assert Version(metadata.version(package)).public == Version(PINNED[package]).public


def _rules() -> list[Rule]:
    rules = [rule for rule in workflow_rules() if not rule.is_target and "script" in rule.sections]
    assert len(rules) > 15
    return rules


RULES = _rules()


def _claimed(rule: Rule) -> str:
    found = re.search(r'"\.\./envs/(\w+)\.yaml"', rule.sections["conda"])
    assert found, f"{rule.where}: {rule.sections['conda']}"
    return found.group(1)


def _script(rule: Rule) -> Path:
    return ROOT / rule.sections["script"].strip().strip('"').removeprefix("../")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_claims_an_environment_that_exists(rule: Rule) -> None:
    assert _claimed(rule) in ENVIRONMENTS


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_an_environment_has_all_that_a_script_imports(rule: Rule) -> None:
    """Also what functions import when they are called, and what modules chosen by name import."""
    pins = _environment(_claimed(rule))
    missing = {
        f"{package} ({path.relative_to(ROOT)})"
        for path in _closure(rule)
        for package in _packages(path)
        if package not in pins
    }
    assert missing == set()


def test_every_environment_is_used() -> None:
    assert {_claimed(rule) for rule in RULES} == set(ENVIRONMENTS)


def test_light_rules_do_not_wait_for_torch() -> None:
    """Environments by role: what only reads and writes images needs neither torch nor matplotlib."""
    assert {"torch", "matplotlib"} & set(_environment("imaging")) == set()


def _closure(rule: Rule) -> set[Path]:
    folders = CHOSEN_AT_RUN_TIME.get(_script(rule).stem, ())
    chosen = (path for folder in folders for path in (ROOT / "microtome" / folder).glob("*.py"))
    return provenance.closure([_script(rule), *chosen])


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
