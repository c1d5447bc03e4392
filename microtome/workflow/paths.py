# SPDX-License-Identifier: MIT
"""Where the workflow keeps its files, as patterns with wildcards, and how its scripts find the package."""

import hashlib
import os
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from microtome.faults import Fault, raise_faults

PROFILE = "MICROTOME_PROFILE"
"""Environment variable: the name of Snakemake's profile, which the report tells; no result depends on it."""
LONGEST_SET = 80
"""Characters of the joined names of studies, at most."""


@dataclass(frozen=True)
class Layout:
    """The paths of one scale, and of the report of some studies at it.

    Attributes:
        results: Folder of everything computed.
        scale: Results of each scale live apart; those of the file itself in `full` (`Workflow.place`).
        studies: The studies of the report; each set of studies has its own.

    Example:
        >>> at = Layout("results", "demo", ("nuclei", "membranes"))
        >>> at.run("card.json")
        'results/demo/{study}/runs/{split}/{run}/seed-{seed}/card.json'
        >>> at.page
        'results/demo/reports/membranes+nuclei/report.html'
    """

    results: str
    scale: str
    studies: tuple[str, ...]

    @property
    def root(self) -> str:
        """Folder of the scale."""
        return f"{self.results}/{self.scale}"

    @property
    def report(self) -> str:
        """Folder of the report of these studies, which is an RO-Crate too."""
        return f"{self.root}/reports/{set_name(self.studies)}"

    @property
    def page(self) -> str:
        """The report."""
        return f"{self.report}/report.html"

    @property
    def crate(self) -> str:
        """What describes the results of these studies as an RO-Crate."""
        return f"{self.report}/ro-crate-metadata.json"

    def study(self, name: str) -> str:
        """A file or folder of a study."""
        return f"{self.root}/{{study}}/{name}"

    def run(self, name: str) -> str:
        """A file or folder of a run."""
        return self.study(f"runs/{{split}}/{{run}}/seed-{{seed}}/{name}")

    def model(self, name: str) -> str:
        """A file or folder of a packed model."""
        return f"{self.root}/models/{{model}}/{name}"

    def log(self, rule: str, *wildcards: str) -> str:
        """The log file of a rule's job."""
        return f"logs/{self.scale}/{_pattern(rule, wildcards)}.log"

    def times(self, rule: str, *wildcards: str) -> str:
        """The benchmark file (time and memory) of a rule's job."""
        return f"{self.root}/benchmarks/{_pattern(rule, wildcards)}.tsv"


def stem_of(at: Layout, study: str, section: str, name: str) -> Path:
    """Path of a table or a figure without its suffix.

    Example:
        >>> stem_of(Layout("results", "demo", ("mine",)), "mine", "tables", "scores").as_posix()
        'results/demo/mine/tables/scores'
    """
    return Path(at.study(f"{section}/{name}").format(study=study))


def failure_count(stem: Path) -> Path:
    """Where stands how often a table or a figure could not be made; no file: never."""
    return stem.with_name(".failures") / stem.name


def check_moved(results: Path | str) -> None:
    """Look for results where earlier versions had those of the scale that is the study file itself.

    Raises:
        ConfigurationError: They are there, so all would be computed again elsewhere.
    """
    before, now = Path(results, "paper"), Path(results, "full")
    if before.is_dir() and not now.exists():
        expected = f"them in '{now.as_posix()}', which is the folder of this scale now: mv {before} {now}"
        raise_faults([Fault(before.as_posix(), "results of an earlier version", expected)])


def set_name(studies: Iterable[str]) -> str:
    """The name of a set of studies, whatever their order; of a long one the first study's and a digest.

    Names of studies hold no `+`, so two sets have two names.

    Example:
        >>> set_name(["nuclei", "membranes"])
        'membranes+nuclei'
        >>> set_name(f"study-{number}" for number in range(20))
        'study-0+19-others-a1512bc0'
    """
    names = sorted(set(studies))
    joined = "+".join(names)
    if len(joined) <= LONGEST_SET:
        return joined
    return f"{names[0]}+{len(names) - 1}-others-{hashlib.sha256(joined.encode()).hexdigest()[:8]}"


def _pattern(rule: str, wildcards: tuple[str, ...]) -> str:
    return "/".join([rule, *(f"{{{name}}}" for name in wildcards)])


def remember_profiles(names: Sequence[str] | None) -> None:
    """Tell jobs, which inherit the environment, the profiles that Snakemake was given, quoted for a shell."""
    os.environ[PROFILE] = shlex.join(name for name in names or () if name != "none")


def make_importable(root: Path) -> None:
    """Let the scripts of jobs, wherever they run, import the package from this repository."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    present = [entry for entry in entries if entry not in ("", str(root))]
    os.environ["PYTHONPATH"] = os.pathsep.join([str(root), *present])
