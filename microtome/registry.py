# SPDX-License-Identifier: MIT
"""A folder is a registry: one public module per entry, the module name is the registry name.

Nothing is registered by hand, so adding a network or a loss is adding one file, and the file that a run uses
is known from the name alone. Modules whose name begins with an underscore hold parts that entries share and
are no entries.
"""

import difflib
import importlib
import inspect
import pkgutil
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any


def entry_names(package_file: str) -> tuple[str, ...]:
    """List the entries of a registry folder without importing any of them.

    Args:
        package_file: `__file__` of the package's `__init__.py`.

    Returns:
        Sorted names of the public modules in that folder.

    Example:
        >>> import microtome.losses
        >>> "dice" in entry_names(microtome.losses.__file__)
        True
    """
    folder = str(Path(package_file).parent)
    found = (module.name for module in pkgutil.iter_modules([folder]))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def load_entry(package: str, package_file: str, name: str, *, kind: str) -> ModuleType:
    """Import one entry of a registry folder.

    Args:
        package: dotted name of the package, e.g. `microtome.networks`.
        package_file: `__file__` of that package.
        name: registry name, e.g. `unet`.
        kind: what an entry is called in messages, e.g. `network`.

    Returns:
        The module, which has a function `build(**options)`.

    Raises:
        ValueError: no entry has that name.
    """
    known = entry_names(package_file)
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        msg = f"There is no {kind} called {name!r}.{hint} Known: {', '.join(known)}."
        raise ValueError(msg)
    return importlib.import_module(f"{package}.{name}")


def require_choice(option: str, value: object, choices: tuple[str, ...], *, owner: str) -> None:
    """Check an option that takes one of a few names.

    Args:
        option: name of the option, for the message.
        value: the value given.
        choices: the values allowed.
        owner: what the option belongs to, e.g. `unet`.

    Raises:
        ValueError: `value` is none of `choices`.

    Example:
        >>> require_choice("variant", "tutorial", ("tutorial", "classic"), owner="unet")
    """
    if value in choices:
        return
    near = difflib.get_close_matches(str(value), choices, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    msg = f"{owner}: {option}={value!r} is not one of {', '.join(choices)}.{hint}"
    raise ValueError(msg)


def require_positive(owner: str, **counts: int) -> None:
    """Check options that count something.

    Args:
        owner: what the options belong to, e.g. `unet`.
        **counts: the options by name.

    Raises:
        ValueError: one of them is not an integer of at least 1.

    Example:
        >>> require_positive("unet", width=64, in_channels=1)
    """
    for option, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            msg = f"{owner}: {option}={value!r} must be an integer of at least 1."
            raise ValueError(msg)


@dataclass(frozen=True)
class Kinds:
    """A registry whose entries each make one kind of thing.

    Attributes:
        package: dotted name of the package.
        function: what an entry exposes; its keyword options are the kind's.
        thing: what is made, e.g. `figure`.
    """

    package: str
    function: str
    thing: str

    def names(self) -> tuple[str, ...]:
        """List the kinds, sorted; nothing is imported to find them."""
        return entry_names(self._file)

    def options(self, kind: str) -> tuple[str, ...]:
        """List the options that a kind takes.

        Raises:
            ValueError: the kind is unknown.
        """
        parameters = inspect.signature(self._function(kind)).parameters.values()
        return tuple(item.name for item in parameters if item.kind is inspect.Parameter.KEYWORD_ONLY)

    def make(self, kind: str, inputs: Any, chosen: dict[str, Any]) -> Any:
        """Make a thing.

        Args:
            kind: name of the kind.
            inputs: what it is made of.
            chosen: options of the kind.

        Raises:
            ValueError: the kind or an option is unknown, or the inputs lack something.
        """
        known = self.options(kind)
        unknown = sorted(set(chosen) - set(known))
        if unknown:
            msg = f"a {self.thing} of kind {kind!r} takes no option {unknown}; it takes {list(known)}"
            raise ValueError(msg)
        return self._function(kind)(inputs, **chosen)

    @property
    def _file(self) -> str:
        return str(importlib.import_module(self.package).__file__)

    def _function(self, kind: str) -> Any:
        require_choice("kind", kind, self.names(), owner=self.thing)
        entry = load_entry(self.package, self._file, kind, kind=f"kind of {self.thing}")
        return getattr(entry, self.function)
