# SPDX-License-Identifier: MIT
"""YAML that remembers where each option stands, also after one mapping was laid over another."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from microtome.faults import ConfigurationError, Fault

Keys = tuple[str, ...]
TEXT_TAG = "tag:yaml.org,2002:str"
PLAIN_TAGS = ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq")
MERGE_TAG = "tag:yaml.org,2002:merge"
CHOICES = ("name", "kind")
"""Options that say what the other options of their section mean."""
LONGEST = 80
"""Characters of a wrong value that a message repeats."""
LARGEST_FILE = 2**20
"""Bytes; the study file of a paper has some 10 kB."""
MOST_VALUES = 100_000
"""Of a file with its aliases written out; a study has some hundreds."""
DEEPEST = 50
"""Nested mappings and lists; a study has 7."""
TOO_DEEP = f"nested more than {DEEPEST} deep"
NAMED = (("runs",), ("splits",), ("tables",), ("figures",))
"""Mappings whose keys are the user's names; a dot in them is a mistake, not a way to reach deeper."""


@dataclass(frozen=True)
class Node:
    """A value of a YAML file and where it stands.

    Attributes:
        content: A mapping of nodes, a list of nodes, or a scalar.
        line: Line in the file, from 1.
        written: The keys that lead to it in the file.
    """

    content: Any
    line: int = 0
    written: Keys = ()

    @property
    def is_mapping(self) -> bool:
        """Whether it has options below it."""
        return isinstance(self.content, Mapping)

    @property
    def plain(self) -> Any:
        """The value without lines, as `yaml.safe_load` would give it."""
        if self.is_mapping:
            return {key: node.plain for key, node in self.content.items()}
        return [node.plain for node in self.content] if isinstance(self.content, list) else self.content

    def get(self, *keys: str) -> "Node | None":
        """The node below these keys, if there is one."""
        path = self.path(keys)
        return path[-1] if len(path) == len(keys) + 1 else None

    def path(self, keys: Keys) -> list["Node"]:
        """The nodes from this one along the keys, as far as they exist."""
        found = [self]
        for key in keys:
            content = found[-1].content
            if isinstance(content, list) and key.isdigit() and int(key) < len(content):
                found.append(content[int(key)])
            elif isinstance(content, Mapping) and key in content:
                found.append(content[key])
            else:
                break
        return found


def mark(value: Any) -> Node:
    """Turn a plain value into nodes that stand nowhere."""
    if isinstance(value, Mapping):
        return Node({str(key): mark(below) for key, below in value.items()})
    return Node([mark(item) for item in value] if isinstance(value, list) else value)


def merge(base: Node, change: Node) -> Node:
    """Lay a change over a base: mappings merge key by key, everything else is replaced.

    A mapping whose `name` or `kind` changes replaces the base's, as the options of another network or loss
    do not apply.

    Example:
        >>> merge(mark({"a": {"x": 1, "y": 2}}), mark({"a": {"y": 3}})).plain
        {'a': {'x': 1, 'y': 3}}
        >>> merge(mark({"name": "tversky", "alpha": 0.3}), mark({"name": "dice"})).plain
        {'name': 'dice'}
    """
    if not (base.is_mapping and change.is_mapping) or _chooses_another(base, change):
        return change
    merged = dict(base.content)
    for key, node in change.content.items():
        merged[key] = merge(merged[key], node) if key in merged else node
    return replace(base, content=merged)


def _chooses_another(base: Node, change: Node) -> bool:
    pairs = ((base.content.get(key), change.content.get(key)) for key in CHOICES)
    return any(
        old and new and not old.is_mapping and not new.is_mapping and old.content != new.content
        for old, new in pairs
    )


def read(path: Path) -> Node:
    """Read a YAML mapping.

    A key with dots reaches deeper: `training.epochs: 3` is `training: {epochs: 3}`. Aliases (`*name`) and
    merge keys (`<<`) are resolved; what they bring keeps the place of its anchor.

    Raises:
        ConfigurationError: The file is absent, too large, is not YAML, is not a mapping or has a key twice.
    """
    if not path.is_file():
        raise _refusal(path, "no such file", "a YAML file there")
    if (size := path.stat().st_size) > LARGEST_FILE:
        raise _refusal(path, f"{size} bytes", f"at most {LARGEST_FILE} of YAML")
    builder = _Builder(str(path))
    with _refused(path):
        root = compose(path.read_text(encoding="utf-8-sig"))
        tree = builder.build(root, ()) if root else Node(None, 1)
    if builder.faults:
        raise ConfigurationError(builder.faults)
    if not tree.is_mapping:
        found = "nothing" if tree.content is None else type(tree.plain).__name__
        raise _refusal(path, found, "a mapping of options (key: value)")
    return tree


