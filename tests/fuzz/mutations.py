# SPDX-License-Identifier: MIT
"""Broken files: sound ones with bytes flipped, cut out, doubled and spliced, trees with nodes exchanged."""

import functools
import json
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

MOST_EDITS = 6
DEEPEST_PATH = 8
LONGEST_NOISE = 200
LONGEST_SPAN = 400
DEEP = 60
"""Levels; more than YAML and cards may have."""
SHARE = 5
"""Edited files for one that is noise alone."""
MARKS = (
    b"",
    b"\0",
    b"\xff",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    "１ µ".encode(),
    "\u2028".encode(),
    b"\r",
    b"\n",
    b"\t",
    b" ",
    b'"',
    b"'",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b";",
    b":",
    b"=",
    b"&",
    b"<",
    b">",
    b"-",
    b"nan",
    b"NaN",
    b"inf",
    b"-Infinity",
    b"null",
    b"true",
    b"0",
    b"-1",
    b"1e308",
    b"1e-320",
    b"1e999",
    b"1_0",
    b"0x1F",
    b"9" * 400,
    b"9" * 5000,
    b"[" * 300,
    b"{" * 300,
    b"[" * 2000,
    b'{"a":' * 2000,
    b"a" * 5000,
)
"""Bytes that parsers trip over, whatever the format."""
ODD: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    3,
    2**31,
    2**63,
    -(2**70),
    10**400,
    0.5,
    1e308,
    -1e-320,
    float("nan"),
    float("inf"),
    "",
    "3",
    "a",
    "µ\u2028",
    "\x00",
    "../../etc/passwd",
    "/etc/passwd",
    "a" * 5000,
    [],
    {},
    [[]],
    [None],
    [1, 2, 3],
    ["a", "a"],
    {"a": {"b": [1]}},
    {"name": "a"},
    {"kind": 3},
)
"""Values of the wrong type or size."""
Tree = Any


def edited(seeds: Sequence[bytes], tokens: Sequence[bytes] = ()) -> st.SearchStrategy[bytes]:
    """Sound files after one to six edits of their bytes; some are noise alone.

    Args:
        seeds: Sound files.
        tokens: Words of the format, spliced in beside `MARKS`.
    """
    words = st.sampled_from([*tokens, *MARKS])
    edit = st.tuples(st.sampled_from(EDITS), st.integers(0, 2**20), st.integers(0, LONGEST_SPAN), words)
    edits = st.one_of(st.tuples(edit), st.lists(edit, min_size=1, max_size=MOST_EDITS))
    changed = [st.builds(_edit, st.sampled_from(seeds), edits, st.sampled_from(seeds)) for _ in range(SHARE)]
    return st.one_of(*changed, st.binary(max_size=LONGEST_NOISE))


def reshaped(trees: Sequence[Tree], names: Sequence[str], odd: Sequence[Any] = ()) -> st.SearchStrategy[Tree]:
    """Sound trees of mappings and lists after one to six changes of their nodes.

    Args:
        trees: Sound trees.
        names: Keys to put in.
        odd: Values to put in beside `ODD`.
    """
    path = st.lists(st.integers(0, 40), max_size=DEEPEST_PATH)
    change = st.tuples(
        st.sampled_from(("replace", "replace", "drop", "add", "wrap", "deepen")),
        path,
        st.sampled_from(names),
        st.sampled_from([*odd, *ODD]),
    )
    changes = st.one_of(st.tuples(change), st.lists(change, min_size=1, max_size=MOST_EDITS))
    return st.one_of(*(st.builds(_reshape, st.sampled_from(trees), changes) for _ in range(SHARE)))


def as_json(tree: Tree) -> bytes:
    """JSON as Python writes it, with NaN and Infinity."""
    return json.dumps(tree, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _edit(
    content: bytes, edits: Sequence[tuple[Callable[..., bytes], int, int, bytes]], other: bytes
) -> bytes:
    for function, place, span, word in edits:
        content = function(content, place % (len(content) + 1), span, word, other)
    return content


def _flip(content: bytes, at: int, span: int, _word: bytes, _other: bytes) -> bytes:
    return (
        content[:at] + bytes([content[at] ^ (1 + span % 255)]) + content[at + 1 :]
        if at < len(content)
        else b""
    )


def _cut(content: bytes, at: int, span: int, _word: bytes, _other: bytes) -> bytes:
    return content[:at] + content[at + span :]


def _end(content: bytes, at: int, _span: int, _word: bytes, _other: bytes) -> bytes:
    return content[:at]


def _double(content: bytes, at: int, span: int, _word: bytes, _other: bytes) -> bytes:
    return content[: at + span] + content[at:]


def _insert(content: bytes, at: int, _span: int, word: bytes, _other: bytes) -> bytes:
    return content[:at] + word + content[at:]


def _exchange(content: bytes, at: int, span: int, word: bytes, _other: bytes) -> bytes:
    """A word in place of the word that stands there."""
    end = at
    while end < len(content) and end - at < span and chr(content[end]).isalnum():
        end += 1
    return content[:at] + word + content[end:]


def _splice(content: bytes, at: int, span: int, _word: bytes, other: bytes) -> bytes:
    start = (at * (span + 1)) % (len(other) + 1)
    return content[:at] + other[start : start + span] + content[at:]


EDITS = (_flip, _cut, _end, _double, _insert, _exchange, _exchange, _splice)


def _reshape(tree: Tree, changes: Sequence[tuple[str, list[int], str, Any]]) -> Tree:
    for what, path, name, value in changes:
        tree = _changed(tree, what, path, name, value)
    return tree


def _changed(tree: Tree, what: str, path: Sequence[int], name: str, value: Any) -> Tree:
    """A copy of a tree with the node at a path changed; the path ends where the tree does."""
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree))) if isinstance(tree, list) else []
    if path and keys:
        key = keys[path[0] % len(keys)]
        last = len(path) == 1
        below = None if last and what == "drop" else _changed(tree[key], what, path[1:], name, value)
        if isinstance(tree, dict):
            kept = {k: v for k, v in tree.items() if k != key}
            return kept if last and what == "drop" else {k: below if k == key else v for k, v in tree.items()}
        rest = tree[:key], tree[key + 1 :]
        return [*rest[0], *rest[1]] if last and what == "drop" else [*rest[0], below, *rest[1]]
    if what == "add" and isinstance(tree, dict):
        return {**tree, name: value}
    if what == "add" and isinstance(tree, list):
        return [*tree, value]
    if what == "wrap":
        return {name: tree} if isinstance(value, dict) else [tree]
    if what == "deepen":
        return functools.reduce(lambda below, _: [below], range(DEEP), value)
    return value
