# SPDX-License-Identifier: MIT
"""The linter of the workflow can fail, and the workflow passes it."""

from pathlib import Path

import pytest

from tests import lint_workflow
from tests.lint_workflow import check_rules, check_scripts, check_sizes, read_rules, workflow_rules

GOOD = """
rule all:
    input:
        "a",


rule segment:
    input:
        maps="b",
    output:
        folder=directory("a"),
    log:
        at.log("segment", "study"),
    benchmark:
        at.times("segment", "study")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=60,
    params:
        state=lambda wildcards: plan(wildcards).segment(wildcards.run),
    message:
        "segment"
    script:
        "../scripts/segment.py"


use rule segment as segment_again with:
    output:
        folder=directory("c"),
    log:
        at.log("segment_again", "study"),
    benchmark:
        at.times("segment_again", "study")
"""

FAULTS = {
    "no log": ('    log:\n        at.log("segment", "study"),\n', "", "rule segment has no log"),
    "no times": (
        '    benchmark:\n        at.times("segment", "study")\n',
        "",
        "rule segment has no benchmark",
    ),
    "no threads": ("    threads: 1\n", "", "has no threads"),
    "no environment": ('    conda:\n        "../envs/imaging.yaml"\n', "", "has no conda"),
    "no message": ('    message:\n        "segment"\n', "", "has no message"),
    "no memory": ("        mem_mb=grow(2000),\n", "", "has no mem_mb in resources"),
    "no run time": ("        runtime=60,\n", "", "has no runtime in resources"),
    "no state": ("        state=", "        options=", "has no 'state' in params"),
    "shell": (
        '    script:\n        "../scripts/segment.py"\n',
        '    shell:\n        "cp b a"\n',
        "has shell; use script",
    ),
    "another script": ("scripts/segment.py", "scripts/train.py", "expected scripts/segment.py"),
    "absent script": ("scripts/segment.py", "scripts/none.py", "scripts/none.py, which does not exist"),
    "another log": ('at.log("segment"', 'at.log("train"', "logs under another name"),
    "inherited log": (
        '    log:\n        at.log("segment_again", "study"),\n',
        "",
        "rule segment_again has no log",
    ),
    "inherited times": (
        '    benchmark:\n        at.times("segment_again", "study")\n',
        "",
        "rule segment_again has no benchmark",
    ),
}


def _faults(folder: Path, text: str) -> list[str]:
    path = folder / "rules.smk"
    path.write_text(text, encoding="utf-8")
    return list(check_rules(read_rules(path)))


def test_a_good_rule_passes(tmp_path: Path) -> None:
    assert _faults(tmp_path, GOOD) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_bad_rule_is_found(tmp_path: Path, name: str) -> None:
    old, new, message = FAULTS[name]
    assert GOOD.count(old) >= 1
    assert any(message in fault for fault in _faults(tmp_path, GOOD.replace(old, new, 1)))


def test_files_and_functions_that_are_too_long_are_found(tmp_path: Path) -> None:
    for folder in ("rules", "scripts", "microtome"):
        (tmp_path / folder).mkdir()
    (tmp_path / "Snakefile").write_text("\n" * 46)
    (tmp_path / "rules/train.smk").write_text("\n" * 201)
    (tmp_path / "scripts/train.py").write_text("\n" * 31)
    (tmp_path / "microtome/long.py").write_text("\n" * 900)
    body = "    x = 1\n"
    texts = '    """A long text.\n' + "\n" * 90 + '    """\n'
    (tmp_path / "microtome/one.py").write_text("def f():\n" + texts + body * 60)
    (tmp_path / "microtome/two.py").write_text("def f():\n" + texts + body * 59)
    assert {fault.partition(":")[0] for fault in check_sizes(tmp_path)} == {
        "Snakefile",
        "rules/train.smk",
        "scripts/train.py",
        "microtome/one.py",
    }


def test_the_workflow_passes() -> None:
    rules = workflow_rules()
    assert len(rules) > 20
    assert [*check_rules(rules), *check_scripts(rules), *check_sizes()] == []


def test_a_script_that_no_rule_runs_is_found() -> None:
    rules = [rule for rule in workflow_rules() if rule.name != "segment"]
    assert list(check_scripts(rules)) == ["scripts/segment.py: no rule runs it"]


def test_faults_decide_the_exit_status(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(lint_workflow, "check_by_snakemake", lambda: iter(()))
    assert lint_workflow.main() == 0
    monkeypatch.setattr(lint_workflow, "check_by_snakemake", lambda: iter(["a lint"]))
    assert lint_workflow.main() == 1
    assert "a lint" in capsys.readouterr().out
