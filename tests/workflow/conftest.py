# SPDX-License-Identifier: MIT
"""One complete run for all tests of the workflow, and a server of dry runs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.workflow.workspace import EVERYTHING, DryRunServer, Workspace, make_workspace

HERE = Path(__file__).parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of this folder share a run, so they stay in one worker; said before xdist asks."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.workflow)
            item.add_marker(pytest.mark.xdist_group("workflow"))


@dataclass(frozen=True)
class Complete:
    """A workspace in which everything is done. Tests must copy it before they change it.

    Attributes:
        workspace: The workspace.
        imports: Folder with one record of imported modules a job.
    """

    workspace: Workspace
    imports: Path


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DryRunServer]:
    found = DryRunServer()
    yield found
    found.close()


@pytest.fixture(scope="session")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Complete:
    """Run the miniature studies to the end, once; each job is a program that imports what it needs alone."""
    imports = tmp_path_factory.mktemp("imports")
    workspace = make_workspace(tmp_path_factory.mktemp("complete"))
    workspace.run("-c2", *EVERYTHING, "--config", "forks=false", MICROTOME_TEST_IMPORTS=str(imports))
    return Complete(workspace, imports)


@pytest.fixture
def copy(complete: Complete, tmp_path: Path) -> Workspace:
    """A copy of the complete workspace that a test may change."""
    return complete.workspace.copy(tmp_path / "copy")
