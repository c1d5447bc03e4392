# SPDX-License-Identifier: MIT
"""The base of every configuration model."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, GetCoreSchemaHandler, create_model
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


class OfClass(Section):
    """A section that is about one class, see `with_class`."""

    @property
    def of(self) -> Any:
        """The name of the class; None where none is needed and none is given."""
        return getattr(self, "class")


def with_class(base: type[Section], description: str, *, needed: bool = True) -> Any:
    """A section with one option more, `class`, which names one of the study's classes.

    The word cannot be an attribute in Python: `OfClass.of` reads it, dumps have it under its own name.

    Args:
        base: The section without it, an `OfClass`, whose name begins with an underscore.
        description: What the class is for.
        needed: Whether it has to be given; otherwise it may be None, and is by default.

    Example:
        >>> class _Wanted(OfClass):
        ...     keep: int = option(5, "epochs")
        >>> Wanted = with_class(_Wanted, "what is wanted")
        >>> wanted = Wanted.model_validate({"class": "tumour"})
        >>> wanted.of, wanted.model_dump()
        ('tumour', {'keep': 5, 'class': 'tumour'})
    """
    name, doc = base.__name__.removeprefix("_"), base.__doc__
    more = {"class": (str, option(..., description)) if needed else (str | None, option(None, description))}
    return create_model(name, __base__=base, __doc__=doc, __module__=base.__module__, **more)
