# SPDX-License-Identifier: MIT
"""From pydantic's errors to faults that a reader of a configuration file can act on."""

import re
from collections.abc import Callable, Iterable, Mapping
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError

from microtome.config.yaml import Keys
from microtome.faults import Fault, nearest

LONGEST = 60
"""Characters of a value that a message quotes."""
CHOICES = ("name", "kind", "method")
QUOTED = re.compile(r"'([^']*)'")
EXPECTED = {
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "a number"),
    **dict.fromkeys(("bool_parsing", "bool_type"), "true or false"),
    **dict.fromkeys(("model_type", "model_attributes_type"), "options (key: value)"),
    "finite_number": "a finite number",
    "string_type": "text",
    "tuple_type": "a list, such as [a, b]",
    "dict_type": "entries (name: value)",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number, {ge} or more",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number, {le} or less",
    "too_short": "at least {min_length}",
    "too_long": "at most {max_length}",
    "missing": "a value; this option is required",
}
Locate = Callable[[Keys], str]


def describe(
    error: ValidationError, model: type[BaseModel], locate: Locate, *, top: Iterable[str] | None = None
) -> list[Fault]:
    """Turn pydantic's errors into faults: where it stands, what was found, what was expected.

    Args:
        error: What `model` raised.
        model: The model of the whole file.
        locate: Says where the option of some keys stands.
        top: Top-level options of the file; by default the fields of `model`.

    Returns:
        One fault for each option that is wrong, however many runs inherit it.
    """
    found: dict[tuple[str, str], list[str]] = {}
    for detail in error.errors():
        keys, parents, below = _resolve(model, detail["loc"])
        names = [name for parent in parents for name in parent.model_fields]
        options = list(top) if top is not None and len(keys) == 1 else names
        keys, what, expected = _explain(detail, keys, options, _tags(below))
        texts = found.setdefault((locate(keys), what), [])
        if expected not in texts:
            texts.append(expected)
    return [Fault(where, what, ", or ".join(texts)) for (where, what), texts in found.items()]


def _explain(
    detail: Mapping[str, Any], keys: Keys, options: list[str], tags: list[str]
) -> tuple[Keys, str, str]:
    """Keys, what was found and what was expected of one of pydantic's errors."""
    kind, context, value = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "extra_forbidden":
        return keys, f"unknown option '{keys[-1]}'", nearest(keys[-1], options)
    if kind.startswith("union_tag"):
        option = QUOTED.findall(context["discriminator"])[0]
        tag = value.get(option) if isinstance(value, Mapping) else value
        return (*keys, option), "nothing" if tag is None else quote(tag), nearest(str(tag or ""), tags)
    if kind == "literal_error" and isinstance(value, str):
        choices = QUOTED.findall(context["expected"])
        return keys, quote(value), nearest(value, choices) if len(choices) > 1 else f"'{choices[0]}'"
    if kind == "literal_error":
        return keys, quote(value), context["expected"]
    expected = EXPECTED[kind].format(**context) if kind in EXPECTED else detail["msg"]
    return keys, "nothing" if kind == "missing" else quote(value), expected


def quote(value: Any) -> str:
    """A value as it stands in YAML, cut to a readable length.

    Example:
        >>> quote(None), quote(True), quote({"lr": 1}), quote("a")
        ('null', 'true', 'options (lr)', "'a'")
    """
    if isinstance(value, Mapping):
        text = f"options ({', '.join(map(str, value))})"
    elif value is None or isinstance(value, bool):
        text = "null" if value is None else str(value).lower()
    else:
        text = repr(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _resolve(
    model: type[BaseModel], location: tuple[int | str, ...]
) -> tuple[Keys, list[type[BaseModel]], list[Any]]:
    """Keys of the file from pydantic's location, the models whose option the last key is, and its types.

    A location also names branches of unions and tags, which are not in the file.
    """
    keys: list[str] = []
    current: list[Any] = [model]
    parents = [model]
    for number, part in enumerate(location):
        models = [kind for kind in current if _is_model(kind)]
        tagged = [kind for kind in models if part in _tags([kind])] if keys and len(models) > 1 else []
        fields = [kind for kind in models if part in kind.model_fields]
        inner = [below for kind in current for below in _items(kind)]
        if tagged:
            current = tagged
        elif fields or (models and number == len(location) - 1 and not _is_branch(part, current)):
            keys, parents = [*keys, str(part)], models
            current = [b for kind in fields for b in _branches(kind.model_fields[part].annotation)]
        elif inner and part != "[key]" and not _is_branch(part, current):
            keys, current = [*keys, str(part)], inner
    return tuple(keys), parents, current


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_branch(part: int | str, current: list[Any]) -> bool:
    """Whether a part of a location names a branch of a union, such as `tuple[str, ...]`."""
    is_named = isinstance(part, str) and re.search(r"\[.*\]$|^(str|int|float|bool)$", part)
    return len(current) > 1 and bool(is_named)


def _branches(annotation: Any) -> list[Any]:
    """The alternatives of a type."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _branches(get_args(annotation)[0])
    if origin in (Union, UnionType):
        return [found for part in get_args(annotation) for found in _branches(part)]
    return [] if annotation is NoneType else [annotation]


def _items(kind: Any) -> list[Any]:
    """The types of what a mapping or a tuple holds."""
    arguments = get_args(kind)
    if get_origin(kind) is dict:
        return _branches(arguments[1])
    if get_origin(kind) is tuple:
        return [found for part in arguments if part is not Ellipsis for found in _branches(part)]
    return []


def _tags(models: Iterable[Any]) -> list[str]:
    """The values of `name`, `kind` or `method` that choose these models."""
    fields = [m.model_fields.get(choice) for m in models if _is_model(m) for choice in CHOICES]
    return [str(field.default) for field in fields if field is not None and isinstance(field.default, str)]
