# SPDX-License-Identifier: MIT
"""A folder is a registry: one public module per entry, the module's name is the entry's name.

Nothing is registered by hand, so adding a network or a loss is adding one file, and the file that a run uses
is known from the name alone. Modules whose name begins with an underscore hold parts that entries share.

A project has entries of its own in its folder `plugins`, which has the same folders as the package:
`plugins/losses/brier.py` is imported as `microtome.losses.brier`, like any other loss. Each package that is a
registry says so in its `__init__.py`: `__path__ = registry.search_path(__name__, __path__)`. Why no entry
points of installed packages: a file beside the study is all that a user should have to write, and its bytes
have to be known to the workflow.
"""

import ast
import importlib
import os
import pkgutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import ModuleType

from microtome.faults import Fault, nearest, raise_faults

PACKAGE = Path(__file__).resolve().parent
PLUGINS = "plugins"
PLUGINS_VARIABLE = "MICROTOME_PLUGINS"
"""Environment variable with another folder of plugins."""


def plugins_folder() -> Path:
    """The folder of a project's own entries, if it has any: `$MICROTOME_PLUGINS`, or `plugins` here."""
    return Path(os.environ.get(PLUGINS_VARIABLE) or PLUGINS).absolute()


def search_path(package: str, path: Iterable[str]) -> list[str]:
    """The `__path__` of a registry: its modules lie in the package, then among the plugins.

    Raises:
        ConfigurationError: a plugin has the name of a built-in module, which it cannot replace.
    """
    own = _folders(package)[1]
    built_in = [place for place in path if place != own]
    taken = sorted(_modules(built_in).keys() & _modules([own]).keys())
    expected = f"another name than that of a built-in module of {package}"
    raise_faults([Fault(f"{own}/{name}.py", f"a plugin called '{name}'", expected) for name in taken])
    return [*built_in, own]


def entry_names(package: str, *, defines: str = "") -> tuple[str, ...]:
    """List the entries of a registry, built in and plugged in, sorted, without importing any of them.

    Of a package that holds other modules too, only those count that have a function called `defines`.

    Example:
        >>> "dice" in entry_names("microtome.losses")
        True
    """
    names = _modules(_folders(package))
    public = sorted(name for name in names if not name.startswith("_"))
    return tuple(name for name in public if not defines or defines in _functions(entry_file(package, name)))


def plugin_names(package: str) -> tuple[str, ...]:
    """List the entries of a registry that are plugins, sorted."""
    own = _modules(_folders(package)[1:])
    return tuple(sorted(name for name in own if not name.startswith("_")))


def entry_file(package: str, name: str) -> Path:
    """The file of an entry: its module, or the `__init__.py` of its package.

    Raises:
        ValueError: no entry has that name.
    """
    if (file := _modules(_folders(package)).get(name)) is None:
        raise ValueError(_unknown(package, name, entry_names(package)))
    return file


@cache
def load_all(package: str) -> tuple[ModuleType, ...]:
    """Import all entries of a registry, sorted by name."""
    return tuple(importlib.import_module(f"{package}.{name}") for name in entry_names(package))


def load_entry(package: str, name: str, *, kind: str) -> ModuleType:
    """Import one entry of a registry; `kind` is what it is called in messages, e.g. `network`.

    Raises:
        ValueError: no entry has that name; the message has the nearest one.

    Example:
        >>> load_entry("microtome.losses", "dise", kind="loss")
        Traceback (most recent call last):
        ...
        ValueError: There is no loss called 'dise'; expected 'dice'? (known: bce, ... weighted_cross_entropy).
    """
    known = entry_names(package)
    if name not in known:
        raise ValueError(_unknown(kind, name, known))
    return importlib.import_module(f"{package}.{name}")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    return f"There is no {kind} called {name!r}; expected {nearest(str(name), known)}."


def _folders(package: str) -> tuple[str, str]:
    """The folders of a package: the built-in one, and that of the plugins."""
    return _folders_in(package, os.environ.get(PLUGINS_VARIABLE) or PLUGINS, os.getcwd())  # noqa: PTH109


@cache
def _folders_in(package: str, plugins: str, working: str) -> tuple[str, str]:
    below = package.split(".")[1:]
    return str(PACKAGE.joinpath(*below)), str(Path(working, plugins).joinpath(*below))


def _modules(folders: Iterable[str]) -> Mapping[str, Path]:
    """The modules in some folders and their files, listed again when a folder has changed.

    Asked some thousand times while a DAG is made, so it asks the file system once for a folder.
    """
    found = []
    for folder in folders:
        with suppress(FileNotFoundError, NotADirectoryError):
            found.append((folder, os.stat(folder).st_mtime_ns))  # noqa: PTH116
    return _listed(tuple(found))


@cache
def _listed(folders: tuple[tuple[str, int], ...]) -> Mapping[str, Path]:
    found = pkgutil.iter_modules([folder for folder, _ in folders])
    return {
        module.name: _file(Path(module.module_finder.path, module.name), module.ispkg) for module in found
    }


def _file(place: Path, is_package: bool) -> Path:
    return place / "__init__.py" if is_package else place.with_suffix(".py")


def _functions(file: Path) -> set[str]:
    """Names of the functions of a module, read from its text."""
    tree = ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
