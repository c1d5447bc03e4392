# SPDX-License-Identifier: MIT
"""What is known of a modality stands in its own files: no core file holds a word of one."""

import re

from pytest import mark

from tests.workflow.workspace import REPOSITORY

WORDS = re.compile(
    r"cubes?|dark|blank|envi|hyperspectral|bands?|slides?|tissues?|stains?|stained|spcn|macenko|instances?|nucleus|markers?|watershed"
)
CORE = (
    *("config/load.py", "config/run.py", "config/study.py", "config/checks.py"),
    *("config/workflow.py", "config/yaml.py", "config/pydantic_faults.py", "config/section.py"),
    *("study/sample.py", "study/sheet.py", "study/headers.py"),
    *("study/splits.py", "study/load.py", "study/plan.py", "study/modalities/__init__.py"),
    *("config/modalities/__init__.py", "workflow/paths.py", "workflow/asked.py", "workflow/resources.py"),
    *("workflow/states/__init__.py", "workflow/states/data.py", "workflow/states/runs.py"),
    *("stages/images.py", "io/views.py", "stages/evaluate.py", "training/loop.py", "inference/grid.py"),
)
RULES = ("common", "batches", "data", "preprocess", "train", "predict", "evaluate", "plugins")
EXCEPTIONS = {
    "config/checks.py": "a network for spectra has its channels in the option `bands`",
    "stages/evaluate.py": "a label map may lie in two files: pixels and objects",
    "io/views.py": "names the folders that a batch may hold",
}
"""Core files that still hold one, with the reason."""


def _words(name: str) -> list[str]:
    file = REPOSITORY / (name if name.startswith("rules/") else f"microtome/{name}")
    found = re.findall(r"[a-z]+", file.read_text(encoding="utf-8").lower().replace("_", " "))
    return sorted({word for word in found if WORDS.fullmatch(word)})


@mark.parametrize("name", [*CORE, *(f"rules/{name}.smk" for name in RULES)])
def test_no_core_file_knows_a_modality(name: str) -> None:
    assert (_words(name) == []) == (name not in EXCEPTIONS), _words(name)


def test_the_words_are_seen() -> None:
    """The search above can fail."""
    assert {"cube", "dark", "blank"} <= set(_words("study/modalities/cubes.py"))
    assert "stain" in _words("config/modalities/stains.py")
