# SPDX-License-Identifier: MIT
"""Linear discriminant analysis (Fisher, Ann. Eugen. 1936, doi:10.1111/j.1469-1809.1936.tb02137.x).

Fitted by scikit-learn; what is kept are the linear functions whose softmax is the posterior.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from microtome.classifiers._neighbourhood import spectra_and_spread
from microtome.config.classifiers.lda import LinearDiscriminant as Options

TWO = 2


def describe(options: Options, pixels: NDArray) -> NDArray[np.float32]:
    """See `microtome.classifiers`: the spectrum, and mean and spread of those around."""
    return spectra_and_spread(pixels, options.neighbourhood)


def fit(options: Options, values: NDArray, labels: NDArray, seed: int) -> dict[str, NDArray]:
    """Slopes (K, F) and intercepts (K,) of each class; nothing is drawn."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

    found = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=options.shrinkage)
    found.fit(values.astype(np.float64), labels)
    slopes, intercepts = found.coef_, found.intercept_
    if len(found.classes_) == TWO:  # scikit-learn keeps the second against the first
        slopes, intercepts = (np.concatenate([np.zeros_like(part), part]) for part in (slopes, intercepts))
    return {"slopes": slopes, "intercepts": intercepts}


def probabilities(fitted: Mapping[str, NDArray], values: NDArray) -> NDArray[np.float32]:
    """See `microtome.classifiers`."""
    scores = values.astype(np.float64) @ fitted["slopes"].T + fitted["intercepts"]
    return softmax(scores, axis=1).astype(np.float32)
