# SPDX-License-Identifier: MIT
"""Two-stain lasso by other ways: its optimality conditions, and a generic solver pixel by pixel."""

import numpy as np
from scipy.optimize import nnls


def objective(density, matrix, found, lam):
    return 0.5 * ((density - matrix.T @ found) ** 2).sum(axis=0) + lam * found.sum(axis=0)


def kkt_residual(density, matrix, found, lam):
    """Largest violation: gradient g = W(Wᵀh − v) + λ must be ≥ 0, and 0 where h > 0; h ≥ 0."""
    gradient = matrix @ (matrix.T @ found - density) + lam
    free = np.where(found > 0, np.abs(gradient), np.maximum(-gradient, 0))
    return np.maximum(free, np.maximum(-found, 0)).max()


def codes(density, matrix, lam):
    """½‖v − Wᵀh‖² + λΣh = ½‖Lᵀh − L⁻¹(Wv − λ)‖² + const with WWᵀ = LLᵀ: a least-squares problem for NNLS."""
    root = np.linalg.cholesky(matrix @ matrix.T)
    goals = np.linalg.solve(root, matrix @ density - lam)
    return np.stack([nnls(root.T, goal)[0] for goal in goals.T], axis=1)


def mean_objective(density, weights, matrix, lam):
    """The objective of dictionary learning, with the best codes."""
    return np.average(objective(density, matrix, codes(density, matrix, lam), lam), weights=weights)
