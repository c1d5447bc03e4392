# SPDX-License-Identifier: MIT
"""Pages of the repository as their readers see them: links, anchors, blocks, commands."""

import re
import shlex
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.workflow.workspace import REPOSITORY

FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:^    .*\n)+", re.MULTILINE)
LINK = re.compile(r"!?\[(?:[^\[\]]|!?\[[^\]]*\]\([^)]*\))*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
COMMAND = re.compile(
    r"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\S*/bin/)?(snakemake|make|python -m (?:microtome|benchmarks)) "
)
"""A line that calls the workflow; a prompt, variables and the folder of `.venv` may stand before it."""


@dataclass(frozen=True)
class Page:
    """A Markdown file of the repository.

    Attributes:
        path: Where it is.
        text: What it says.
    """

    path: Path
    text: str

    def __str__(self) -> str:
        return self.path.relative_to(REPOSITORY).as_posix()

    @property
    def prose(self) -> str:
        """The page without its blocks."""
        return FENCE.sub("", self.text)

    def links(self) -> Iterator[str]:
        """Targets of links and pictures, not those in code."""
        yield from LINK.findall(re.sub(r"`[^`\n]*`", "", self.prose))

    def anchors(self) -> set[str]:
        """What `#…` may name, as GitHub makes it of the headings."""
        seen: Counter[str] = Counter()
        found = set()
        for heading in HEADING.findall(self.prose):
            name = slug(heading)
            found.add(f"{name}-{seen[name]}" if seen[name] else name)
            seen[name] += 1
        return found

    def commands(self) -> Iterator[str]:
        """Lines of blocks, and indented ones, that call the workflow; those that go on are joined."""
        blocks = [block for _, kind, block in FENCE.findall(self.text) if kind in ("bash", "text", "")]
        for block in [*blocks, *INDENTED.findall(self.prose)]:
            for line in block.replace("\\\n", " ").splitlines():
                if COMMAND.match(line.strip()):
                    yield line.strip()


def slug(heading: str) -> str:
    """The anchor of a heading.

    Example:
        >>> slug("`rcm`, scale `local`: [what](x.md) came out?")
        'rcm-scale-local-what-came-out'
    """
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
    return re.sub(r"[^\w\- ]", "", text).strip().replace(" ", "-")


@cache
def pages() -> tuple[Page, ...]:
    """All Markdown files of the repository, those that git ignores left out."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", "*.md"]
    if (REPOSITORY / ".git").exists():
        listed = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True).stdout
        paths = [REPOSITORY / name for name in listed.split("\0") if name]
    else:  # an unpacked archive
        folders = ("docs", "config", "tests", "benchmarks")
        paths = [
            *REPOSITORY.glob("*.md"),
            *(path for one in folders for path in (REPOSITORY / one).rglob("*.md")),
        ]
    return tuple(Page(path, path.read_text(encoding="utf-8")) for path in sorted(paths) if path.is_file())


def words(command: str) -> list[str]:
    """The command and its arguments, as a shell splits them; what follows `#` is a remark.

    Example:
        >>> words('$ X=1 .venv/bin/snakemake -c2 --config "studies=[a, b]"   # as in the file')
        ['snakemake', '-c2', '--config', 'studies=[a, b]']
    """
    found = shlex.split(command.removeprefix("$ "), comments=True)
    while re.fullmatch(r"[A-Z_]+=.*", found[0]):
        found.pop(0)
    return [found[0].rpartition("/")[2], *found[1:]]
