# SPDX-License-Identifier: MIT
"""Band selection: which neighbouring bands of a cube tell most about the tissue.

A reference image, the first principal component over all bands, is compared with each band by mutual
information; the window of neighbouring bands with the largest sum is kept (Hyper-net, section 2.2). Ranking
by mutual information with a penalty on what bands share (Peng et al. 2005, doi:10.1109/TPAMI.2005.159) is
offered beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 256
RANGE = (0.1, 99.9)
"""Percentiles between which values are binned; what lies beyond falls into the outermost bins."""
SAMPLE = 64
"""One of so many pixels is looked at to guess a percentile."""
CHUNK = 4096
"""Pixels whose products are summed in single precision before they are added in double."""
NOT_FINITE = "the cube has values that are not finite; calibrate it, or fill them first"

Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Principal:
    """First principal component of a cube."""

    score: npt.NDArray[np.float32]  # (H, W) float32, the projection of the centred spectra
    loading: npt.NDArray[np.float64]  # (bands,) float64, unit length; its sum is not negative
    explained: float  # share of the variance, 0 to 1


def principal_component(cube: Values) -> Principal:
    """The first principal component over bands of a finite cube (bands, H, W), by the spectra' covariance.

    Raises:
        ValueError: The cube has another number of axes, one band, or values that are not finite.

    Example:
        >>> ramp = np.arange(6.0).reshape(2, 3)
        >>> principal_component(np.stack([ramp, 2 * ramp])).explained
        1.0
    """
    _check_shape(cube)
    spectra = cube.reshape(len(cube), -1)
    mean, covariance = _moments(spectra)
    if not np.isfinite(mean).all():
        raise ValueError(NOT_FINITE)
    values, vectors = np.linalg.eigh(covariance)
    loading = vectors[:, -1] * (1 if vectors[:, -1].sum() >= 0 else -1)
    score = loading.astype(np.float32) @ spectra.astype(np.float32, copy=False) - np.float32(loading @ mean)
    total = max(float(values.clip(0).sum()), np.finfo(float).tiny)
    return Principal(score.reshape(cube.shape[1:]), loading, round(float(values[-1]) / total, 12))


def mutual_information(cube: Values, reference: Values, bins: int = BINS) -> npt.NDArray[np.float64]:
    """Mutual information of each band and a reference image, from joint histograms.

    Args:
        cube: (bands, H, W), or one band (H, W).
        reference: (H, W).
        bins: Bins of each axis, between the 0.1 and 99.9 percentiles.

    Returns:
        (bands,) in nats; 0 for a band without variation.

    Raises:
        ValueError: Shapes differ, values are not finite, or `bins` is below 2.

    Example:
        >>> image = np.arange(16.0).reshape(4, 4)
        >>> mutual_information(np.stack([image, 0 * image]), image, bins=16).round(3).tolist()
        [2.773, 0.0]
    """
    cube = cube[None] if cube.ndim == 2 else cube
    if reference.shape != cube.shape[1:] or bins < 2:
        found = f"a cube {cube.shape}, a reference {reference.shape}, {bins} bins"
        msg = f"found {found}; expected one size, and 2 bins or more"
        raise ValueError(msg)
    other = quantize(reference, bins)
    return np.array([information_of(quantize(band, bins), other, bins) for band in cube])


def quantize(image: Values, bins: int = BINS) -> npt.NDArray[np.intp]:
    """Bin number of each pixel (H, W), flattened; the bins between the 0.1 and 99.9 percentiles are equal.

    Raises:
        ValueError: A value is not finite.
    """
    flat = np.asarray(image, dtype=np.float32 if image.dtype.itemsize <= 4 else np.float64).ravel()
    low, high = _percentiles(flat)
    if not np.isfinite([low, high]).all() or not np.isfinite(flat.sum(dtype=np.float64)):
        msg = "the band has values that are not finite; calibrate the cube, or mask them before scoring bands"
        raise ValueError(msg)
    if high <= low:
        return np.zeros(flat.size, np.intp)
    return ((flat - low) * (bins / (high - low))).clip(0, bins - 1).astype(np.intp)


def information_of(first: npt.NDArray[np.intp], second: npt.NDArray[np.intp], bins: int) -> float:
    """Mutual information of two images of bin numbers, nats."""
    joint = np.bincount(first * bins + second, minlength=bins * bins).reshape(bins, bins)
    rows, columns = joint.sum(1), joint.sum(0)
    row, column = joint.nonzero()
    counts, total = joint[row, column], first.size
    ratio = np.log(counts) + np.log(total) - np.log(rows[row]) - np.log(columns[column])
    return max(float(counts @ ratio) / total, 0.0)


def shared_information(cube: Values, bins: int = BINS) -> npt.NDArray[np.float64]:
    """Mutual information of every pair of bands, (bands, bands) nats; the diagonal is the entropy."""
    _check_cube(cube)
    codes = [quantize(band, bins) for band in cube]
    shared = np.zeros((len(codes), len(codes)))
    for i, first in enumerate(codes):
        for j in range(i, len(codes)):
            shared[i, j] = shared[j, i] = information_of(first, codes[j], bins)
    return shared


def best_window(scores: Sequence[float] | Values, width: int) -> range:
    """The `width` neighbouring bands with the largest sum of scores (bands,); the first of equal ones.

    Raises:
        ValueError: There are fewer bands than `width`, or a score is not finite.

    Example:
        >>> best_window([0.1, 0.5, 0.6, 0.2], 2)
        range(1, 3)
    """
    scores = _checked(scores, width)
    sums = np.convolve(scores, np.ones(width), "valid")
    start = int(np.argmax(np.isclose(sums, sums.max(), rtol=1e-12, atol=0)))
    return range(start, start + width)


def top_bands(
    scores: Sequence[float] | Values, width: int, shared: Values | None = None, *, penalty: float = 1.0
) -> list[int]:
    """Bands by score (bands,), ascending; each counts less by the mean information shared with those taken.

    The information, (bands, bands) from `shared_information`, is multiplied by `penalty`; None: no penalty.

    Raises:
        ValueError: There are fewer bands than `width`, or shapes differ.
    """
    scores = _checked(scores, width)
    if shared is not None and shared.shape != (scores.size, scores.size):
        msg = f"found shared information of shape {shared.shape}, expected {(scores.size, scores.size)}"
        raise ValueError(msg)
    taken: list[int] = []
    for _ in range(width):
        cost = penalty * shared[:, taken].mean(1) if shared is not None and taken else 0.0
        gain = scores - cost
        gain[taken] = -np.inf
        taken.append(int(np.argmax(gain)))
    return sorted(taken)


def _percentiles(flat: Values) -> tuple[float, float]:
    """The 0.1 and 99.9 percentiles without interpolation, as `np.percentile(method="nearest")` gives them."""
    low, high = (round((flat.size - 1) * q / 100) for q in RANGE)
    return _smallest(flat, low), -_smallest(-flat, flat.size - 1 - high)


def _smallest(flat: Values, place: int) -> float:
    """The value at a place of the sorted values, near their beginning: found among the few below a guess."""
    sample = np.sort(flat[::SAMPLE])
    guess = sample[min(2 * place // SAMPLE + SAMPLE, sample.size - 1)]
    few = flat[flat <= guess]
    return float(np.partition(few if few.size > place else flat, place)[place])


def _checked(scores: Sequence[float] | Values, width: int) -> npt.NDArray[np.float64]:
    found = np.asarray(scores, np.float64)
    if found.ndim != 1 or not 1 <= width <= found.size or not np.isfinite(found).all():
        msg = f"found {found.size} scores for a window of {width} bands; expected as many finite ones or more"
        raise ValueError(msg)
    return found


def _moments(spectra: Values) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Mean (bands,) and scatter matrix (bands, bands) of spectra (bands, N), in one pass over them.

    What is summed is the difference from a guess of the mean, so that single precision suffices in a chunk.
    """
    bands, count = spectra.shape
    buffer = np.empty((bands, min(CHUNK, count)), np.float32)
    sums, products = np.zeros(bands), np.zeros((bands, bands))
    with np.errstate(invalid="ignore", over="ignore"):  # what is not finite is found in the mean
        near = spectra[:, ::SAMPLE].mean(1).astype(np.float32)
        for start in range(0, count, CHUNK):
            part = spectra[:, start : start + CHUNK]
            part = np.subtract(part, near[:, None], out=buffer[:, : part.shape[1]], casting="same_kind")
            sums += part.sum(1)
            products += part @ part.T
        return near + sums / count, products - np.outer(sums, sums) / count


def _check_shape(cube: Values) -> None:
    if cube.ndim != 3 or len(cube) < 2 or not cube[0].size:
        msg = f"found a cube of shape {cube.shape}, expected (bands, H, W) with two bands or more"
        raise ValueError(msg)


def _check_cube(cube: Values) -> None:
    _check_shape(cube)
    if not np.isfinite(cube.sum(dtype=np.float64)):
        raise ValueError(NOT_FINITE)
