# SPDX-License-Identifier: MIT
"""YAML that remembers on which line each key stands."""

from pathlib import Path
from typing import Any

import yaml

from microtome.config.base import ConfigurationError, Fault

Keys = tuple[str, ...]


def read(path: Path) -> tuple[dict[str, Any], dict[Keys, int]]:
    """Read a YAML mapping.

    Args:
        path: The file.

    Returns:
        The mapping, and for each path of keys the line (from 1) of its last key.

    Raises:
        ConfigurationError: The file is absent, is not YAML, is not a mapping or has a key twice.
    """
    if not path.is_file():
        raise ConfigurationError([Fault(str(path), "no such file", "a YAML file there")])
    try:
        node = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ConfigurationError([Fault(str(path), str(error).replace("\n", " "), "valid YAML")]) from error
    if not isinstance(value, dict):
        raise ConfigurationError([Fault(str(path), type(value).__name__, "a mapping of options")])
    lines: dict[Keys, int] = {}
    twice = list(_walk(node, (), lines))
    if twice:
        raise ConfigurationError(
            Fault(f"{path}:{line} {'.'.join(keys)}", "the key a second time", "each key once")
            for keys, line in twice
        )
    return value, lines


def _walk(node: yaml.Node, keys: Keys, lines: dict[Keys, int]) -> list[tuple[Keys, int]]:
    """Collect the lines below a node; return the keys that stand there twice."""
    twice = []
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            below = (
                (*keys, *str(key.value).split("."))
                if not keys or keys[0] == "scales"
                else (*keys, str(key.value))
            )
            if below in lines and not isinstance(value, yaml.MappingNode):
                twice.append((below, key.start_mark.line + 1))
            lines[below] = key.start_mark.line + 1
            twice += _walk(value, below, lines)
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            lines[(*keys, str(number))] = item.start_mark.line + 1
            twice += _walk(item, (*keys, str(number)), lines)
    return twice


def merge(base: Any, change: Any) -> Any:
    """Lay a change over a base: mappings merge key by key, everything else is replaced.

    A key with dots reaches deeper: ``{"data.source": "phantom"}``. A mapping whose ``name`` or ``kind`` changes replaces the base's,
    as the options of another network or loss do not apply.

    Example:
        >>> merge({"a": {"x": 1, "y": 2}}, {"a.y": 3})
        {'a': {'x': 1, 'y': 3}}
    """
    if not (isinstance(base, dict) and isinstance(change, dict)):
        return change
    if any(key in base and key in change and base[key] != change[key] for key in ("name", "kind")):
        return change
    merged = dict(base)
    for key, value in change.items():
        head, _, tail = str(key).partition(".")
        merged[head] = merge(
            merged.get(head, {}) if tail else merged.get(head), {tail: value} if tail else value
        )
    return merged
