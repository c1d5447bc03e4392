# SPDX-License-Identifier: MIT
"""Options of the entries of a registry: `config/losses/dice.py` has those of `losses/dice.py`.

Models lie apart from the methods, as making the DAG checks every option and may not import torch.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Union, get_args

from pydantic import Field

from microtome.config.section import Section
from microtome.faults import ConfigurationError, Fault, raise_faults
from microtome.registry import entry_file, entry_names, load_entry, plugin_names, plugins_folder

NOUNS = {
    "microtome.config.classifiers": "classifier",
    "microtome.config.losses": "loss",
    "microtome.config.networks": "network",
    "microtome.config.phantoms": "phantom",
}
"""What an entry of a registry of options is called."""


def model(package: str, name: str) -> type[Section]:
    """The model of an entry's options, which is the one whose `name` (or `kind`) is the entry's.

    Raises:
        ValueError: There is no such entry; the message has the nearest one.
        ConfigurationError: Its module has no such model.

    Example:
        >>> model("microtome.config.losses", "tversky")(alpha=0.5).beta
        0.7
    """
    module = load_entry(package, name, kind=NOUNS[package])
    for found in vars(module).values():
        if isinstance(found, type) and issubclass(found, Section) and name in _tags(found):
            return found
    expected = f'a class derived from Section that has `name: Literal["{name}"]` (of a phantom, `kind`)'
    raise ConfigurationError([Fault(str(entry_file(package, name)), "no options", expected)])


def labels(package: str) -> dict[str, str]:
    """What tables and figures call each entry: the `LABEL` of its options, else its own name."""
    return {name: getattr(model(package, name), "LABEL", "") or name for name in entry_names(package)}


def union(package: str, discriminator: str, *, needs: tuple[str, ...] = ()) -> Any:
    """The type of an option that chooses one of all entries, built in and plugged in.

    Args:
        package: Registry of options.
        discriminator: The field that names the entry: `name` or `kind`.
        needs: Class attributes that a model must have.

    Raises:
        ConfigurationError: A plugin lacks its options, its method, or such an attribute.
    """
    raise_faults(list(_alone(package)))
    raise_faults(list(_lacking(package, needs)))
    models = tuple(model(package, name) for name in entry_names(package))
    return Annotated[Union[models], Field(discriminator=discriminator)]  # noqa: UP007 (made at run time)


def _tags(found: type[Section]) -> tuple[Any, ...]:
    fields = (found.model_fields.get(field) for field in ("name", "kind"))
    return tuple(value for field in fields if field for value in get_args(field.annotation))


def _alone(package: str) -> Iterator[Fault]:
    """Plugins that are options without a method, or a method without options."""
    method = package.replace(".config.", ".")
    for here, there in ((package, method), (method, package)):
        for name in set(plugin_names(here)) - set(entry_names(there)):
            place = plugins_folder().joinpath(*there.split(".")[1:], f"{name}.py")
            expected = f"it beside {entry_file(here, name)}; or begin its name with '_' if it is no entry"
            yield Fault(str(place), "no such file", expected)


def _lacking(package: str, needs: tuple[str, ...]) -> Iterator[Fault]:
    for name in plugin_names(package):
        for attribute in needs:
            if not hasattr(model(package, name), attribute):
                where = str(entry_file(package, name))
                yield Fault(where, f"no class attribute {attribute}", "one as the built-in models have it")
