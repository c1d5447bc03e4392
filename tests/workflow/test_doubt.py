# SPDX-License-Identifier: MIT
"""Ensembles that say where their members doubt, of runs or of seeds."""

import numpy as np

from microtome.inference import ensemble
from microtome.io import images
from tests.workflow.workspace import DryRunServer, Workspace

RUNS = "results/demo/mini/runs/main"
DOUBT = f"{RUNS}/mean/seed-0/uncertainty/test-0"


def test_members_of_an_ensemble(copy: Workspace, server: DryRunServer) -> None:
    """What is trained and predicted stays; the map says what the members' maps say."""
    assert {str(job) for job in copy.jobs(server, DOUBT)} == {"uncertainty mean test-0"}
    copy.run("-c1", DOUBT)
    (path,) = (copy.root / DOUBT).glob("*.tif")
    maps = [
        images.read(copy.root / f"{RUNS}/{run}/seed-0/predictions/test-0" / path.name)[None]
        for run in ("dice", "tversky")
    ]
    expected = ensemble.measure(maps, activation="sigmoid")
    found = np.moveaxis(images.read(path), -1, 0)
    np.testing.assert_array_equal(found, np.concatenate([expected.entropy, expected.mutual_information]))


def test_seeds_are_trained_and_averaged(copy: Workspace, server: DryRunServer) -> None:
    copy.set_option(
        "mini", "runs.mean", {"members": ["tversky"], "member_seeds": [0, 4], "uncertainty": True}
    )
    jobs = [str(job) for job in copy.jobs(server, f"{RUNS}/mean/seed-0/card.json", DOUBT)]
    assert sorted(jobs) == [
        "ensemble mean",
        "predict tversky test-0",
        "train tversky",
        "uncertainty mean test-0",
    ]
