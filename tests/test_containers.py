# SPDX-License-Identifier: MIT
"""Container definitions: as far as they can be checked without building them."""

import re
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.lint_workflow import ROOT
from tests.test_environments import OPTIONAL, PINNED

DOCKERFILE = ROOT / "containers/Dockerfile"
APPTAINER = ROOT / "containers/microtome.def"
BASE = re.compile(r"python:3\.11\.\d+-slim-bookworm(@sha256:[0-9a-f]{64})?")
"""A tag of one version of Python on one release of Debian; a digest is whole or absent."""
REMOTE_SCRIPT = re.compile(r"(curl|wget)[^|]*\|")
MODULES = {"imagecodecs", "matplotlib", "openslide", "snakemake", "tifffile", "torch"}

Instruction = tuple[str, str]


def _docker() -> list[Instruction]:
    """Instructions and their arguments; comments left out, continued lines joined."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if line.strip() and not line.startswith("#"))
    joined = lines.replace("\\\n", " ").splitlines()
    return [(line.split(maxsplit=1)[0], line.split(maxsplit=1)[1]) for line in joined]


def _apptainer() -> dict[str, str]:
    """The header as section "", then each section."""
    parts = re.split(r"^%(\w+)$", APPTAINER.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {"": parts[0]} | dict(zip(parts[1::2], parts[2::2], strict=True))


DOCKER, SECTIONS = _docker(), _apptainer()
RUNS = [text for name, text in DOCKER if name == "RUN"]


def _all(name: str) -> list[str]:
    return [text for found, text in DOCKER if found == name]


def test_both_start_from_one_version_of_python() -> None:
    (docker,) = _all("FROM")
    (apptainer,) = re.findall(r"^From: (\S+)$", SECTIONS[""], flags=re.MULTILINE)
    assert docker == apptainer
    assert BASE.fullmatch(docker)
    assert "Bootstrap: docker" in SECTIONS[""].splitlines()


def test_what_is_copied_exists() -> None:
    for text in _all("COPY"):
        *sources, target = text.split()
        assert target.endswith("/")
        assert all((ROOT / source).is_file() for source in sources), text
    assert _all("ADD") == []
    for line in filter(None, map(str.strip, SECTIONS["files"].splitlines())):
        source, target = line.split()
        assert (ROOT / source).is_file(), line
        assert Path(target).name == source


def test_the_build_is_sent_what_is_copied_and_no_more() -> None:
    lines = (ROOT / "containers/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    first, *kept = [line for line in lines if not line.startswith("#")]
    assert first == "*"
    copied = {source for text in _all("COPY") for source in text.split()[:-1]}
    assert {line.removeprefix("!") for line in kept} == copied


def test_both_install_from_the_same_pins() -> None:
    """Torch by itself, as its builds have an index of their own; then all that is pinned, torch among it."""
    steps = [_pip(" ".join(RUNS)), _pip(SECTIONS["post"])]
    plain = [re.sub(r"\$\{(\w+)\}|\{\{ (\w+) \}\}", r"\1\2", " ; ".join(step)) for step in steps]
    assert plain[0] == plain[1]
    assert len(steps[0]) == 2
    assert "torch" in PINNED
    arguments = dict(text.split("=", 1) for text in _all("ARG"))
    assert arguments == dict(line.strip().split("=", 1) for line in SECTIONS["arguments"].split())
    assert arguments["REQUIREMENTS"] == "requirements.txt"
    assert set(OPTIONAL) & set(PINNED) == set()


def _pip(text: str) -> list[str]:
    steps = re.split(r"&&|\n", text)
    return [" ".join(step.split()) for step in steps if "pip install" in step]


def test_installing_leaves_no_cache() -> None:
    for text in (" ".join(RUNS), SECTIONS["post"]):
        assert all("--no-cache-dir" in step for step in _pip(text))
        assert "--no-install-recommends" in text
        assert "rm -rf /var/lib/apt/lists/*" in text
        assert not re.search(r"apt(-get)? upgrade", text)
        assert not REMOTE_SCRIPT.search(text)
        assert not re.search(r"\bsudo\b|chmod 777", text)
    assert all("apt-get update" in text for text in RUNS if "apt-get install" in text)


def test_docker_runs_snakemake_as_a_user_without_rights() -> None:
    names = [name for name, _ in DOCKER]
    (user,) = _all("USER")
    assert user not in ("root", "0")
    assert f"useradd --create-home --uid 1000 {user}" in RUNS[-1]
    assert names.index("USER") > max(place for place, name in enumerate(names) if name == "RUN")
    assert _all("ENTRYPOINT") == ['["snakemake"]']
    assert all(text.startswith("/") for text in _all("WORKDIR"))
    assert SECTIONS["runscript"].split() == ["exec", "snakemake", '"$@"']


def test_both_try_the_imports() -> None:
    for text in (RUNS[1], SECTIONS["test"]):
        (found,) = re.findall(r'python -c "import ([\w, ]+)"', text)
        assert set(found.split(", ")) == MODULES


@pytest.mark.parametrize("text", [*RUNS, SECTIONS["post"], SECTIONS["environment"], SECTIONS["test"]])
def test_commands_are_sound_shell(text: str) -> None:
    script = re.sub(r"\{\{ (\w+) \}\}", r"\1", text)
    done = subprocess.run(["sh", "-n", "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert shlex.split(script, comments=True)


def test_the_pin_of_torch_is_found_by_the_build() -> None:
    done = subprocess.run(
        ["grep", "^torch==", "requirements.txt"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"torch=={PINNED['torch']}\n"
