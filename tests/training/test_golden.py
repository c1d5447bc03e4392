# SPDX-License-Identifier: MIT
"""Trainings end where they ended when `golden.npz` was written: same losses, same weights."""

import numpy as np
import pytest

from tests.training import golden

TOLERANCE = 1e-6
WANTED = np.load(golden.FILE)


@pytest.mark.parametrize("name", list(golden.cases()))
def test_the_same_weights_as_ever(name, tmp_path):
    found = golden.told(golden.cases()[name](tmp_path))
    assert found["best"].tolist() == WANTED[f"{name}/best"].tolist()
    assert np.allclose(found["history"], WANTED[f"{name}/history"], rtol=TOLERANCE, atol=0, equal_nan=True)
    weights = WANTED[f"{name}/weights"]
    assert np.linalg.norm(found["weights"] - weights) <= TOLERANCE * np.linalg.norm(weights)


def test_every_training_moved_its_weights():
    """Golden numbers of trainings that do nothing would hold for any code."""
    names = {key.rpartition("/")[0] for key in WANTED.files}
    assert names == set(golden.cases())
    for name in names:
        losses = WANTED[f"{name}/history"][:, 0]
        assert len(set(losses.tolist())) == len(losses) > 1, name
