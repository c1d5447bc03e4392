# SPDX-License-Identifier: MIT
"""Who may import whom: only what lies below, and nobody in a circle (the layers of the design)."""

import ast
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from pytest import mark

from tests.workflow.workspace import REPOSITORY

PACKAGE = REPOSITORY / "microtome"
GROUND = ("faults", "files", "formats", "devices", "machine", "class_maps", "registry")
METHODS = ("stain", "cubes", "objects", "slides", "losses", "classifiers")
MIDDLE = ("networks", "metrics", "inference")
MAKERS = ("training", "phantoms", "datasets", "provenance")
SHOWN = ("tables", "figures", "report")
BELOW = {
    **dict.fromkeys(GROUND, GROUND),
    "config": (*GROUND, "config"),
    "io": GROUND,
    **dict.fromkeys(METHODS, (*GROUND, "config", "io")),
    **dict.fromkeys(MIDDLE, (*GROUND, "config", "io", *METHODS)),
    **dict.fromkeys(MAKERS, (*GROUND, "config", "io", *METHODS, *MIDDLE)),
    "provenance": (*GROUND, "config"),
    "study": (*GROUND, "config", "io", "provenance", "phantoms"),
    "workflow": (*GROUND, "config", "study", "provenance"),
    **dict.fromkeys(SHOWN, (*GROUND, "config", "io", *METHODS, *MIDDLE, *MAKERS, "study")),
}
BELOW["inference"] = (*BELOW["inference"], "networks")
BELOW["figures"] = (*BELOW["figures"], "tables")
BELOW["report"] = (*BELOW["report"], "tables", "figures")
BELOW["stages"] = (*BELOW["report"], "report", "workflow")
NARROW = {
    ("study", "provenance"): ("microtome.provenance.code",),
    ("study", "phantoms"): ("microtome.phantoms",),
    ("workflow", "provenance"): tuple(
        f"microtome.provenance.{name}" for name in ("code", "environment", "archives", "cards")
    ),
    ("stages", "workflow"): ("microtome.workflow.paths", "microtome.workflow.job"),
    **{(room, "study"): ("microtome.study.sample",) for room in SHOWN},
}
"""Of some rooms a room may import these modules, and what lies in them, alone."""
REGISTRIES = {
    "classifiers": "classifiers",
    "losses": "losses",
    "networks": "networks",
    "phantoms": "phantoms",
    "study/modalities": "modalities",
}
SUPPORT = {"networks": {"catalogue", "weights", "windows"}}
"""Public modules in a registry's folder that are no entries."""
LARGEST_ROOT = 8
WITHOUT_TORCH = ("config", "io", "study", "workflow", *(room for room in GROUND if room != "devices"))


@cache
def _modules() -> dict[str, Path]:
    names = {path: path.relative_to(REPOSITORY).with_suffix("").parts for path in PACKAGE.rglob("*.py")}
    return {".".join(parts).removesuffix(".__init__"): path for path, parts in names.items()}


@cache
def _imports(name: str, *, lazy: bool = True) -> frozenset[str]:
    """Modules that a module imports, those for type checkers left out; `lazy`: also inside functions."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(_modules()[name].read_text(encoding="utf-8"))]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {one if one in _modules() else str(node.module) for one in names}
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting += node.orelse
        elif lazy or not isinstance(node, ast.FunctionDef):
            waiting += ast.iter_child_nodes(node)
    return frozenset(found)


def _room(name: str) -> str:
    return name.split(".")[1] if "." in name else ""


def _is_allowed(name: str, other: str) -> bool:
    here, there = _room(name), _room(other)
    if here == there or not here or not there or name == "microtome.__main__":
        return True
    narrow = NARROW.get((here, there))
    fits = narrow is None or any(other == one or other.startswith(f"{one}.") for one in narrow)
    return there in BELOW[here] and fits


@mark.parametrize("room", sorted(BELOW))
def test_no_arrow_leads_up_or_sideways(room: str) -> None:
    arrows = {(name, other) for name in _modules() if _room(name) == room for other in _imports(name)}
    wrong = [arrow for arrow in arrows if arrow[1] in _modules() and not _is_allowed(*arrow)]
    assert not sorted(wrong), "\n".join(f"{name} -> {other}" for name, other in sorted(wrong))


def test_nobody_imports_in_a_circle() -> None:
    graph = {name: {o for o in _imports(name, lazy=False) if o in _modules()} - {name} for name in _modules()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        raise AssertionError(" -> ".join(error.args[1])) from None


def test_every_room_has_its_layer() -> None:
    assert {_room(name) for name in _modules()} == {"", "__main__", *BELOW}
    root = [path for path in PACKAGE.glob("*.py") if path.stem != "__init__"]
    assert len(root) <= LARGEST_ROOT, sorted(path.name for path in root)


@mark.parametrize("room", sorted(WITHOUT_TORCH))
def test_no_torch_where_the_dag_is_made(room: str) -> None:
    found = [
        name for name in _modules() if _room(name) == room for o in _imports(name, lazy=False) if o == "torch"
    ]
    assert not found


@mark.parametrize("folder", sorted(REGISTRIES))
def test_every_entry_has_its_file_of_options(folder: str) -> None:
    entries = {path.stem for path in (PACKAGE / folder).iterdir() if path.suffix == ".py" or path.is_dir()}
    entries -= {name for name in entries if name.startswith("_")} | SUPPORT.get(folder, set())
    options = {path.stem for path in (PACKAGE / "config" / REGISTRIES[folder]).glob("[!_]*.py")}
    assert entries == options
