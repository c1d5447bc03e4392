# SPDX-License-Identifier: MIT
"""Links of all pages lead somewhere, and the files that pages name are there."""

import re

import pytest

from tests.docs.pages import Page, pages, slug
from tests.workflow.workspace import REPOSITORY

PAGES = pages()
NAMED = re.compile(
    r"`((?:\.ci|config|docs|microtome|rules|scripts|tests|envs|slurm|profiles|containers)/[\w./-]+)`"
)
"""Paths of the repository in code."""
OF_USERS = frozenset({"config/config.yaml"})
THEIRS = re.compile(r"(?:^|[/_])(?:mine|look|skin|NAME|my_\w+)\b")
"""Files that pages let readers write."""
INDEX = REPOSITORY / "docs/README.md"
each_page = pytest.mark.parametrize("page", PAGES, ids=str)


def test_anchors_are_those_of_github():
    text = "# One, *two*\n## `a.b` – c_d\n## [Link](x.md#y)\n## Twice\n```text\n# no heading\n```\n## Twice\n"
    page = Page(REPOSITORY / "x.md", text)
    assert page.anchors() == {"one-two", "ab--c_d", "link", "twice", "twice-1"}
    assert slug("The `rules`, in one breath") == "the-rules-in-one-breath"


def test_links_in_code_are_none():
    text = "[a](b.md) `[c](d.md)` [![e](f.png)](g.md)\n```text\n[h](i.md)\n```\n"
    assert set(Page(REPOSITORY / "x.md", text).links()) >= {"b.md"}
    assert not {"d.md", "i.md"} & set(Page(REPOSITORY / "x.md", text).links())


@each_page
def test_links_lead_somewhere(page):
    broken = []
    for target in page.links():
        path, _, anchor = target.partition("#")
        if re.match(r"[a-z]+:", target):
            assert target.startswith("https://") or "://" not in target, target
            continue
        found = (page.path.parent / path).resolve() if path else page.path
        if not found.exists() or not found.is_relative_to(REPOSITORY):
            broken.append(f"{target}: no such file")
        elif anchor and anchor not in _page(found).anchors():
            broken.append(f"{target}: no such heading")
    assert not broken


def _page(path):
    return next(page for page in PAGES if page.path == path)


@each_page
def test_files_that_are_named_are_there(page):
    if page.path.name == "CHANGELOG.md":
        return  # it tells of what was
    named = {name.rstrip("/") for name in NAMED.findall(page.prose)}
    theirs = {name for name in named if THEIRS.search(name.partition(".")[0])}
    assert not [name for name in sorted(named - theirs) if not _there(name)]


def _there(name):
    """In the repository, or in the package, whose rooms contributors name without it."""
    return any((REPOSITORY / start / name).exists() for start in (".", "microtome"))


def test_every_page_is_in_the_index():
    linked = {(INDEX.parent / target.partition("#")[0]).resolve() for target in _page(INDEX).links()}
    inside = {page.path for page in PAGES if page.path.is_relative_to(REPOSITORY / "docs")}
    assert not sorted(map(str, inside - linked - {INDEX}))


def test_pictures_are_small():
    for picture in (REPOSITORY / "docs/images").glob("*"):
        assert picture.stat().st_size < 300_000, picture.name
