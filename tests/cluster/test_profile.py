# SPDX-License-Identifier: MIT
"""The profile, the rules and docs/how-to/cluster.md say the same; none of this needs a cluster."""

import re
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from microtome.config.workflow import Cluster
from microtome.workflow.memory import LEAST
from tests.lint_workflow import OWN, Rule, workflow_rules

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/how-to/cluster.md"
HEADER = "| rule | memory (MB) | walltime (min) | GPU | submitted | why |"
GROUPS = ("prepare", "finish", "show")
UNLISTED = {"doctor", "new_study"}
"""They answer on the machine that they are asked on."""


@dataclass(frozen=True)
class Request:
    """What a rule asks for on its first attempt.

    Attributes:
        memory: MB.
        minutes: Walltime.
        gpu: Whether it asks for one.
        submitted: `alone`, `login node`, or the name of its group.
    """

    memory: int
    minutes: int
    gpu: bool
    submitted: str

    def row(self, rule: str) -> str:
        """The row of the page, without the reason."""
        return (
            f"| `{rule}` | {self.memory} | {self.minutes} | {'1' if self.gpu else '–'} | {self.submitted} |"
        )


@pytest.fixture(scope="module")
def profile() -> dict:
    return yaml.safe_load((ROOT / "slurm/config.yaml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def requests(profile: dict) -> dict[str, Request]:
    rules = {rule.name: rule for rule in workflow_rules() if not rule.is_target}
    return {
        re.sub(r"\{.*\}", "*", name): _request(name, _sections(rule, rules), profile["groups"])
        for name, rule in rules.items()
        if name not in UNLISTED
    }


def test_the_memory_of_training_grows() -> None:
    """It follows from the images (tests/workflow/test_memory.py), and doubles like that of other rules."""
    text = (ROOT / "rules/common.smk").read_text(encoding="utf-8")
    (body,) = re.findall(r"def training_memory\(.*?(?=\n\n\n|\Z)", text, re.DOTALL)
    assert "grow(" in body


def _sections(rule: Rule, rules: dict[str, Rule]) -> dict[str, str]:
    base = rules[rule.base].sections if rule.base else {}
    return {key: text for key, text in base.items() if key not in OWN} | rule.sections


def _request(name: str, sections: dict[str, str], groups: dict[str, str]) -> Request:
    text = sections["resources"]
    memory, minutes = (re.search(rf"{word}\((\d+)", text) for word in ("grow", "lasting"))
    least = LEAST if "mem_mb=training_memory" in text else memory and int(memory.group(1))
    assert least, f"rule {name} asks for memory that does not grow"
    assert minutes, f"rule {name} asks for a walltime that does not grow"
    group = groups[name].split("-")[0] if name in groups else "alone"
    place = "login node" if "localrule" in sections else group
    return Request(least, int(minutes.group(1)), "on_gpu" in text, place)


def test_the_page_says_what_rules_ask_for(requests: dict[str, Request]) -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert HEADER in text
    rows = text.split(HEADER)[1].strip().split("\n\n")[0].splitlines()[1:]
    found = {row.rsplit("|", 2)[0].strip() + " |" for row in rows}
    expected = {request.row(rule) for rule, request in requests.items()}
    assert found == expected, "\n".join(sorted(found ^ expected))
    assert all(row.rsplit("|", 2)[1].strip() for row in rows), "every row needs a reason"


def test_networks_alone_ask_for_gpus(requests: dict[str, Request]) -> None:
    assert {name for name, r in requests.items() if r.gpu} == {
        "train",
        "train_kept",
        "predict",
        "predict_raw",
        "predict_kept",
        "predict_slides",
        "apply_run",
        "apply_model",
        "gpu_check",
    }


def test_grouped_rules_exist_and_are_small(requests: dict[str, Request], profile: dict) -> None:
    assert set(profile["groups"]) <= set(requests)
    assert {name.split("-")[0] for name in profile["groups"].values()} == set(GROUPS)
    for rule in profile["groups"]:
        assert requests[rule].submitted in GROUPS, f"{rule} runs on the login node and cannot be grouped"
        assert not requests[rule].gpu
        assert requests[rule].minutes <= 20


def test_groups_fit_into_the_longest_walltime(requests: dict[str, Request], profile: dict) -> None:
    """At the last attempt too, if each of a group's chains had all its rules."""
    doubled = 2 ** profile["retries"]
    for name, chains in profile["group-components"].items():
        rules = [rule for rule, group in profile["groups"].items() if group == name]
        times = [requests[rule].minutes for rule in rules]
        chain = max(times) if name.startswith("show") else sum(times) - min(times)
        assert doubled * chains * chain <= Cluster().longest, name


def test_members_of_a_group_take_turns(profile: dict) -> None:
    assert profile["default-resources"]["slots"] == profile["resources"]["slots"] == 1
    assert profile["set-resource-scopes"]["slots"] == "local"


def test_every_job_has_room_for_snakemake(requests: dict[str, Request]) -> None:
    assert all(r.memory >= 1000 for r in requests.values() if r.submitted != "login node")


def test_no_key_of_the_shared_profile_is_lost(profile: dict) -> None:
    """The key of one profile hides the whole of the other's."""
    shared = yaml.safe_load((ROOT / "profiles/default/config.yaml").read_text(encoding="utf-8"))
    for key in set(shared) & set(profile):
        assert shared[key] == profile[key], key


def test_the_shipped_partitions_leave_the_choice_to_the_site() -> None:
    assert yaml.safe_load((ROOT / "slurm/partitions.yaml").read_text(encoding="utf-8")) == {"partitions": {}}
