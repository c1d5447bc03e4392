# SPDX-License-Identifier: MIT
"""What no module may do, found in the source: unpickle, unpack whole archives, expand entities, evaluate."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.workspace import REPOSITORY

FORBIDDEN = {
    "pickle.load": "unpickles",
    "pickle.loads": "unpickles",
    "pickle.Unpickler": "unpickles",
    "marshal.loads": "unpickles",
    "shelve.open": "unpickles",
    "dill.load": "unpickles",
    "cloudpickle.load": "unpickles",
    "cloudpickle.loads": "unpickles",
    "joblib.load": "unpickles",
    "pd.read_pickle": "unpickles",
    "eval": "evaluates",
    "exec": "evaluates",
    "os.system": "starts a shell",
    "os.popen": "starts a shell",
    "shutil.unpack_archive": "unpacks whole archives",
    "yaml.load": "builds any object; use yaml.safe_load",
    "yaml.unsafe_load": "builds any object",
    "yaml.full_load": "builds any object",
    "tempfile.mktemp": "names a file that others may make",
}
METHODS = {
    "extractall": "unpacks whole archives",
    "extract": "unpacks under the member's own name",
}
XML_PARSERS = {"microtome/io/tiff.py", "microtome/io/envi.py", "microtome/io/aperio.py"}
"""Modules that refuse document types before they parse."""
SAFE_OPTIONS = {"torch.load": ("weights_only", True), "np.load": ("allow_pickle", False)}
"""Calls that are safe with one option alone."""


def files() -> list[Path]:
    return sorted([*(REPOSITORY / "microtome").rglob("*.py"), *(REPOSITORY / "scripts").glob("*.py")])


def calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def faults(source: str, name: str = "x.py") -> list[str]:
    """What is forbidden in a module: lines and reasons."""
    tree, found = ast.parse(source), []
    for call in calls(tree):
        called, options = ast.unparse(call.func), {k.arg: ast.unparse(k.value) for k in call.keywords}
        if called in FORBIDDEN:
            found.append(f"{call.lineno}: {called} {FORBIDDEN[called]}")
        if isinstance(call.func, ast.Attribute) and call.func.attr in METHODS and "str" not in called:
            found.append(f"{call.lineno}: {called} {METHODS[call.func.attr]}")
        if called in SAFE_OPTIONS:
            option, value = SAFE_OPTIONS[called]
            if options.get(option) != str(value):
                found.append(f"{call.lineno}: {called} without {option}={value}")
        if options.get("allow_pickle") == "True" or options.get("shell") == "True":
            found.append(f"{call.lineno}: {called} with allow_pickle or shell")
    if "ElementTree" in source and name not in XML_PARSERS:
        found.append("parses XML, where entities are not refused")
    return found


def test_no_module_does_what_is_forbidden():
    modules = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in files()}
    assert len(modules) > 200
    assert [f"{name}:{fault}" for name, text in modules.items() for fault in faults(text, name)] == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle\npickle.loads(b'')",
        "torch.load(f)",
        "torch.load(f, weights_only=False)",
        "np.load(f)",
        "np.load(f, allow_pickle=True)",
        "np.savez(f, allow_pickle=True)",
        "archive.extractall(folder)",
        "tarfile.open(f).extract('a')",
        "subprocess.run(command, shell=True)",
        "yaml.load(text, yaml.Loader)",
        "eval(text)",
        "from xml.etree import ElementTree",
    ],
)
def test_what_is_forbidden_is_found(source):
    assert faults(source)


def test_what_is_safe_is_let_be():
    assert faults("torch.load(f, weights_only=True)\nnp.load(f, allow_pickle=False)\nmodel.eval()") == []
