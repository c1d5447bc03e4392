# SPDX-License-Identifier: MIT
"""CITATIONS.md has what the code and the configuration cite, and CITATION.cff is one."""

import re
import tomllib

import yaml

from tests.workflow.workspace import REPOSITORY

DOI = re.compile(r"10\.\d{4,5}/[\w./()-]*[\w)]")
PAGE = (REPOSITORY / "CITATIONS.md").read_text(encoding="utf-8")


def dois(text):
    """DOIs of a text, without the bracket that closes a remark around one.

    Example:
        >>> sorted(dois("(doi:10.1016/0167-8655(96)00066-8), (doi:10.1109/3DV.2016.79)"))
        ['10.1016/0167-8655(96)00066-8', '10.1109/3dv.2016.79']
    """
    found = (one.lower() for one in DOI.findall(text))
    return {one[:-1] if one.count(")") > one.count("(") else one for one in found}


def test_brackets_around_a_doi_are_not_its_own():
    text = "(doi:10.1016/0167-8655(96)00066-8), (doi:10.1109/3DV.2016.79)."
    assert dois(text) == {"10.1016/0167-8655(96)00066-8", "10.1109/3dv.2016.79"}


def test_what_the_code_cites_is_on_the_page():
    sources = [*(REPOSITORY / "microtome").rglob("*.py"), *(REPOSITORY / "config").glob("*.yaml")]
    cited = {doi for path in sources for doi in dois(path.read_text(encoding="utf-8"))}
    assert len(cited) > 30
    assert not sorted(cited - dois(PAGE) - {"10.1000/1", "10.1000/2"})


def test_each_study_has_its_paper():
    for path in (REPOSITORY / "config/studies").glob("*.yaml"):
        study = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert (f"| `{path.stem}` |" in PAGE) == ("paper" in study)


def test_each_dataset_has_its_licence_and_papers():
    datasets = yaml.safe_load((REPOSITORY / "config/datasets.yaml").read_text(encoding="utf-8"))
    assert all({"licence", "citation"} <= one.keys() for one in datasets.values())


def test_the_citation_file_is_one():
    """The fields that Citation File Format 1.2.0 asks for, and those that must agree with the package."""
    said = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= said.keys()
    assert said["cff-version"] == "1.2.0"
    assert all("name" in author or "family-names" in author for author in said["authors"])
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert said["version"] == project["version"]
    assert said["license"] == project["license"]["text"]
