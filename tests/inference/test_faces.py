# SPDX-License-Identifier: MIT
"""What the room shows: imported when it is asked for, and never by other modules of the package."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from microtome import inference

PACKAGE = Path(inference.__file__).parents[1]


def test_every_face_is_there():
    for name in inference.__all__:
        assert getattr(inference, name)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        inference.nothing  # noqa: B018


def test_maps_are_calibrated_and_averaged_without_torch():
    code = "import sys, microtome.stages.calibrate, microtome.stages.runs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_no_module_takes_a_face_as_its_digest_would_miss_the_file():
    taken = [
        f"{path.relative_to(PACKAGE)}: {alias.name}"
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and node.module == "microtome.inference"
        for alias in node.names
        if alias.name in inference.FACES
    ]
    assert taken == []
