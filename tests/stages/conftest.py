# SPDX-License-Identifier: MIT
"""A study of five images, trained and predicted once for all tests of the stages."""

import pytest

from tests.stages import folders


@pytest.fixture(scope="session")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("study")
    folders.write(path)
    return path


@pytest.fixture(scope="session")
def runs(root, tmp_path_factory):
    """Run name to folder, with predictions."""
    found = {}
    for run in folders.RUNS:
        found[run] = folders.train(root, run, tmp_path_factory.mktemp(run))
        folders.predict(root, run, found[run])
    return found
