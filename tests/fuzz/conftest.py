# SPDX-License-Identifier: MIT
"""Every fuzz test has a folder of its own and a limit of memory; warnings of so many files are not kept."""

import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.bounds import memory

IN_MEMORY = Path("/dev/shm")
"""Where it exists, files of examples never wait for a disk."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A long example that fails is reported all the same."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.fuzz)
            item.add_marker(pytest.mark.filterwarnings("ignore:Generating overly large repr"))


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with memory():
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that all examples of a test share."""
    with tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as name:
        yield Path(name)
