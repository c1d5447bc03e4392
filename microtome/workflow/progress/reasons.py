# SPDX-License-Identifier: MIT
"""Why a job runs again because of its parameters: what is different in them, not all that they are."""

import ast
import json
from collections.abc import Collection, Iterator
from typing import Any

MOST = 3
"""Options that are named; of others the number."""
LONGEST = 40
"""Characters of a value."""
ABSENT = "none"


def difference(old: Collection[str], new: Collection[str]) -> str:
    """What is different between the parameters of a job now and when it ran, in one short line.

    Args:
        old: Those that it no longer has, as Snakemake keeps them: `repr` of each.
        new: Those that it did not have.

    Returns:
        The options, of states (`provenance.code.state`); other parameters as they are.

    Example:
        >>> states = [repr(json.dumps({"code": "a", "options": {"epochs": epochs}})) for epochs in (2, 4)]
        >>> difference(states[:1], states[1:])
        'epochs: 2 -> 4'
        >>> difference(["'0'"], ["'1'"])
        "'0' -> '1'"
    """
    before, now = ([found for text in sorted(texts) if (found := _state(text))] for texts in (old, new))
    if before and now:
        found = [*_differences(before[0], now[0])]
        more = [f"and {len(found) - MOST} more"] if len(found) > MOST else []
        return "; ".join([*found[:MOST], *more]) or "the order of options"
    return " -> ".join(", ".join(map(_short, sorted(texts))) or ABSENT for texts in (old, new))


def _state(text: str) -> dict[str, Any] | None:
    """The state that a parameter is; None of others."""
    try:
        found = json.loads(ast.literal_eval(text))
    except (ValueError, SyntaxError, TypeError):
        return None
    return found if isinstance(found, dict) and found.keys() == {"code", "options"} else None


def _differences(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    if old["code"] != new["code"]:
        yield "its code"
    yield from _changes(old["options"], new["options"], "")


def _changes(old: Any, new: Any, place: str) -> Iterator[str]:
    """Each value that differs, with its place."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            yield from _changes(old.get(key), new.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (before, now) in enumerate(zip(old, new, strict=True)):
            yield from _changes(before, now, f"{place}[{number}]")
    elif old != new:
        yield f"{place}: {_value(old)} -> {_value(new)}"


def _value(value: Any) -> str:
    return ABSENT if value is None else _short(json.dumps(value))


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"
