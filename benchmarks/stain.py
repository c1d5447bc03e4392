# SPDX-License-Identifier: MIT
"""SPCN against StainTools (SPAMS), and the closed-form lasso codes of two stains against FISTA."""

from __future__ import annotations

import importlib.util
from functools import partial
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

SIDES, QUICK_PART = (1000, 2000, 4000), 10
NOISE = {"clean": 0.0, "noisy": 5.0}  # standard deviation, grey levels
VECTORS = ((0.65, 0.70, 0.29), (0.20, 0.90, 0.38))
TILE = 1000  # side of the concentration map that is repeated; noise is not
MINI_BATCHES = 200  # of SPAMS: objective within 1e-6 of ours on these images (on real ones it is further off)
LAMBDA = 0.01
FISTA_STEPS, FISTA_PIXELS, CODE_PIXELS = 250, 100_000, 1_000_000


def image(side: int, noise: float, seed: int = 0) -> np.ndarray:
    """H&E-like RGB (side, side, 3) uint8 with known stain vectors."""
    import numpy as np
    from scipy.ndimage import gaussian_filter

    rng, tile = np.random.default_rng(seed), min(side, TILE)
    spots = gaussian_filter(rng.normal(size=(tile, tile)), 3) > 0.08
    bright = gaussian_filter(rng.normal(size=(tile, tile)), 8) < -0.02
    nuclei = np.where(spots, rng.gamma(9, 0.12, (tile, tile)), 0.02 * rng.random((tile, tile)))
    eosin = gaussian_filter(rng.gamma(4, 0.2, (tile, tile)), 1) * np.where(spots, 0.05, 1)
    amounts = np.stack([nuclei, eosin], axis=-1) * ~(bright & ~spots)[..., None]
    clean = 255 * np.exp(-amounts @ vectors())
    rgb = np.empty((side, side, 3), np.uint8)
    for top in range(0, side, tile):
        for left in range(0, side, tile):
            part = rgb[top : top + tile, left : left + tile]
            noisy = clean[: part.shape[0], : part.shape[1]] + rng.normal(0, noise, part.shape)
            part[:] = np.clip(np.rint(noisy), 0, 255)
    return rgb


def vectors() -> np.ndarray:
    import numpy as np

    matrix = np.array(VECTORS)
    return matrix / np.linalg.norm(matrix, axis=1, keepdims=True)


def degrees_off(matrix: Any) -> float:
    """Largest angle between a found and a true stain vector."""
    import numpy as np

    unit = np.asarray(matrix) / np.linalg.norm(matrix, axis=1, keepdims=True)
    return float(np.degrees(np.arccos(np.clip((unit * vectors()).sum(axis=1), -1, 1))).max())


