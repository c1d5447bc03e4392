# SPDX-License-Identifier: MIT
"""What the environments pin, and what packages ask for."""

import re
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata

import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.lint_workflow import ROOT, Rule

GPU_BUILD = re.compile(r"^(nvidia-|cuda-|triton)")
"""Packages that only the CUDA build of torch asks for."""
ENVIRONMENT_FILE = re.compile(r'"\.\./envs/(\w+)\.yaml"')

Pins = dict[str, str]


def exact_pins(lines: Iterable[str]) -> Pins:
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


def requirements(name: str) -> Pins:
    """The pins of a requirements file, without those of the files that it includes."""
    lines = (
        line.partition("#")[0].strip() for line in (ROOT / name).read_text(encoding="utf-8").splitlines()
    )
    return exact_pins(line for line in lines if line and not line.startswith("-"))


@cache
def environment(name: str) -> Pins:
    """The pins of a conda environment."""
    content = yaml.safe_load((ROOT / f"envs/{name}.yaml").read_text(encoding="utf-8"))
    (pip,) = (entry["pip"] for entry in content["dependencies"] if isinstance(entry, dict))
    return exact_pins(pip)


def dependencies(names: Iterable[str]) -> set[str]:
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


def claimed(rule: Rule) -> str:
    """The environment of a rule; where it chooses by what a job does, that of most jobs."""
    text = rule.sections["conda"]
    found = ENVIRONMENT_FILE.findall(text)
    assert len(found) == 1, f"{rule.where}: {text}"
    return found[0]
