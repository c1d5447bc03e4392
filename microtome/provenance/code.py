# SPDX-License-Identifier: MIT
"""Code digests: what a rule's script really depends on, without comments, docstrings and formatting.

Snakemake does not see the modules that a script imports. Each rule therefore carries one string, its *state*:
the options it uses and a hash of the syntax trees of its script and of everything the script imports from
`microtome`, found statically. Modules chosen by name at run time (networks, losses, figures; built in or
plugins of the project) enter by the option that names them. What only carries a job to its script and back,
or says what is wrong, is exempt: it may not change a result, and no word of a message reruns anything.
"""

import ast
import hashlib
import json
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from microtome.files import finished_file, sha256_of_bytes, sha256_of_file
from microtome.registry import PLUGINS, plugins_folder

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "microtome"
EXEMPT = ("microtome/workflow/", "microtome/faults.py")
"""What is neither hashed nor followed."""
BLOCKS = ("body", "orelse", "finalbody", "handlers", "cases")
"""Where statements lie below others."""


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
    plugins = plugins_folder()
    for label, path in sorted((_label(path, plugins), path) for path in paths):
        digest.update(label.encode() + b"\0" + facts(path).tree.encode())
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + hashlib.sha256((ROOT / name).read_bytes()).digest())
    return digest.hexdigest()[:16]


def closure(paths: Iterable[Path], *, exempt: tuple[str, ...] = EXEMPT) -> set[Path]:
    """The files given and all files of the package and its plugins that they import, directly or not.

    Those whose paths begin as one of `exempt` are passed over.
    """
    found: set[Path] = set()
    waiting, plugins = list(paths), plugins_folder()
    while waiting:
        path = waiting.pop()
        if path not in found and not _label(path, plugins).startswith(exempt):
            found.add(path)
            waiting += _imports(path)
    return found


@cache
def module_files(name: str) -> list[Path]:
    """The files that importing a dotted name executes: the module and the packages above it.

    Raises:
        ModuleNotFoundError: Neither the package nor its plugins have a module of that name.
    """
    files = [_file(above) for above in accumulate(name.split("."), "{}.{}".format)]
    if files[-1] is None:
        msg = f"no module '{name}' in the package, and none among the plugins in {plugins_folder()}"
        raise ModuleNotFoundError(msg)
    return [file for file in files if file is not None]


@cache
def _file(name: str) -> Path | None:
    """The file of a module: in the package, or else among the plugins."""
    package, *below = name.split(".")
    if package != PACKAGE:
        return None
    places = [root.joinpath(*below) for root in (ROOT / PACKAGE, plugins_folder())]
    files = [file for place in places for file in (place / "__init__.py", place.with_suffix(".py"))]
    return next((file for file in files if file.is_file()), None)


@cache
def _label(path: Path, plugins: Path) -> str:
    """What a file is called in digests: a plugin by its place among them, wherever these lie."""
    if path.is_relative_to(plugins):
        return f"{PLUGINS}/{path.relative_to(plugins).as_posix()}"
    return path.relative_to(ROOT).as_posix()


class Facts(NamedTuple):
    """What digests need to know of a file, by its bytes alone: a hash of its syntax tree without docstrings,
    and of each import statement its level, module and names.
    """

    tree: str
    imports: list[tuple[int, str, list[str]]]


_known: dict[str, Facts] = {}
"""Facts by the SHA-256 of the bytes."""


def remember(file: Path) -> None:
    """Begin with the facts in a file, and keep there those of all files as they are now.

    Parsing some 300 files takes seconds; reading and hashing their bytes does not. A file that is absent,
    damaged, or written by another version of this module is made anew; where none can be written, none is.
    """
    maker = sha256_of_bytes(Path(__file__).read_bytes() + sys.version.encode())
    with suppress(OSError, ValueError, KeyError, TypeError):
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["maker"] == maker:
            _known.update({key: Facts(*facts) for key, facts in content["files"].items()})
    before = len(_known)
    folders = (ROOT / PACKAGE, ROOT / "scripts", plugins_folder())
    current = {}
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        with suppress(SyntaxError):  # whoever uses the file is told
            current[sha256_of_file(path)] = facts(path)
    if len(_known) > before:
        with suppress(OSError), finished_file(file) as partial:
            partial.write_text(json.dumps({"maker": maker, "files": current}), encoding="utf-8")


@cache
def facts(path: Path) -> Facts:
    """Look a file up by its bytes, and parse it if they are new."""
    content = path.read_bytes()
    key = sha256_of_bytes(content)
    if key not in _known:
        tree = ast.parse(content, filename=str(path))
        imports = [found for node in _statements(tree) for found in _imported(node)]
        text = ast.unparse(_without_texts(tree))
        _known[key] = Facts(sha256_of_bytes(text.encode()), imports)
    return _known[key]


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """The module, its statements and all below them, without their expressions, which are most of a tree."""
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [below for block in BLOCKS for below in getattr(node, block, ())]


def _imported(node: ast.AST) -> Iterator[tuple[int, str, list[str]]]:
    """Level, module and names of an import statement."""
    if isinstance(node, ast.Import):
        yield from ((0, alias.name, []) for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        yield node.level, node.module or "", [alias.name for alias in node.names]


@cache
def _imports(path: Path) -> tuple[Path, ...]:
    """The files of the package and its plugins that a file imports, wherever the statement stands."""
    names: set[str] = set()
    for level, module, imported in facts(path).imports:
        base = _base(level, module, path)
        names |= {base, *(f"{base}.{name}" for name in imported)} if _may_hold_modules(base) else {base}
    return tuple(file for name in sorted(names) if _file(name) for file in module_files(name))


def _base(level: int, module: str, path: Path) -> str:
    """The absolute name of what is imported from."""
    if not level:
        return module
    parts = Path(_label(path, plugins_folder())).with_suffix("").parts
    return ".".join((*(PACKAGE, *parts[1:])[:-level], *([module] if module else [])))


@cache
def _may_hold_modules(name: str) -> bool:
    """Whether names imported from it may be modules, as it is a package or a folder without a file."""
    file = _file(name)
    return file is None or file.name == "__init__.py"


def _without_texts(tree: ast.Module) -> ast.Module:
    """Take out the strings that stand alone: docstrings, and the texts below constants and fields."""
    for node in _statements(tree):
        if hasattr(node, "body"):
            node.body = [statement for statement in node.body if not _is_text(statement)] or [ast.Pass()]
    return tree


def _is_text(node: ast.stmt) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
