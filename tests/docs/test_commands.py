# SPDX-License-Identifier: MIT
"""Commands on pages can be typed: their programs, options, targets, studies and runs exist."""

import argparse
import re
from functools import cache

import pytest
import yaml
from snakemake.cli import get_argument_parser

from microtome.__main__ import parser as tools
from microtome.config.workflow import Workflow
from tests.docs.pages import pages, words
from tests.workflow.workspace import REPOSITORY

COMMANDS = sorted({(str(page), command) for page in pages() for command in page.commands()})
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
RULES = frozenset(
    name
    for path in (REPOSITORY / "rules").glob("*.smk")
    for name in re.findall(r"^(?:rule|checkpoint) (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
) | {"all"}
OF_PLUGINS = frozenset({"--slurm-partition-config"})
VALUES = re.compile(r"[A-Z][A-Z_.]*(?:/\S*)?|…|\.\.\.")
"""What a reader fills in."""


@cache
def of_snakemake():
    """Options of Snakemake: with a value or without."""
    found = {}
    for action in get_argument_parser()._actions:  # argparse has no other way to list them
        found |= dict.fromkeys(action.option_strings, action.nargs)
    return found


def options(arguments):
    """Those before `--`, without the values of `--config`."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    return [word.partition("=")[0] for word in arguments[:end] if re.match(r"--?[a-z][^ ]*$", word)]


def pairs(arguments):
    """What stands behind `--config`."""
    if "--config" not in arguments:
        return {}
    start = arguments.index("--config") + 1
    found = {}
    for word in arguments[start:]:
        if "=" not in word or word.startswith("-"):
            break
        name, _, value = word.partition("=")
        found[name] = value
    return found


def test_there_are_commands():
    assert len(COMMANDS) > 60
    assert {words(command)[0] for _, command in COMMANDS} == {"snakemake", "make", "python"}


def of(program):
    chosen = [(page, command) for page, command in COMMANDS if words(command)[0] == program]
    return pytest.mark.parametrize(("page", "command"), chosen, ids=[f"{a}: {b[:60]}" for a, b in chosen])


@of("snakemake")
def test_snakemake_knows_the_options(page, command):
    known = of_snakemake()
    arguments = words(command)[1:]
    short = {name[:2] for name in known if not name.startswith("--")}
    unknown = [
        name
        for name in options(arguments)
        if name not in known and not (name[:2] in short and name[1] != "-")
    ]
    assert not unknown


@of("snakemake")
def test_the_configuration_has_the_options(page, command):
    found = pairs(words(command)[1:])
    assert found.keys() <= Workflow.model_fields.keys()
    study = _study(found.get("study", ""))
    if study and "run" in found and not VALUES.fullmatch(found["run"]):
        assert found["run"] in study["runs"]
    if "scale" in found:
        assert found["scale"] in ("demo", "local", "full", "paper", "SCALE")


def _study(name):
    path = REPOSITORY / f"config/studies/{name}.yaml"
    return yaml.safe_load(path.read_text(encoding="utf-8")) if name and path.is_file() else None


@of("snakemake")
def test_targets_exist(page, command):
    arguments = words(command)[1:]
    targets = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    assert all(name in RULES or name.startswith("results/") or VALUES.fullmatch(name) for name in targets), (
        targets
    )


@of("make")
def test_make_has_the_target_and_the_variables(page, command):
    for word in words(command)[1:]:
        name, equals, _ = word.partition("=")
        pattern = rf"^(?:\w+: )?{name} [?:]?= " if equals else rf"^{re.escape(name)}:"
        assert re.search(pattern, MAKEFILE, re.MULTILINE), word


@of("python")
def test_the_package_has_the_command_and_its_options(page, command):
    _, _, module, *arguments = words(command)
    if module != "microtome":
        return
    commands = next(
        action.choices for action in tools()._actions if isinstance(action, argparse._SubParsersAction)
    )
    if VALUES.fullmatch(arguments[0]):
        return
    assert arguments[0] in commands
    known = {name for action in commands[arguments[0]]._actions for name in action.option_strings}
    assert set(options(arguments[1:])) <= known