def outline(path: Path) -> yaml.Node | None:
    """The nodes of a YAML file, of which nothing is built, as that takes long for thousands of values.

    Raises:
        ConfigurationError: It is not YAML.
    """
    with _refused(path):
        return compose(path.read_text(encoding="utf-8"))


@contextmanager
def _refused(path: Path) -> Iterator[None]:
    """Say of a file that is not YAML what is wrong with it, and where."""
    try:
        yield
    except UnicodeDecodeError as error:
        found = f"the byte {error.object[error.start]:#04x}, which is not UTF-8"
        raise _refusal(path, found, "a text file saved as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark_, problem = error.problem_mark or error.context_mark, error.problem or str(error)
        where = f"{path}:{mark_.line + 1}" if mark_ else path
        expected = "brackets, quotes (a # outside them is a comment) and indentation by spaces that fit"
        raise _refusal(where, f"no valid YAML ({problem})", expected) from error
    except yaml.YAMLError as error:
        raise _refusal(path, str(error).replace("\n", " "), "valid YAML") from error


if yaml.__with_libyaml__:

    class _Quick(Composer, yaml.cyaml.CParser, Resolver):
        """Five times as quick as PyYAML's loader, with words of its own for what is wrong.

        PyYAML's composer on the events of libyaml, as libyaml's own dies of deep nesting.
        """

        def __init__(self, text: str) -> None:
            yaml.cyaml.CParser.__init__(self, text)
            Composer.__init__(self)
            Resolver.__init__(self)

else:
    _Quick = yaml.SafeLoader


def compose(text: str) -> yaml.Node | None:
    """The nodes of a YAML text, of which nothing is built; None if it is empty.

    Raises:
        yaml.YAMLError: It is no YAML, or nested too deep.
    """
    try:
        with suppress(yaml.YAMLError):
            return yaml.compose(text, Loader=_Quick)
        return yaml.compose(text, Loader=yaml.SafeLoader)  # which says what is wrong
    except RecursionError as error:
        raise yaml.YAMLError(TOO_DEEP) from error


def read_values(path: Path) -> Any:
    """The values of a YAML file, as `yaml.safe_load` gives them, several times as quick.

    Raises:
        OSError: It cannot be read.
        yaml.YAMLError: It is no YAML, or nested too deep.
    """
    node = compose(path.read_text(encoding="utf-8"))
    return None if node is None else SafeConstructor().construct_document(node)


def below(node: yaml.Node | None) -> dict[str, yaml.Node]:
    """What stands below the keys of a mapping; nothing below anything else."""
    return {str(key.value): value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}


def _refusal(where: Path | str, found: str, expected: str) -> ConfigurationError:
    return ConfigurationError([Fault(str(where), found, expected)])


def _require(holds: bool, problem: str, node: yaml.Node) -> None:
    if not holds:
        raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark)


def _scalar(node: yaml.Node) -> Any:
    """The value of a scalar.

    Raises:
        yaml.MarkedYAMLError: It is none of its kind (the date 2026-02-30), or a text that no file can hold.
    """
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node)
        str(value).encode("utf-8")
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError) as error:
        found = f"{str(node.value)[:LONGEST]!r}, which is no {node.tag.rpartition(':')[2]}"
        raise yaml.MarkedYAMLError(problem=found, problem_mark=node.start_mark) from error
    return value


