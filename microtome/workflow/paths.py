# SPDX-License-Identifier: MIT
"""Where the workflow keeps its files, as patterns with wildcards, and how its scripts find the package."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Layout:
    """The paths of one scale.

    Attributes:
        results: Folder of everything computed.
        scale: Results of each scale live apart.

    Example:
        >>> Layout("results", "demo").run("card.json")
        'results/demo/{study}/runs/{split}/{run}/seed-{seed}/card.json'
    """

    results: str
    scale: str

    @property
    def root(self) -> str:
        """Folder of the scale."""
        return f"{self.results}/{self.scale}"

    @property
    def page(self) -> str:
        """The report."""
        return f"{self.root}/report.html"

    @property
    def crate(self) -> str:
        """What describes all results of the scale as an RO-Crate."""
        return f"{self.root}/ro-crate-metadata.json"

    def study(self, name: str) -> str:
        """A file or folder of a study."""
        return f"{self.root}/{{study}}/{name}"

    def run(self, name: str) -> str:
        """A file or folder of a run."""
        return self.study(f"runs/{{split}}/{{run}}/seed-{{seed}}/{name}")

    def log(self, rule: str, *wildcards: str) -> str:
        """The log file of a rule's job."""
        return f"logs/{self.scale}/{_pattern(rule, wildcards)}.log"

    def times(self, rule: str, *wildcards: str) -> str:
        """The benchmark file (time and memory) of a rule's job."""
        return f"{self.root}/benchmarks/{_pattern(rule, wildcards)}.tsv"


def _pattern(rule: str, wildcards: tuple[str, ...]) -> str:
    return "/".join([rule, *(f"{{{name}}}" for name in wildcards)])


def make_importable(root: Path) -> None:
    """Let the scripts of jobs, wherever they run, import the package from this repository."""
    present = [
        entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry and entry != str(root)
    ]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *present])
