# SPDX-License-Identifier: MIT
"""Gradient-boosted trees (Friedman, Ann. Stat. 2001, doi:10.1214/aos/1013203451; LightGBM's histograms).

Fitted by scikit-learn. Its model has no format but pickle, which this project neither writes nor reads, so
the nodes of its trees are kept as arrays and followed here. scikit-learn keeps them in attributes whose names
begin with an underscore: its version is pinned, and a test holds the maps against `predict_proba`.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from microtome.classifiers._neighbourhood import spectra_and_spread
from microtome.config.classifiers.boosted_trees import BoostedTrees as Options


def describe(options: Options, pixels: NDArray) -> NDArray[np.float32]:
    """See `microtome.classifiers`: the spectrum, and mean and spread of those around."""
    return spectra_and_spread(pixels, options.neighbourhood)


def fit(options: Options, values: NDArray, labels: NDArray, seed: int) -> dict[str, NDArray]:
    """Trees, see `_flat`; of more than 200,000 pixels a part is drawn to place the histograms' bins."""
    from sklearn.ensemble import HistGradientBoostingClassifier

    found = HistGradientBoostingClassifier(
        max_iter=options.iterations,
        learning_rate=options.learning_rate,
        max_leaf_nodes=options.leaves,
        max_depth=options.depth,
        min_samples_leaf=options.least,
        l2_regularization=options.l2,
        early_stopping=False,  # which would hold out pixels of the same images
        random_state=seed,
    )
    found.fit(values.astype(np.float64), labels)
    trees = [[tree.nodes for tree in trees] for trees in found._predictors]
    return _flat(trees) | {"start": found._baseline_prediction.ravel(), "depth": np.array([options.depth])}


def _flat(rounds: list[list[NDArray]]) -> dict[str, NDArray]:
    """The nodes of all trees one after another, and where each tree begins.

    A pixel goes on to `left` where `values[feature] <= threshold`, else to `right`; from a leaf it goes
    nowhere. The value of the leaf is added to the score of column `output`.
    """
    trees = [(nodes, output) for trees in rounds for output, nodes in enumerate(trees)]
    roots = np.cumsum([0, *(len(nodes) for nodes, _ in trees)])[:-1]
    parts = [_nodes(nodes, root) for (nodes, _), root in zip(trees, roots, strict=True)]
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    outputs = np.array([output for _, output in trees], np.int32)
    return joined | {"root": roots.astype(np.int32), "output": outputs}


def _nodes(nodes: NDArray, root: int) -> dict[str, NDArray]:
    """The nodes of a tree whose first is number `root`."""
    is_leaf, own = nodes["is_leaf"].astype(bool), np.arange(len(nodes))
    return {
        "feature": np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int32),
        "threshold": np.where(is_leaf, np.inf, nodes["num_threshold"]),
        "left": (np.where(is_leaf, own, nodes["left"]) + root).astype(np.int32),
        "right": (np.where(is_leaf, own, nodes["right"]) + root).astype(np.int32),
        "value": nodes["value"].astype(np.float64),
    }


def probabilities(fitted: Mapping[str, NDArray], values: NDArray) -> NDArray[np.float32]:
    """See `microtome.classifiers`."""
    scores = np.tile(fitted["start"], (len(values), 1)).astype(np.float64)
    rows = np.arange(len(values))
    for root, output in zip(fitted["root"], fitted["output"], strict=True):
        at = np.full(len(values), root, np.int32)
        for _ in range(int(fitted["depth"][0])):
            goes_left = values[rows, fitted["feature"][at]] <= fitted["threshold"][at]
            at = np.where(goes_left, fitted["left"][at], fitted["right"][at])
        scores[:, output] += fitted["value"][at]
    if scores.shape[1] == 1:  # of two classes, the second against the first
        scores = np.concatenate([np.zeros_like(scores), scores], axis=1)
    return softmax(scores, axis=1).astype(np.float32)
