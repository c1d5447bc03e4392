# SPDX-License-Identifier: MIT
"""Exact non-negative lasso for two stains, and dictionary learning on it.

Per pixel: minimise ½‖v − Wᵀh‖² + λ(h₁ + h₂) over h ≥ 0, with v the optical density (3) and W the two stain
vectors (rows). With G = WWᵀ (all entries ≥ 0) and c = Wv − λ the minimum is, in closed form,

    h₁ = max(0, min((G₂₂c₁ − G₁₂c₂) / det G, c₁ / G₁₁)),  h₂ likewise with 1 and 2 exchanged:

where the unconstrained h₂ is not positive, the second term is the smaller one and h₁ is the solution without
stain 2. So codes are four linear forms of v, a minimum and a maximum: no iterations, no solver.

The dictionary is learnt by alternating these codes with exact updates of one stain vector after the other
(Mairal et al. 2010, https://jmlr.org/papers/v11/mairal10a.html, algorithm 2, on the whole sample), with
momentum that restarts where it leads astray (O'Donoghue and Candès 2015, doi:10.1007/s10208-013-9150-3): a
third of the iterations to the same vectors.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from microtome.stain.colours import StainError

STAINS = 2
BLOCK = 8192  # columns worked on at once: 0.5 MB, stays in the cache
COLLINEAR = 1e-16  # det G / (G₁₁ G₂₂), squared sine of the angle, up to which two vectors count as one

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Learnt:
    """Stain vectors as rows (2, 3), iterations, and whether the last change was below the tolerance."""

    matrix: Floats
    iterations: int
    converged: bool


def codes(optical_density: npt.NDArray, stain_matrix: npt.NDArray, lam: float) -> Floats:
    """Concentrations that minimise ½‖v − Wᵀh‖² + λ‖h‖₁ over h ≥ 0, exactly, for each pixel.

    Args:
        optical_density: Optical densities v, (3, ...).
        stain_matrix: Stain vectors W as rows, (2, 3), not negative.
        lam: λ ≥ 0, optical density.

    Returns:
        Concentrations (2, ...) float64.

    Raises:
        StainError: If shapes do not fit, a vector is negative, zero or not finite, or λ is negative.

    Example:
        >>> w = np.array([[1.0, 0, 0], [0, 1.0, 0]])
        >>> codes(np.array([0.5, 0.01, 0.3]), w, 0.02).tolist()
        [0.48, 0.0]
    """
    density, matrix = np.asarray(optical_density), np.asarray(stain_matrix, np.float64)
    _check(density, matrix, lam)
    flat = density.reshape(3, -1)
    result = np.empty((STAINS, flat.shape[1]))
    forms = _forms(matrix, lam)
    for start in range(0, flat.shape[1], BLOCK):
        part = slice(start, start + BLOCK)
        result[:, part] = _encode(flat[:, part], forms)
    return result.reshape(STAINS, *density.shape[1:])


def learn(
    density: Floats, weights: Floats, start: Floats, *, lam: float, max_iterations: int, tolerance: float
) -> Learnt:
    """Stain vectors W ≥ 0, ‖w‖ ≤ 1, that minimise the weighted mean of the lasso objective.

    Args:
        density: Optical densities, (3, n).
        weights: Pixels of each column, (n,).
        start: Stain vectors to start from, (2, 3).
        lam: λ of the codes.
        max_iterations: Alternations at most.
        tolerance: Stop when an alternation changes no component by more.

    Returns:
        Vectors in the order of `start`.
    """
    matrix = np.array(start, np.float64)
    ahead, pace = matrix, 1.0
    for iteration in range(1, max_iterations + 1):
        updated = _update(ahead, *_moments(density, weights, ahead, lam))
        change = float(np.abs(updated - ahead).max())
        if change < tolerance:
            return Learnt(updated, iteration, converged=True)
        if ((updated - ahead) * (updated - matrix)).sum() < 0:
            pace = 1.0
        faster = (1 + np.sqrt(1 + 4 * pace**2)) / 2
        ahead = _project(updated + (pace - 1) / faster * (updated - matrix))
        matrix, pace = updated, faster
    return Learnt(matrix, max_iterations, converged=False)


def _check(density: npt.NDArray, matrix: Floats, lam: float) -> None:
    if density.ndim == 0 or density.shape[0] != 3:
        msg = f"optical_density: found shape {density.shape}, expected (3, ...): red, green, blue first"
        raise StainError(msg)
    if matrix.shape != (STAINS, 3):
        msg = f"stain_matrix: found shape {matrix.shape}, expected (2, 3): one stain a row"
        raise StainError(msg)
    if not (np.isfinite(matrix).all() and (matrix >= 0).all() and matrix.any(axis=1).all()):
        msg = f"stain_matrix: found {matrix.tolist()}, expected finite rows ≥ 0, none of them zero"
        raise StainError(msg)
    if not lam >= 0:
        msg = f"lam: found {lam}, expected 0 or more"
        raise StainError(msg)


def _forms(matrix: Floats, lam: float) -> tuple[Floats, Floats]:
    """Coefficients (4, 3) and offsets (4, 1): both stains (rows 0, 1), each stain alone (rows 2, 3).

    G⁻¹W and G⁻¹1 are written with cross products and differences, which stay exact for nearly equal vectors.
    """
    first, second = matrix
    squares = (matrix**2).sum(axis=1)
    normal = np.cross(first, second)
    determinant = normal @ normal
    if determinant > COLLINEAR * squares.prod():
        both = np.stack([np.cross(second, normal), np.cross(-first, normal)]) / determinant
        ones = np.array([second @ (second - first), first @ (first - second)]) / determinant
    else:  # one direction: the longer vector explains more at the same penalty
        chosen = np.arange(STAINS) == np.argmax(squares)
        both, ones = matrix * (chosen / squares)[:, None], chosen / squares
    coefficients = np.concatenate([both, matrix / squares[:, None]])
    return coefficients, -lam * np.concatenate([ones, 1 / squares])[:, None]


def _encode(density: npt.NDArray, forms: tuple[Floats, Floats]) -> Floats:
    values = forms[0] @ density
    values += forms[1]
    found = np.minimum(values[:STAINS], values[STAINS:])
    return np.maximum(found, 0, out=found)


def _moments(density: Floats, weights: Floats, matrix: Floats, lam: float) -> tuple[Floats, Floats]:
    """A = Σ w h hᵀ (2, 2) and B = Σ w h vᵀ (2, 3), in blocks so that the sums do not depend on threads."""
    forms = _forms(matrix, lam)
    a, b = np.zeros((STAINS, STAINS)), np.zeros((STAINS, 3))
    for start in range(0, weights.size, BLOCK):
        part = slice(start, start + BLOCK)
        found = _encode(density[:, part], forms)
        weighted = found * weights[part]
        a += weighted @ found.T
        b += weighted @ density[:, part].T
    return a / weights.sum(), b / weights.sum()


def _update(matrix: Floats, a: Floats, b: Floats) -> Floats:
    """w_j ← Π(w_j + (B_j − A_j W) / A_jj), Π onto w ≥ 0, ‖w‖ ≤ 1; a stain that no pixel has stays."""
    updated = matrix.copy()
    for j in range(STAINS):
        if a[j, j] > 0:
            vector = _project(updated[j] + (b[j] - a[j] @ updated) / a[j, j])
            updated[j] = vector if vector.any() else updated[j]
    return updated


def _project(vectors: Floats) -> Floats:
    """The nearest vectors ≥ 0 with a length of at most 1."""
    positive = np.maximum(vectors, 0)
    return positive / np.maximum(1, np.linalg.norm(positive, axis=-1, keepdims=True))
