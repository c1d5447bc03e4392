# SPDX-License-Identifier: MIT
"""Rules for rules: `python -m tests.lint_workflow` lists what a reviewer would send back, and exits with 1.

Snakemake's own linter, then: every rule tells its log, times, threads, memory, run time, message, environment
and state, and runs a script of its own name; scripts, rule files, modules and functions stay small.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
DIRECTIVES = ("log", "benchmark", "threads", "resources", "message", "conda", "params", "script")
RESOURCES = ("mem_mb", "runtime")
OTHER_ACTIONS = ("shell", "run", "wrapper", "notebook", "cwl", "template_engine")
WITHOUT_BENCHMARK = frozenset(
    {"report_page", "crate", "doctor", "plan", "apply", "evaluate_folder", "new_study", "gpu_check"}
)
WITHOUT_STATE = frozenset({"doctor", "plan", "new_study", "gpu_check"})
OWN = frozenset({"output", "log", "benchmark"})
"""What a rule made from another must not inherit."""
LONGEST = {"Snakefile": 45, "rules": 200, "scripts": 30}
"""Lines of a file; modules are as long as one room with one reason to change needs."""
LONGEST_FUNCTION = 60
"""Lines of a function without its docstring."""

HEAD = re.compile(
    r"^( *)(?:rule +(\w*)|use rule (\w+)(?: from \w+)? as (\w+)(?: with)?|rule|checkpoint +(\w+)) *:"
)
SECTION = re.compile(r"^( *)(\w+):(.*)")


@dataclass
class Rule:
    """One rule as it is written.

    Attributes:
        name: Its name.
        where: File and line.
        sections: Directive to its text.
        base: The rule it is made from.
    """

    name: str
    where: str
    sections: dict[str, str] = field(default_factory=dict)
    base: str = ""

    @property
    def is_target(self) -> bool:
        """Whether it only names files."""
        return not set(self.sections) - {"input", "default_target", "message"} and not self.base


def read_rules(path: Path) -> list[Rule]:
    """The rules of a file, found by their layout (snakefmt keeps it)."""
    rules: list[Rule] = []
    indent, section = -1, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        depth = len(line) - len(line.lstrip())
        head = HEAD.match(line)
        if head:
            plain, base, made, checkpoint = head.group(2, 3, 4, 5)
            indent, section = depth, ""
            where = f"{path.relative_to(ROOT) if path.is_relative_to(ROOT) else path.name}:{number}"
            rules.append(Rule(made or plain or checkpoint or "", where, base=base or ""))
        elif indent >= 0 and depth <= indent:
            indent = -1
        elif indent >= 0:
            found = SECTION.match(line)
            if found and depth == indent + 4:
                section = found.group(2)
                rules[-1].sections[section] = found.group(3)
            else:
                rules[-1].sections[section] = rules[-1].sections.get(section, "") + "\n" + line
    return [_named(rule) for rule in rules]


def _named(rule: Rule) -> Rule:
    """Give a rule without a name that of its `name` directive."""
    text = rule.sections.pop("name", "")
    rule.name = rule.name or re.sub(r"[^\w{}]", "", text.strip().removeprefix("f")) or rule.where
    return rule


def check_rules(rules: Iterable[Rule]) -> Iterator[str]:
    """What each rule lacks."""
    found = {rule.name: rule for rule in rules}
    for rule in found.values():
        if not rule.is_target:
            base = found[rule.base].sections if rule.base else {}
            inherited = {key: text for key, text in base.items() if key not in OWN}
            yield from _check_rule(rule, inherited | rule.sections)


def _check_rule(rule: Rule, sections: dict[str, str]) -> Iterator[str]:
    here = f"{rule.where}: rule {rule.name}"
    exempt = {"benchmark"} if rule.name in WITHOUT_BENCHMARK else set()
    yield from (f"{here} has no {key}" for key in DIRECTIVES if key not in sections and key not in exempt)
    yield from (f"{here} has {key}; use script" for key in OTHER_ACTIONS if key in sections)
    resources = sections.get("resources", "")
    yield from (
        f"{here} has no {key} in resources" for key in RESOURCES if not re.search(rf"\b{key} *=", resources)
    )
    if rule.name not in WITHOUT_STATE and not re.match(r"\s*state *=", sections.get("params", "")):
        yield f"{here} has no 'state' in params, so changed code or options would not run it again"
    log = rule.sections.get("log", rule.name)
    if rule.name not in log:
        yield f"{here} logs under another name: {log.strip()}"
    yield from _check_script(here, rule, sections.get("script", ""))


def _check_script(here: str, rule: Rule, text: str) -> Iterator[str]:
    name = text.strip().strip('"').removeprefix("../")
    if name and not (ROOT / name).is_file():
        yield f"{here} runs {name}, which does not exist"
    expected = rule.base or rule.name.split("_{")[0]
    if name and Path(name).stem != expected:
        yield f"{here} runs {name}; expected scripts/{expected}.py"


def check_scripts(rules: Iterable[Rule]) -> Iterator[str]:
    """Scripts that no rule runs."""
    used = "\n".join(rule.sections.get("script", "") for rule in rules)
    for path in sorted((ROOT / "scripts").glob("*.py")):
        if f"scripts/{path.name}" not in used:
            yield f"scripts/{path.name}: no rule runs it"


def check_sizes(root: Path = ROOT) -> Iterator[str]:
    """Files and functions that are too long."""
    for place, most in LONGEST.items():
        for path in sorted((root / place).rglob("*")) if (root / place).is_dir() else [root / place]:
            if path.suffix in (".py", ".smk", "") and path.is_file():
                lines = len(path.read_text(encoding="utf-8").splitlines())
                if lines > most:
                    yield f"{path.relative_to(root)}: {lines} lines; at most {most}"
    for path in sorted([*(root / "microtome").rglob("*.py"), *(root / "scripts").glob("*.py")]):
        yield from _long_functions(path, root)


def _long_functions(path: Path, root: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = _body_lines(node)
            if lines > LONGEST_FUNCTION:
                where = f"{path.relative_to(root)}:{node.lineno}"
                yield f"{where}: {node.name} has {lines} lines; at most {LONGEST_FUNCTION}"


def _body_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    lines = node.end_lineno - node.lineno + 1
    if ast.get_docstring(node, clean=False) is not None:
        lines -= node.body[0].end_lineno - node.body[0].lineno + 1
    return lines


def check_by_snakemake() -> Iterator[str]:
    """What `snakemake --lint` says."""
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--lint"], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        yield f"snakemake --lint:\n{done.stdout}{done.stderr}"


def workflow_rules() -> list[Rule]:
    """Every rule of the workflow."""
    return [
        rule
        for path in [ROOT / "Snakefile", *sorted((ROOT / "rules").glob("*.smk"))]
        for rule in read_rules(path)
    ]


def main() -> int:
    """Check everything; the number of faults decides the exit status."""
    rules = workflow_rules()
    faults = [*check_rules(rules), *check_scripts(rules), *check_sizes(), *check_by_snakemake()]
    for fault in faults:
        sys.stdout.write(f"{fault}\n")
    sys.stdout.write(f"{len(rules)} rules, {len(faults)} faults\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