@dataclass
class _Builder:
    """Turns PyYAML's nodes into ours, with an end to nesting and to what aliases stand for."""

    file: str
    faults: list[Fault] = field(default_factory=list)
    places: dict[int, Keys] = field(default_factory=dict)  # of nodes, by identity; their aliases bring them
    above: list[int] = field(default_factory=list)  # the nodes being built, each a part of the one before
    count: int = 0  # values built so far

    def build(self, node: yaml.Node, keys: Keys) -> Node:
        """Build a node and all below it."""
        self.count += 1
        _require(id(node) not in self.above, "an alias to a mapping that it is part of", node)
        _require(len(self.above) < DEEPEST, TOO_DEEP, node)
        _require(self.count <= MOST_VALUES, f"aliases that stand for more than {MOST_VALUES} values", node)
        keys = self.places.setdefault(id(node), keys)
        self.above.append(id(node))
        content = self._collection(node, keys) if isinstance(node, yaml.CollectionNode) else _scalar(node)
        self.above.pop()
        return Node(content, node.start_mark.line + 1, keys)

    def _collection(self, node: yaml.CollectionNode, keys: Keys) -> dict[str, Node] | list[Node]:
        tag = node.tag[:LONGEST]
        _require(node.tag in PLAIN_TAGS, f"found {tag} in the place of a list or a mapping", node)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, keys)
        return [self.build(item, (*keys, str(number))) for number, item in enumerate(node.value)]

    def _mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str, Node]:
        """The content of a mapping: merge keys first, then plain keys, then keys with dots."""
        brought, plain, dotted = [], {}, []
        for key, value in node.value:
            is_scalar, line = isinstance(key, yaml.ScalarNode), key.start_mark.line + 1
            _require(is_scalar, "a list or a mapping in the place of a key", key)
            name = _scalar(yaml.ScalarNode(TEXT_TAG, key.value, key.start_mark))
            if key.tag == MERGE_TAG:
                brought += value.value if isinstance(value, yaml.SequenceNode) else [value]
            elif "." in name.strip(".") and keys not in NAMED and keys[-1:] != ("classes",):
                dotted.append((tuple(name.split(".")), line, value))
            elif name in plain:
                self._twice((*keys, name), line, plain[name].line)
            else:
                plain[name] = replace(self.build(value, (*keys, name)), line=line, written=(*keys, name))
        own = self._with_dotted(Node(plain), dotted, keys)
        found = [self.build(anchor, keys) for anchor in reversed(brought)]
        content = {key: value for one in found if one.is_mapping for key, value in one.content.items()}
        deep = {below[0] for below, _, _ in dotted} - set(plain)  # change only what they name of `content`
        changed = {key: merge(content[key], own.content[key]) for key in deep if key in content}
        return content | own.content | changed

    def _with_dotted(self, own: Node, dotted: list[tuple[Keys, int, yaml.Node]], keys: Keys) -> Node:
        """A mapping and what its keys with dots bring."""
        for below, line, value in dotted:
            target, here = own.get(*below), (*keys, *below)
            node = replace(self.build(value, here), line=line, written=here)
            if target and not (target.is_mapping and node.is_mapping):
                self._twice(here, line, target.line)
            for length in range(len(below) - 1, -1, -1):
                node = Node({below[length]: node}, node.line, (*keys, *below[:length]))
            own = merge(own, node)
        return own

    def _twice(self, keys: Keys, line: int, first: int) -> None:
        where = f"{self.file}:{line} {'.'.join(keys)}"
        self.faults.append(Fault(where, f"the key a second time, after line {first}", "each key once"))


@dataclass(frozen=True)
class Places:
    """Says where the options of a study file stand, whose `tree` may have been merged."""

    path: Path
    tree: Node

    def __call__(self, keys: Keys) -> str:
        """File, line and keys of an option as written, or of where it would be written."""
        path = self.tree.path(keys)
        return self._say(path[-1], (*path[-1].written, *keys[len(path) - 1 :]))

    def inside(self, keys: Keys, owner: int) -> str:
        """File and line below the first `owner` keys (a run) where an option has to be changed."""
        path = self.tree.path(keys)
        lengths = slice(owner), slice(2, 2 + owner)  # in the file itself, or in a scale of it
        own = [node for node in path[owner:] if keys[:owner] in [node.written[part] for part in lengths]]
        return self._say((own or path[: owner + 1])[-1], keys)

    def _say(self, node: Node, keys: Keys) -> str:
        line = f":{node.line}" if node.line and node.written else ""
        return f"{self.path}{line} {'.'.join(keys)}".strip()
