# SPDX-License-Identifier: MIT
"""The digest of a script: what it sees, and what it passes over."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from microtome.provenance import code

REPOSITORY = Path(__file__).resolve().parents[2]

TREE = {
    "scripts/job.py": "from microtome.stages.work import work\nwork()\n",
    "microtome/__init__.py": "VERSION = 1\n",
    "microtome/stages/__init__.py": "",
    "microtome/stages/work.py": "def work():\n    from microtome.late import answer\n    return answer()\n",
    "microtome/late.py": "from .deep import value\nfrom . import sibling\ndef answer():\n    return value\n",
    "microtome/sibling.py": "import json\nimport microtome.pair.left as chosen\n",
    "microtome/deep/__init__.py": "from .inner import value\n",
    "microtome/deep/inner.py": "from ..shared import value\n",
    "microtome/shared.py": "import microtome.stages.work\nvalue = 1\n",
    "microtome/pair/__init__.py": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from microtome.pair import right\n"
    ),
    "microtome/pair/left.py": "",
    "microtome/pair/right.py": "",
    "microtome/other.py": "from microtome.deep import value\n",
    "microtome/networks/__init__.py": "import importlib\nbuild = importlib.import_module\n",
    "microtome/networks/one.py": "from microtome.networks._parts import block\n",
    "microtome/networks/_parts.py": "block = 1\n",
    "page.html": "<p>\n",
}
REACHED = {path for path in TREE if path != "page.html" and "networks" not in path} - {"microtome/other.py"}


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small repository in place of the real one."""
    for name, text in TREE.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    _forget()
    yield tmp_path
    _forget()


def _forget() -> None:
    for cached in (code.code_digest, code.facts, code.module_files, code._imports, code._file):
        cached.cache_clear()


def _digest(*modules: str, files: tuple[str, ...] = ()) -> str:
    _forget()
    return code.code_digest("scripts/job.py", modules, files)


def _names(root: Path, found: set[Path]) -> set[str]:
    return {path.relative_to(root).as_posix() for path in found}


def test_closure_follows_every_import(tree: Path) -> None:
    """Inside functions and conditions, relative at each level, packages above a module, circles."""
    assert _names(tree, code.closure([tree / "scripts/job.py"])) == REACHED


@pytest.mark.parametrize("name", sorted(REACHED))
def test_code_of_the_closure_counts(tree: Path, name: str) -> None:
    before = _digest()
    (tree / name).write_text(TREE[name] + "\nADDED = 1\n")
    assert _digest() != before


def test_code_beyond_the_closure_does_not_count(tree: Path) -> None:
    before = _digest()
    for name in ("microtome/other.py", "microtome/networks/one.py", "page.html"):
        (tree / name).write_text("changed = 1\n")
    assert _digest() == before


@pytest.mark.parametrize(
    "name", ["microtome/networks/__init__.py", "microtome/networks/one.py", "microtome/networks/_parts.py"]
)
def test_modules_chosen_at_run_time_count(tree: Path, name: str) -> None:
    without, before = _digest(), _digest("microtome.networks.one")
    assert without != before
    (tree / name).write_text(TREE[name] + "\nADDED = 1\n")
    assert _digest("microtome.networks.one") != before


def test_files_that_act_as_code_count_byte_by_byte(tree: Path) -> None:
    before = _digest(files=("page.html",))
    assert before != _digest()
    (tree / "page.html").write_text("<p> \n")
    assert _digest(files=("page.html",)) != before


def test_a_module_that_moves_counts(tree: Path) -> None:
    """The same code under another name is another program."""
    before = _digest("microtome.other")
    (tree / "microtome/renamed.py").write_text(TREE["microtome/other.py"])
    assert _digest("microtome.renamed") != before


def test_the_order_of_modules_and_files_does_not_count(tree: Path) -> None:
    (tree / "page.css").write_text("p {}\n")
    assert _digest("microtome.other", "microtome.networks.one") == _digest(
        "microtome.networks.one", "microtome.other"
    )
    assert _digest(files=("page.html", "page.css")) == _digest(files=("page.css", "page.html"))


def test_an_unknown_module_is_refused(tree: Path) -> None:
    with pytest.raises(ModuleNotFoundError, match=r"'microtome\.networks\.none'"):
        _digest("microtome.networks.none")


CODE = '''
"""Module text."""
import math

LIMIT = 3
"""Text below a constant."""


class Point:
    """Class text."""

    x: int = 0
    """Text below a field."""

    def length(self, scale=1.0):
        """Method text."""
        # a comment
        if scale > LIMIT:
            return math.inf
        return abs(self.x) * scale  # another


def empty():
    """Only a text."""


async def wait():
    """Text."""
    return "a string that counts"
'''

