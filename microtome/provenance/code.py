# SPDX-License-Identifier: MIT
"""Code digests: what a rule's script really depends on, without comments, docstrings and formatting.

Snakemake does not see the modules that a script imports. Each rule therefore carries one string, its *state*:
the options it uses and a hash of the syntax trees of its script and of everything the script imports from
`microtome`, found statically. Modules chosen by name at run time (networks, losses, figures) enter by the
option that names them.
"""

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "microtome"


def state(script: str, options: Any, *, modules: Iterable[str] = (), files: Iterable[str] = ()) -> str:
    """The canonical string of a rule: its options and the digest of its code.

    Args:
        script: The rule's script, relative to the repository.
        options: JSON-serialisable options.
        modules: Dotted modules that the script imports by name at run time.
        files: Further files that act as code (templates), relative to the repository.

    Returns:
        JSON with sorted keys: `{"code": …, "options": …}`.
    """
    return json.dumps(
        {"code": code_digest(script, tuple(modules), tuple(files)), "options": options}, sort_keys=True
    )


@cache
def code_digest(script: str, modules: tuple[str, ...] = (), files: tuple[str, ...] = ()) -> str:
    """Hash the code behind a script.

    Example:
        >>> code_digest("microtome/provenance/code.py") == code_digest("microtome/provenance/code.py")
        True
    """
    paths = closure([ROOT / script, *(path for name in modules for path in module_files(name))])
    digest = hashlib.sha256()
    for path in sorted(paths):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + tree_hash(path).encode())
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def closure(paths: Iterable[Path]) -> set[Path]:
    """The files given and all files of the package that they import, directly or not."""
    found: set[Path] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += [file for name in _imports(path) for file in module_files(name)]
    return found


def module_files(name: str) -> list[Path]:
    """The files that importing a dotted name executes: the module and the packages above it.

    Raises:
        ModuleNotFoundError: The package has no module of that name.
    """
    parts = name.split(".")
    files = [ROOT.joinpath(*parts[:length], "__init__.py") for length in range(1, len(parts) + 1)]
    files.append(ROOT.joinpath(*parts).with_suffix(".py"))
    found = [file for file in files if file.is_file()]
    if not files[-1].is_file() and not files[-2].is_file():
        msg = f"no module '{name}' in the package"
        raise ModuleNotFoundError(msg)
    return found


@cache
def tree_hash(path: Path) -> str:
    """Hash of a file's syntax tree without docstrings."""
    return hashlib.sha256(ast.unparse(_without_texts(_parse(path))).encode()).hexdigest()


@cache
def _imports(path: Path) -> tuple[str, ...]:
    """Dotted names of the package that a file imports, wherever the statement stands."""
    names: set[str] = set()
    for node in ast.walk(_parse(path)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, path)
            names |= {base} | {
                f"{base}.{alias.name}" for alias in node.names if _is_module(f"{base}.{alias.name}")
            }
    return tuple(sorted(name for name in names if name.split(".")[0] == PACKAGE and _is_module(name)))


def _base(node: ast.ImportFrom, path: Path) -> str:
    """The absolute name of what is imported from."""
    if not node.level:
        return node.module or ""
    package = path.relative_to(ROOT).with_suffix("").parts[: -node.level]
    return ".".join((*package, *([node.module] if node.module else [])))


def _is_module(name: str) -> bool:
    path = ROOT.joinpath(*name.split("."))
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


@cache
def _parse(path: Path) -> ast.Module:
    """The syntax tree of a file, shared by all who ask: what `_without_texts` takes out holds no import."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def _without_texts(tree: ast.Module) -> ast.Module:
    """Take out the strings that stand alone: docstrings, and the texts below constants and fields."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [statement for statement in body if not _is_text(statement)] or [ast.Pass()]
    return tree


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
