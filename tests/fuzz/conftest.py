# SPDX-License-Identifier: MIT
"""Every fuzz test has a folder of its own and a limit of memory; warnings of so many files are not kept."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fuzz.bounds import memory


@pytest.fixture(autouse=True)
def _bounded() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    with memory():
        yield
    logging.disable(logging.NOTSET)


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that all examples of a test share."""
    return tmp_path_factory.mktemp("fuzz")