def microtome(quick: bool, *, side: int, noise: float) -> Prepared:
    """Fit the target and normalize, by the parameters of StainTools; the error is that of the vectors."""
    from microtome import stain

    rgb = image(side // QUICK_PART if quick else side, noise)

    def run() -> Any:
        target = stain.fit(rgb, preset="staintools")
        source = stain.fit(rgb[::-1], preset="staintools")
        return source, stain.normalize(rgb, source, target)

    return Prepared(run, lambda result: degrees_off(result[0].stain_matrix))


def staintools(quick: bool, *, side: int, noise: float, capped: bool) -> Prepared:
    """The same by StainTools: as it is, or with some mini-batches instead of one second of learning."""
    import spams
    from staintools import StainNormalizer
    from staintools.stain_extraction.vahadane_stain_extractor import VahadaneStainExtractor

    rgb = image(side // QUICK_PART if quick else side, noise)
    if not capped:
        spams.trainDL = partial(spams.trainDL, iter=MINI_BATCHES)
    found, extract = [], VahadaneStainExtractor.get_stain_matrix

    def keep(*arguments: Any, **options: Any) -> Any:
        found.append(extract(*arguments, **options))
        return found[-1]

    VahadaneStainExtractor.get_stain_matrix = staticmethod(keep)

    def run() -> Any:
        normalizer = StainNormalizer(method="vahadane")
        normalizer.fit(rgb.copy())
        return normalizer.transform(rgb.copy())

    return Prepared(run, lambda _: degrees_off(found[-1]))


def densities(count: int) -> np.ndarray:
    import numpy as np

    rgb = image(TILE, NOISE["noisy"]).reshape(-1, 3)[:count]
    return np.ascontiguousarray(-np.log((rgb.T + 1.0) / 256))


def violation(density: np.ndarray, found: np.ndarray) -> float:
    """Largest violation of the optimality conditions of the codes."""
    import numpy as np

    gradient = vectors() @ (vectors().T @ found - density) + LAMBDA
    return float(np.where(found > 0, np.abs(gradient), np.maximum(-gradient, 0)).max())


def closed_form(quick: bool) -> Prepared:
    from microtome.stain import codes

    density = densities(CODE_PIXELS // QUICK_PART if quick else CODE_PIXELS)
    return Prepared(
        lambda: codes(density, vectors(), LAMBDA), partial(violation, density), scale=1e6 / density.shape[1]
    )


def fista(quick: bool) -> Prepared:
    """Beck and Teboulle 2009, doi:10.1137/080716542, all pixels at once, constant step 1 / ‖G‖."""
    import numpy as np

    density = densities(FISTA_PIXELS // QUICK_PART if quick else FISTA_PIXELS)
    gram = vectors() @ vectors().T
    step = 1 / np.linalg.norm(gram, 2)

    def run() -> Any:
        goal = vectors() @ density - LAMBDA
        found = ahead = np.zeros_like(goal)
        pace = 1.0
        for _ in range(FISTA_STEPS):
            updated = np.maximum(ahead - step * (gram @ ahead - goal), 0)
            faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
            ahead = updated + (pace - 1) / faster * (updated - found)
            found, pace = updated, faster
        return found

    return Prepared(run, partial(violation, density), scale=1e6 / density.shape[1])


def no_staintools() -> str | None:
    missing = [name for name in ("staintools", "spams") if importlib.util.find_spec(name) is None]
    return f"{' and '.join(missing)} not installed (requirements-stain.txt)" if missing else None


def _variants() -> dict[str, Callable[[bool], Prepared]]:
    found: dict[str, Callable[[bool], Prepared]] = {"codes": closed_form, "fista": fista}
    for side in SIDES:
        for kind, noise in NOISE.items():
            where = {"side": side, "noise": noise}
            found[f"microtome {side} {kind}"] = partial(microtome, **where)
            found[f"staintools {side} {kind}"] = partial(staintools, **where, capped=False)
            found[f"staintools as is {side} {kind}"] = partial(staintools, **where, capped=True)
    return found


def _comparisons() -> list[Comparison]:
    found = [
        Comparison("lasso codes of 1 Mpx, closed form over 250 steps of FISTA", "codes", "fista", 50),
        Comparison("lasso codes: optimal within 1e-6", "codes", 1e-6, 1.0, "error"),
    ]
    for side in SIDES:
        for kind in NOISE:
            place, ours = f"{side} {kind}", f"microtome {side} {kind}"
            peers = {
                f"staintools {place}": f"{MINI_BATCHES} mini-batches",
                f"staintools as is {place}": "as is",
            }
            for peer, how in peers.items():
                label = f"SPCN fit and transform, {side}² {kind}, StainTools {how}"
                found.append(Comparison(label, ours, peer, 5))
                if how != "as is":
                    found.append(Comparison(f"{label}: error of the vectors", ours, peer, 0.95, "error"))
    return found


CASE = Case(
    name="stain",
    title="SPCN of an H&E-like image with known stain vectors; error: degrees (codes: optimality)",
    variants=_variants(),
    needs={name: no_staintools for name in _variants() if name.startswith("staintools")},
    comparisons=_comparisons(),
    note=(
        "both fit target and image and transform it, with the parameters of StainTools, which learns for "
        f"1 s of wall time, so it is measured with {MINI_BATCHES} mini-batches too; codes: s per Mpx"
    ),
)