SAME: dict[str, Callable[[str], str]] = {
    "comment": lambda text: text.replace("# a comment", "# something else"),
    "no comments": lambda text: text.replace("# a comment", "").replace("  # another", ""),
    "module docstring": lambda text: text.replace("Module text", "Other"),
    "class docstring": lambda text: text.replace("Class text", "Other"),
    "method docstring": lambda text: text.replace("Method text", "Other"),
    "text below a constant": lambda text: text.replace("Text below a constant", "Other"),
    "text below a field": lambda text: text.replace("Text below a field", "Other"),
    "no docstring": lambda text: text.replace('"""Class text."""', ""),
    "docstring that becomes empty": lambda text: text.replace('"""Class text."""', '""'),
    "pass for a docstring": lambda text: text.replace('"""Only a text."""', "pass"),
    "blank lines": lambda text: text.replace("\n\n\n", "\n\n"),
    "layout": lambda text: text.replace(
        "length(self, scale=1.0)", "length(\n        self,\n        scale=1.0,\n    )"
    ),
    "quotes": lambda text: text.replace('"a string that counts"', "'a string that counts'"),
    "parentheses": lambda text: text.replace("abs(self.x) * scale", "(abs(self.x) * scale)"),
    "unparsed": lambda text: ast.unparse(ast.parse(text)),
}
OTHER: dict[str, Callable[[str], str]] = {
    "constant": lambda text: text.replace("LIMIT = 3", "LIMIT = 4"),
    "type of a constant": lambda text: text.replace("LIMIT = 3", "LIMIT = 3.0"),
    "string": lambda text: text.replace("a string that counts", "another string"),
    "default": lambda text: text.replace("scale=1.0", "scale=2.0"),
    "operator": lambda text: text.replace("scale > LIMIT", "scale >= LIMIT"),
    "order of operands": lambda text: text.replace("abs(self.x) * scale", "scale * abs(self.x)"),
    "name": lambda text: text.replace("LIMIT", "BOUND"),
    "import": lambda text: text.replace("import math", "import cmath as math"),
    "indentation": lambda text: text.replace("        return abs", "            return abs"),
    "decorator": lambda text: text.replace("    def length", "    @staticmethod\n    def length"),
    "string that is used": lambda text: text.replace('"""Only a text."""', 'return """Only a text."""'),
    "order of statements": lambda text: text.replace("import math\n", "").replace(
        "LIMIT = 3\n", "LIMIT = 3\nimport math\n"
    ),
}


def _hash(folder: Path, text: str) -> str:
    path = folder / "module.py"
    path.write_text(text)
    _forget()
    return code.facts(path).tree


@pytest.mark.parametrize("name", SAME)
def test_texts_and_layout_do_not_count(tmp_path: Path, name: str) -> None:
    changed = SAME[name](CODE)
    assert changed != CODE
    assert _hash(tmp_path, changed) == _hash(tmp_path, CODE)


@pytest.mark.parametrize("name", OTHER)
def test_what_code_does_counts(tmp_path: Path, name: str) -> None:
    changed = OTHER[name](CODE)
    assert changed != CODE
    assert _hash(tmp_path, changed) != _hash(tmp_path, CODE)


NAMES = st.sampled_from(["alpha", "beta", "größe", "", "a b"])
PLAIN = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from([0.5, 1.0, -0.0, 1e-300, "1", "x\ny"])
)
JSON = PLAIN | st.lists(PLAIN, max_size=2) | st.dictionaries(NAMES, PLAIN, max_size=2)
OPTIONS = st.dictionaries(NAMES, JSON, max_size=3)
UNHURRIED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@UNHURRIED
@given(OPTIONS)
def test_a_state_is_its_options_whatever_their_order(options: dict) -> None:
    found = code.state("scripts/split.py", options)
    turned = dict(reversed(list(options.items())))
    assert found == code.state("scripts/split.py", turned)
    assert json.loads(found)["options"] == options
    assert "\n" not in found


@UNHURRIED
@given(OPTIONS, OPTIONS)
def test_states_differ_where_options_differ(one: dict, other: dict) -> None:
    states = [code.state("scripts/split.py", options) for options in (one, other)]
    same_text = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (states[0] == states[1]) == same_text


def test_swapped_values_are_another_state() -> None:
    first = code.state("scripts/split.py", {"alpha": 0.3, "beta": 0.7})
    assert first != code.state("scripts/split.py", {"alpha": 0.7, "beta": 0.3})


def test_scripts_have_states_of_their_own() -> None:
    assert code.state("scripts/split.py", {}) != code.state("scripts/segment.py", {})


IMPORTED = """
import sys
sys.path.insert(0, {root!r})
import {module}
print(*[name for name in sys.modules if name.partition('.')[0] == 'microtome'])
"""


@pytest.mark.parametrize("module", ["microtome.stages.images", "microtome.stages.segment"])
def test_closure_holds_what_python_imports(module: str) -> None:
    """Against the interpreter: what an import really loads lies in the closure."""
    program = IMPORTED.format(root=str(REPOSITORY), module=module)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    loaded = {file for name in done.stdout.split() for file in code.module_files(name)}
    closure = code.closure(code.module_files(module), exempt=())
    assert loaded <= closure
    assert len(loaded) > 2
