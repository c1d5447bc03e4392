# SPDX-License-Identifier: MIT
"""Tutorials, each run as it is written by a shell, in a fresh copy of the repository."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import pages
from tests.workflow.workspace import REPOSITORY, environment_of, make_workspace

TUTORIALS = [page for page in pages() if page.path.parent == REPOSITORY / "docs/tutorials"]
BLOCK = re.compile(r"^<!-- (run|prints) -->\n```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
RESULT = re.compile(r"`((?:results/demo|config)/[\w./+-]+)`")
"""What a page says is there in the end."""
pytestmark = pytest.mark.workflow


def test_each_modality_has_a_tutorial():
    assert {page.path.stem for page in TUTORIALS} == {
        "nuclei",
        "stack",
        "cubes",
        "slides",
        "mosaics",
        "classes",
    }


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.path.stem)
def test_the_tutorial_is_run_as_it_is_written(page, tmp_path):
    root = make_workspace(tmp_path / "microtome").root
    printed = ""
    for kind, block in BLOCK.findall(page.text):
        if kind == "run":
            printed = _in_a_shell(block, root)
        else:
            assert not [line for line in block.splitlines() if not _is_in(line, printed)], printed
    named = set(RESULT.findall(page.text))
    assert any(name.endswith("report.html") for name in named)
    assert not [name for name in sorted(named) if not (root / name).exists()]


def _in_a_shell(block: str, root: Path) -> str:
    """What the lines of a block print; the first that fails ends them."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=root,
        env=environment_of(PATH=path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout[-4000:]}"
    return done.stdout


def _is_in(line: str, printed: str) -> bool:
    """Whether a line was printed; `…` stands for anything, and spaces at the ends do not count."""
    pattern = r".*".join(re.escape(piece) for piece in line.strip().split("…"))
    return re.search(rf"^\s*{pattern}\s*$", printed, re.MULTILINE) is not None


def test_printed_lines_are_compared():
    assert _is_in("a … of 3", "x\n  a job of 3\n")
    assert not _is_in("a … of 3", "a job of 4\n")
