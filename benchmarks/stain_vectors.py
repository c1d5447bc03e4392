# SPDX-License-Identifier: MIT
"""How far stain vectors are off, against SPAMS run until it has converged."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared
from benchmarks.stain import degrees_off, image, no_staintools

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

SIDE, QUICK_SIDE = 400, 100
NOISES = (0.0, 2.0, 5.0, 10.0)
"""Standard deviations, grey levels."""
SEEDS = range(4)
FEW, MANY = 200, 3000
"""Mini-batches of SPAMS: as many as are timed in `stain`, and until nothing changes any more."""


def mean_error(matrix_of: Callable[[np.ndarray], Any], noise: float, quick: bool) -> Prepared:
    """Find the vectors of a few phantoms; the error is the mean of the larger angle of each."""
    images = [image(QUICK_SIDE if quick else SIDE, noise, seed) for seed in SEEDS]
    return Prepared(
        lambda: [matrix_of(rgb.copy()) for rgb in images],
        lambda found: sum(map(degrees_off, found)) / len(found),
    )


def microtome(quick: bool, *, noise: float) -> Prepared:
    from microtome import stain

    return mean_error(lambda rgb: stain.fit(rgb, preset="staintools").stain_matrix, noise, quick)


def spams(quick: bool, *, noise: float, batches: int) -> Prepared:
    """StainTools, its one second of learning replaced by a number of mini-batches."""
    import spams as solver
    from staintools.stain_extraction.vahadane_stain_extractor import VahadaneStainExtractor

    solver.trainDL = partial(solver.trainDL, iter=batches)
    return mean_error(VahadaneStainExtractor.get_stain_matrix, noise, quick)


def _variants() -> dict[str, Callable[[bool], Prepared]]:
    found: dict[str, Callable[[bool], Prepared]] = {}
    for noise in NOISES:
        found[f"microtome {noise:g}"] = partial(microtome, noise=noise)
        for batches in (FEW, MANY):
            found[f"spams {batches}, {noise:g}"] = partial(spams, noise=noise, batches=batches)
    return found


CASE = Case(
    name="stain_vectors",
    title=f"stain vectors of {len(SEEDS)} phantoms of {SIDE}² at each noise (grey levels); error: degrees",
    variants=_variants(),
    needs={name: no_staintools for name in _variants() if name.startswith("spams")},
    comparisons=[
        Comparison(
            f"noise {noise:g}, SPAMS after {batches} mini-batches",
            f"microtome {noise:g}",
            f"spams {batches}, {noise:g}",
            0.95,
            "error",
        )
        for noise in NOISES
        for batches in (FEW, MANY)
    ],
    note="all with the parameters of StainTools; the same objective, so the same vectors at its minimum",
)
