# SPDX-License-Identifier: MIT
"""What a kind of table or figure says of itself, read from its file without importing it; making one.

A kind is a module in `tables/kinds` or `figures/kinds`, of the package or of the project's plugins, with the
function of its section (`MAKERS`). The keyword arguments of the function are its options. Literal constants
say what it is made of and which options hold names that can be checked before any job:

- `NEEDS = frozenset({"images", "runs"})`: what it cannot do without; `USES`: what it takes where the study
  has it. The names are those of `microtome.workflow.needs`.
- `NEEDS_WHEN = {("example", "image"): {"images"}}`: needed where an option has a value (None: is not given).
- `METRICS = ("v_rand@{threshold}",)`: what must be evaluated whatever the options.
- `METRIC_OPTIONS = {"metric": "class_name"}`: options that name a metric, and the option of its class, or "".
- `COLUMN_OPTIONS`, `CLASS_OPTIONS`, `RUN_OPTIONS`, `SAMPLE_OPTIONS`, `STAIN_OPTIONS`, `PUBLISHED_OPTIONS`:
  options that hold columns of metrics, classes, runs, samples, stain normalizations, a published table.
- `EXPLAINS = True`: it shows how a method works, whatever the results; the report shows it after them.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from microtome.registry import entry_file, entry_names, load_entry

MAKERS = {"tables": "tabulate", "figures": "draw"}
GIVEN = frozenset({"title", "runs", "rows", "run"})
"""Options of a kind that the workflow itself fills in."""
DECLARED = {"NEEDS": frozenset, "USES": frozenset, "NEEDS_WHEN": dict, "METRIC_OPTIONS": dict}
NAMED = ("COLUMN", "CLASS", "RUN", "SAMPLE", "STAIN", "PUBLISHED")
DECLARED |= {"METRICS": tuple} | {f"{noun}_OPTIONS": tuple for noun in NAMED}
"""Constants of a kind and their types."""


@dataclass(frozen=True)
class Kind:
    """A kind of `tables` or `figures`: its function as syntax, and the literal constants of its module."""

    section: str
    name: str
    file: Path
    function: ast.FunctionDef
    constants: Mapping[str, Any] = field(default_factory=dict)

    @property
    def options(self) -> list[str]:
        """The options that it takes: the keyword arguments of its function."""
        return [argument.arg for argument in self.function.args.kwonlyargs]

    @property
    def own_options(self) -> list[str]:
        """Those of its options that a study file may give."""
        return [option for option in self.options if option not in GIVEN]

    @property
    def annotations(self) -> dict[str, str]:
        """What the function says that each option is."""
        arguments = self.function.args.kwonlyargs
        return {a.arg: ast.unparse(a.annotation) if a.annotation else "" for a in arguments}

    @property
    def defaults(self) -> dict[str, ast.expr | None]:
        """The default of each option as the code has it; None where the option is required."""
        arguments = self.function.args
        return dict(zip(self.options, arguments.kw_defaults, strict=True))

    def choices(self, option: str) -> tuple[Any, ...]:
        """The values that an option written as a `Literal[...]` may have; empty for any other."""
        text = self.annotations.get(option, "")
        if not text.startswith("Literal["):
            return ()
        found = _literal(ast.parse(text.removeprefix("Literal"), mode="eval").body)
        return tuple(found or ())

    def takes_several(self, option: str) -> bool:
        """Whether an option of columns holds several of them, so that one may stand for one of each class."""
        return self.annotations.get(option, "").startswith("Sequence[")

    def declared(self, constant: str) -> Any:
        """One of `DECLARED`; empty if the kind does not say it."""
        return DECLARED[constant](self.constants.get(constant, ()))

    def listed(self, constant: str, given: Mapping[str, Any]) -> Iterator[tuple[tuple[str, ...], Any]]:
        """The names that stand in those of the given options that a constant lists, and their keys."""
        for option in self.declared(constant):
            value = given.get(option)
            if isinstance(value, str) and value:
                yield (option,), value
            for number, item in enumerate(value if isinstance(value, list | tuple) else ()):
                yield (option, str(number)), item

    def default(self, option: str) -> Any:
        """The default of an option, also by the name of a constant; None if it is no literal."""
        node = self.defaults.get(option)
        if isinstance(node, ast.Name):
            return self.constants.get(node.id)
        return None if node is None else _literal(node)

    def needs(self, options: Mapping[str, Any]) -> frozenset[str]:
        """What an entry with these options cannot do without.

        Example:
            >>> sorted(find("figures", "worked_pooling").needs({"example": "image"}))
            ['images']
            >>> find("figures", "worked_pooling").needs({})
            frozenset()
        """
        found = self.declared("NEEDS")
        for (option, value), more in self.declared("NEEDS_WHEN").items():
            found |= frozenset(more) if options.get(option) == value else frozenset()
        return found

    def takes(self, options: Mapping[str, Any]) -> frozenset[str]:
        """What an entry with these options is made of, where the study has it."""
        return self.needs(options) | self.declared("USES")


def names(section: str) -> tuple[str, ...]:
    """The kinds of `tables` or `figures`, built in and plugged in.

    Example:
        >>> "metrics" in names("tables")
        True
    """
    return entry_names(_package(section), defines=MAKERS[section])


def find(section: str, name: str) -> Kind | None:
    """A kind by its name; None if there is no module of that name with the section's function."""
    package = _package(section)
    return _read(section, name, entry_file(package, name)) if name in entry_names(package) else None


def make(section: str, name: str, inputs: Any, chosen: Mapping[str, Any]) -> Any:
    """Make a table or a figure of a kind from its inputs, with the options chosen.

    Raises:
        ValueError: The kind or an option is unknown, or the inputs lack something.
    """
    thing = section.removesuffix("s")
    module, kind = load_entry(_package(section), name, kind=f"kind of {thing}"), find(section, name)
    unknown = sorted(set(chosen) - set(kind.options))
    if unknown:
        msg = f"a {thing} of kind {name!r} takes no option {unknown}; it takes {kind.options}"
        raise ValueError(msg)
    return getattr(module, MAKERS[section])(inputs, **chosen)


@cache
def _read(section: str, name: str, file: Path) -> Kind | None:
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    wanted = MAKERS[section]
    function = next((n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == wanted), None)
    return None if function is None else Kind(section, name, file, function, literals(tree))


def _package(section: str) -> str:
    return f"microtome.{section}.kinds"


def literals(tree: ast.Module) -> dict[str, Any]:
    """The constants of a module that are written out, by name; `frozenset({...})` counts as its set."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            value = _literal(node.value)
            found |= {t.id: value for t in targets if isinstance(t, ast.Name) and value is not None}
    return found


def _literal(node: ast.expr) -> Any:
    """The value of an expression that is written out; None of any other."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "frozenset":
        return frozenset(_literal(node.args[0]) or ()) if node.args else frozenset()
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None
