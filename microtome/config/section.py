# SPDX-License-Identifier: MIT
"""The base of every configuration model."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler
from pydantic_core import PydanticCustomError, PydanticKnownError, core_schema

Probability = Annotated[float, Field(ge=0, le=1)]
INSIDE = ("schema", "items_schema", "values_schema", "choices", "fields")
"""Where the schema of a type keeps the schemas that it is made of."""


def _no_truth(error: str, value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticKnownError(error)
    return value


_INT, _FLOAT = partial(_no_truth, "int_type"), partial(_no_truth, "float_type")


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


def assume(key: str, default: str) -> BeforeValidator:
    """Options that leave `key` out, which says what they are (`kind`), are taken for those of the default."""
    return BeforeValidator(lambda value: {key: default, **value} if isinstance(value, Mapping) else value)


def refuse(expected: str) -> NoReturn:
    """Refuse a value in a validator; the text says what may stand there instead."""
    kind, text = "refused", "{expected}"
    raise PydanticCustomError(kind, text, {"expected": expected})


def option(default: Any, description: str, **limits: Any) -> Any:
    """An option of a section: its default (`...`: it is required), and what it means, for the reference.

    Limits are what else `pydantic.Field` takes, such as `ge=0`.
    """
    return Field(default, description=description, **limits)
