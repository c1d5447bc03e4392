# SPDX-License-Identifier: MIT
"""The base of every configuration model, and the faults that loading one can find."""

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import PydanticKnownError, core_schema

SIMILAR = 0.5
"""How alike two names are, at least, for one to be suggested for the other."""
INSIDE = ("schema", "items_schema", "values_schema", "choices", "fields")
"""Where the schema of a type keeps the schemas that it is made of."""


def _refuse_truth(error: str) -> Callable[[Any], Any]:
    def check(value: Any) -> Any:
        if isinstance(value, bool):
            raise PydanticKnownError(error)
        return value

    return check


_INT, _FLOAT = _refuse_truth("int_type"), _refuse_truth("float_type")


def _without_truth(schema: Any) -> Any:
    """A schema whose numbers refuse true and false."""
    if isinstance(schema, list | tuple):
        return type(schema)(_without_truth(part) for part in schema)
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if kind == "function-before" and schema["function"]["function"] in (_INT, _FLOAT):
        return schema
    if kind in ("int", "float"):
        return core_schema.no_info_before_validator_function(_INT if kind == "int" else _FLOAT, schema)
    if kind == "union" and any(choice.get("type") == "bool" for choice in schema["choices"]):
        return schema
    if kind == "model-fields":
        fields = {name: _without_truth(field) for name, field in schema["fields"].items()}
        return schema | {"fields": fields}
    return schema | {key: _without_truth(schema[key]) for key in INSIDE if key in schema}


class Section(BaseModel):
    """A configuration section: immutable, unknown keys refused, true and false not taken for 1 and 0."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True, allow_inf_nan=False)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[BaseModel], handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """The schema of the model, in which no number may be true or false."""
        return _without_truth(handler(source))


@dataclass(frozen=True)
class Fault:
    """One thing wrong with a configuration or a sample sheet.

    Attributes:
        where: File, line or row, and field.
        found: What stands there.
        expected: What may stand there, or what to do.

    Example:
        >>> print(Fault("config/config.yaml:3 scale", "'huge'", "one of demo, local, paper"))
        config/config.yaml:3 scale: found 'huge'; expected one of demo, local, paper
    """

    where: str
    found: str
    expected: str

    def __str__(self) -> str:
        return f"{self.where}: found {self.found}; expected {self.expected}"


class ConfigurationError(ValueError):
    """All faults of a configuration, listed together."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(dict.fromkeys(faults))
        count = len(self.faults)
        lines = "\n".join(f"  {number}. {fault}" for number, fault in enumerate(self.faults, 1))
        super().__init__(f"{count} fault{'s' if count > 1 else ''} in the configuration\n{lines}")


def nearest(name: str, known: Iterable[str]) -> str:
    """Say which names are allowed, the nearest to `name` first.

    Example:
        >>> nearest("alhpa", ["alpha", "gamma"])
        "'alpha'? (known: alpha, gamma)"
    """
    names = sorted(set(known))
    lowered = {other.lower(): other for other in names}
    close = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=SIMILAR)
    listing = ", ".join(names) or "none"
    return f"'{lowered[close[0]]}'? (known: {listing})" if close else f"one of: {listing}"


def raise_faults(faults: list[Fault]) -> None:
    """Raise the faults together, if there are any.

    Raises:
        ConfigurationError: The list is not empty.
    """
    if faults:
        raise ConfigurationError(faults)
