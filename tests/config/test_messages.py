# SPDX-License-Identifier: MIT
"""What a message tells a user to set exists: options named in texts of the package are those of models."""

import ast
import re
from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel

from microtome.config import entries, kinds
from microtome.config.run import Run
from microtome.config.study import Study
from microtome.config.workflow import Workflow
from microtome.registry import entry_names
from microtome.study.sheet import COLUMNS
from tests.workflow.workspace import REPOSITORY

PACKAGE = REPOSITORY / "microtome"
DOTTED = re.compile(r"(?<![\w./'-])([a-z]\w*(?:\.[a-z]\w*)+)(?![\w/(])")
WORDS = "set|leave out|delete|correct|add|change|choose"
TOLD = re.compile(rf"\b(?:{WORDS})\s+`?([a-z]+(?:_[a-z]+)+|[a-z]+(?=: ))`?(?![\w(./])")
"""An option that a message tells to set: a name with an underscore, or one with a value."""
ENDINGS = ("tsv", "json", "yaml", "py", "smk", "txt", "tif", "png", "hdr", "html", "safetensors", "log", "md")
OPTIONS = (Workflow, Run, Study)
TOP = {name: field.annotation for model in OPTIONS for name, field in model.model_fields.items()}


def texts() -> Iterator[tuple[str, str]]:
    """Every text of the package that is no docstring, and where it stands."""
    for path in sorted(PACKAGE.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        loose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        constants = (node for node in ast.walk(tree) if isinstance(node, ast.Constant))
        for node in constants:
            if isinstance(node.value, str) and id(node) not in loose:
                yield f"{path.relative_to(REPOSITORY)}:{node.lineno}", node.value


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models in a type, such as those of a union or of the values of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models(inner)


def below(options: dict[str, Any], name: str) -> dict[str, Any]:
    """The options that an option has, whatever its kind; nothing for a single value."""
    fields = (model.model_fields for model in models(options[name]))
    return {key: field.annotation for found in fields for key, field in found.items()}


def known_options() -> set[str]:
    """The name of every option of a study, a run, the workflow, an entry or a kind of table or figure."""
    found, left = set(), [*OPTIONS]
    seen: set[type[BaseModel]] = set()
    for package in (*entries.NOUNS,):
        left += [entries.model(package, name) for name in entry_names(package)]
    while left:
        model = left.pop()
        if model not in seen:
            seen.add(model)
            found |= set(model.model_fields)
            left += [inner for field in model.model_fields.values() for inner in models(field.annotation)]
    shown = (kinds.find(section, name) for section in kinds.MAKERS for name in kinds.names(section))
    return found | {option for kind in shown for option in kind.options}


def unknown(dotted: str) -> bool:
    """Whether a text such as `data.mpp` begins like an option and does not go on like one."""
    first, *rest = dotted.split(".")
    if first not in TOP or rest[-1] in ENDINGS:
        return False
    options = below(TOP, first)
    for name in rest:
        if not options:
            return False  # a mapping of the user's names, or a single value
        if name not in options:
            return True
        options = below(options, name)
    return False


def test_the_test_sees_what_is_wrong():
    assert unknown("data.mp")
    assert unknown("segment.thresold")
    assert not unknown("data.mpp")
    assert not unknown("training.optimizer.lr")
    assert TOLD.search("save it again, or set drop_alpha")[1] == "drop_alpha"
    assert TOLD.search("or set components: true")[1] == "components"
    assert not {"drop_alpha", "components", "skip_degenerate"} & known_options()
    assert len(list(texts())) > 1000


def test_options_with_a_dot_exist():
    wrong = [
        f"{where}: {dotted}"
        for where, text in texts()
        if " " in text
        for dotted in DOTTED.findall(text)
        if unknown(dotted)
    ]
    assert wrong == []


def test_what_a_message_tells_to_set_exists():
    known = known_options() | set(COLUMNS)
    wrong = [
        f"{where}: {name}" for where, text in texts() for name in TOLD.findall(text) if name not in known
    ]
    assert wrong == []
