# SPDX-License-Identifier: MIT
"""Images as mixtures of two stain vectors: densities, concentrations, scales, and other vectors instead."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from microtome.config.stain import StainSettings
from microtome.stain.colours import (
    LEVELS,
    RGB,
    Colours,
    Regions,
    Rgb,
    StainError,
    channels,
    check_rgb,
    coloured,
    distinct,
    is_black,
    recolour,
    regions,
    spread,
)
from microtome.stain.lasso import Learnt, codes
from microtome.stain.profile import FLOOR_DENSITY, STAIN_NAMES, StainProfile

MIN_TISSUE_PIXELS = 100
MIN_COLOURED = 0.01  # part of the tissue that must have a colour
MIN_ANGLE = 6.0  # degrees between H and E; 11 to 26 in the 30 images of MoNuSeg 2018, below 4 with one stain
LEAST_COLOUR = (
    5.0  # degrees between mean density and grey; 10 and more in MoNuSeg 2018 and in PAS, 7 in H-DAB
)
NOISE = 5.0  # standard deviation of the tissue in grey levels, in each channel, below which it is noise alone
WIDE_GAIN = 4.0  # factor, or its inverse, that deserves a word where there is no limit
LITTLE_TISSUE = 0.05  # part of the image below which scales over all pixels rest on few tissue pixels
MUCH = 0.01  # part of the image left out that deserves a look
FAR_FROM_REFERENCE = 35.0  # degrees; 3 to 16 for H, 14 to 35 for E in MoNuSeg 2018
REFERENCE = ((0.65, 0.70, 0.29), (0.07, 0.99, 0.11))  # H, E of Ruifrok and Johnston 2001
BINS = 4096  # of the histogram in which a percentile is looked up first
FAINT = 1e-3  # concentrations below are none: less than one grey level

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Gains:
    """Factors on the concentrations (2,), and remarks on how they came about."""

    values: Floats
    remarks: tuple[str, ...]


def optical_density(keys: npt.NDArray[np.uint32], density: str) -> Floats:
    """Optical density of packed colours, (3, n), in the sense of `StainSettings.density`."""
    level = np.arange(LEVELS)
    if density == "log1p":
        table = np.log(LEVELS - 1) - np.log(level + 1)
    else:
        table = np.maximum(-np.log(np.maximum(level, 1) / (LEVELS - 1)), FLOOR_DENSITY)
    return np.stack([table[channel] for channel in channels(keys)])


def concentrations(rgb: Rgb, profile: StainProfile) -> npt.NDArray[np.float32]:
    """H and E in each pixel of (H, W, 3) uint8, by the vectors and λ of a profile.

    As (2, H, W) float32, optical density per unit vector.

    Raises:
        StainError: If the image is not RGB uint8.

    Example:
        >>> from microtome.stain import StainProfile, SpcnSettings
        >>> profile = StainProfile(stain_matrix=np.eye(3)[:2], concentration_p99=[1, 1],
        ...     concentration_p99_tissue=[1, 1], tissue_fraction=1, settings=SpcnSettings(encode_lambda=0))
        >>> concentrations(np.full((1, 1, 3), 93, np.uint8), profile).round(2).tolist()
        [[[1.0]], [[1.0]]]
    """
    check_rgb(rgb)
    colours = distinct(rgb)
    return np.stack([spread(rgb, colours, row.astype(np.float32)) for row in encode(colours, profile)])


def normalize(rgb: Rgb, source: StainProfile, target: StainProfile) -> Rgb:
    """Give an image the stain vectors and scales of a target; its own concentrations, so structure, stay.

    Args:
        rgb: Image (H, W, 3) uint8; not changed.
        source: Profile of this image, or of its slide.
        target: Profile of the target.

    Returns:
        Image (H, W, 3) uint8.

    Raises:
        StainError: If the image is not RGB uint8.

    Example:
        >>> from microtome.stain import StainProfile, SpcnSettings
        >>> vectors = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])
        >>> profile = StainProfile(stain_matrix=vectors, concentration_p99=[1, 1],
        ...     concentration_p99_tissue=[1, 1], tissue_fraction=1, settings=SpcnSettings(encode_lambda=0))
        >>> darker = replace(profile, concentration_p99=[2, 2])
        >>> rgb = np.round(255 * np.exp(-0.8 * vectors[:1, None])).astype(np.uint8)
        >>> rgb.tolist(), normalize(rgb, profile, darker).tolist()
        ([[[152, 146, 202]]], [[[92, 85, 162]]])
    """
    check_rgb(rgb)
    colours = distinct(rgb)
    return recolour(rgb, colours, mapped(colours, source, target, gains(source, target).values))


def encode(colours: Colours, profile: StainProfile) -> Floats:
    """Concentrations of the colours, (2, n)."""
    settings = profile.settings
    density = optical_density(colours.keys, settings.density)
    return codes(density, profile.stain_matrix, settings.encode_lambda)


def mapped(colours: Colours, source: StainProfile, target: StainProfile, factors: Floats) -> Rgb:
    """New colours, (3, n) uint8: concentrations by the source, times the factors, as stains of the target."""
    density = target.stain_matrix.T @ (encode(colours, source) * factors[:, None])
    values = (LEVELS - 1) * np.exp(-density)
    return (np.rint(values) if source.settings.rounding == "round" else values).astype(np.uint8)


def gains(source: StainProfile, target: StainProfile) -> Gains:
    """Ratio of the scales of target and source, stain by stain, within the limit of the source's settings.

    Where a stain is too faint in the source to give a ratio over all pixels, tissue pixels decide for both
    images; where it is absent there too, the factor is 1.
    """
    limit = source.settings.max_gain or np.inf
    values, remarks = np.ones(2), []
    for stain, name in enumerate(STAIN_NAMES):
        scale, goal = source.concentration_p99[stain], target.concentration_p99[stain]
        if scale < FAINT:
            scale, goal = source.concentration_p99_tissue[stain], target.concentration_p99_tissue[stain]
            remarks.append(f"{name}: hardly any over all pixels, so scaled over tissue pixels")
        if scale < FAINT:
            remarks[-1] = f"{name}: none in the image, so not scaled"
            continue
        ratio = goal / scale
        values[stain] = np.clip(ratio, 1 / limit, limit)
        if limit == np.inf and not 1 / WIDE_GAIN <= ratio <= WIDE_GAIN:
            remarks.append(f"{name}: factor {ratio:.3g} without a limit (max_gain), on the noise too")
        elif values[stain] != ratio:
            remarks.append(f"{name}: factor {ratio:.3g} limited to {values[stain]:.3g} (max_gain)")
    return Gains(values, tuple(remarks))


def weighted_percentile(values: Floats, counts: npt.NDArray[np.int64], percentile: float) -> float:
    """`numpy.percentile` of values that occur so many times; 0 if none does.

    Example:
        >>> weighted_percentile(np.array([3.0, 1.0]), np.array([1, 3]), 100 * 2.5 / 3)
        2.0
    """
    if counts.sum() == 0:
        return 0.0
    rank = percentile / 100 * (counts.sum() - 1)
    ranks = np.array([np.floor(rank), np.ceil(rank)])
    start, width = values.min(), max(values.max() - values.min(), np.finfo(float).tiny)
    bins = ((values - start) / width * BINS).astype(np.int32)  # sort no more than the bins of these ranks
    ends = np.cumsum(np.bincount(bins, counts))
    first, last = np.searchsorted(ends, ranks, side="right")
    near = (bins >= first) & (bins <= last)
    order = np.argsort(values[near], kind="stable")
    inner = np.cumsum(counts[near][order]) + (ends[first - 1] if first else 0)
    below, above = values[near][order][np.searchsorted(inner, ranks, side="right")]
    return float(below + (above - below) * (rank - ranks[0]))


def tissue_regions(colours: Colours, settings: StainSettings) -> Regions:
    """Tissue, black and ink by the settings."""
    return regions(
        colours,
        brightest=settings.luminosity,
        exclude_black=settings.exclude_black,
        exclude_ink=settings.exclude_ink,
    )


def unusable(colours: Colours, found: Regions) -> str | None:
    """Why no stain can be learnt from these colours; None: it can."""
    tissue = int(colours.counts[found.tissue].sum())
    if tissue < MIN_TISSUE_PIXELS:
        lost = colours.fraction(found.black), colours.fraction(found.ink)
        return (
            f"no tissue: found {tissue} tissue pixels of {colours.pixels} ({lost[0]:.1%} black, "
            f"{lost[1]:.1%} ink, the rest white), expected {MIN_TISSUE_PIXELS} or more"
        )
    part = colours.counts[found.tissue & coloured(colours)].sum() / tissue
    if part < MIN_COLOURED:
        return f"no colour: {part:.2%} of the tissue pixels are not grey, expected {MIN_COLOURED:.0%} or more"
    shown = found.tissue & ~is_black(colours)
    mean = optical_density(colours.keys[shown], "log1p") @ colours.counts[shown]
    off = angle(mean, np.ones(RGB))
    if off < LEAST_COLOUR:
        return f"no colour: the mean of the tissue is {off:.1f}° off grey, expected {LEAST_COLOUR:g}° or more"
    return None


def one_stain(colours: Colours, found: Regions, matrix: Floats) -> str | None:
    """Why two learnt vectors are those of one stain; None: they are not."""
    apart = angle(*matrix)
    if apart < MIN_ANGLE:
        return f"one stain only: the two vectors are {apart:.1f}° apart, expected {MIN_ANGLE:g}° or more"
    counts = colours.counts[found.tissue]
    levels = np.stack(channels(colours.keys[found.tissue])).astype(np.float64)
    mean = levels @ counts / counts.sum()
    largest = np.sqrt(((levels - mean[:, None]) ** 2 @ counts / counts.sum()).max())
    if largest < NOISE:
        varies = f"the tissue varies by {largest:.1f} grey levels (standard deviation)"
        return f"one stain only: {varies}, expected {NOISE:g} or more, as less is noise"
    return None


def angle(first: npt.NDArray, second: npt.NDArray) -> float:
    """Angle between two vectors, degrees.

    Example:
        >>> angle(np.array([1, 0, 0]), np.array([1, 1, 0]))
        45.0
    """
    return float(np.degrees(np.arctan2(np.linalg.norm(np.cross(first, second)), first @ second)))


def ordered(matrix: Floats, order: str) -> Floats:
    """Haematoxylin first: less green (SPCN), or more red density (StainTools)."""
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    swap = unit[0, 1] > unit[1, 1] if order == "green" else unit[0, 0] < unit[1, 0]
    return matrix[::-1] if swap else matrix


def profile_of(
    colours: Colours,
    found: Regions,
    learnt: Learnt,
    settings: StainSettings,
    *,
    method: str,
    preset: str,
    fallback: StainProfile | None,
) -> StainProfile:
    """Profile of an image from learnt vectors; with one stain only, the other one is the fallback's.

    Raises:
        StainError: If there is one stain only and no fallback.
    """
    profile = _scaled(
        colours,
        found,
        StainProfile(
            stain_matrix=ordered(learnt.matrix, settings.order),
            concentration_p99=np.zeros(2),
            concentration_p99_tissue=np.zeros(2),
            tissue_fraction=colours.fraction(found.tissue),
            black_fraction=colours.fraction(found.black),
            ink_fraction=colours.fraction(found.ink),
            settings=settings,
            method=method,
            preset=preset,
            iterations=learnt.iterations,
            converged=learnt.converged,
        ),
    )
    profile = replace(profile, warnings=(*_warnings(profile), *kept_in(colours, settings)))
    reason = one_stain(colours, found, profile.stain_matrix)
    return _completed(colours, found, profile, reason, fallback) if reason else profile


def borrowed(
    colours: Colours,
    found: Regions,
    settings: StainSettings,
    reason: str,
    *,
    method: str,
    preset: str,
    fallback: StainProfile | None,
) -> StainProfile:
    """Profile of an image that tells nothing: vectors and scales of the fallback, so that all factors are 1.

    Raises:
        StainError: If there is no fallback.
    """
    _need(fallback, reason)
    return replace(
        fallback,
        tissue_fraction=colours.fraction(found.tissue),
        black_fraction=colours.fraction(found.black),
        ink_fraction=colours.fraction(found.ink),
        settings=settings,
        method=method,
        preset=preset,
        iterations=0,
        converged=False,
        fallback=f"{reason}; stain vectors and scales are those of the fallback profile",
        warnings=(),
    )


def _completed(
    colours: Colours, found: Regions, profile: StainProfile, reason: str, fallback: StainProfile | None
) -> StainProfile:
    """Keep the vector that was found (the mean of the two) and take the other one from the fallback."""
    _need(fallback, reason)
    mean = profile.stain_matrix.sum(axis=0)
    mean = mean / np.linalg.norm(mean)
    other = int(angle(mean, fallback.stain_matrix[0]) <= angle(mean, fallback.stain_matrix[1]))
    matrix = np.array([mean, mean])
    matrix[other] = fallback.stain_matrix[other]
    name = STAIN_NAMES[other]
    text = f"{reason}; vector and scale of {name} are those of the fallback profile"
    scaled = _scaled(colours, found, replace(profile, stain_matrix=matrix, fallback=text))
    all_pixels, tissue = scaled.concentration_p99.copy(), scaled.concentration_p99_tissue.copy()
    all_pixels[other] = fallback.concentration_p99[other]
    tissue[other] = fallback.concentration_p99_tissue[other]
    return replace(scaled, concentration_p99=all_pixels, concentration_p99_tissue=tissue)


def _need(fallback: StainProfile | None, reason: str) -> None:
    if fallback is None:
        msg = f"{reason}; choose another image or region, other parameters, or give a fallback profile"
        raise StainError(msg)


def _scaled(colours: Colours, found: Regions, profile: StainProfile) -> StainProfile:
    """The profile with the percentiles of its concentrations."""
    values, percentile = encode(colours, profile), profile.settings.percentile
    return replace(
        profile,
        concentration_p99=scales(values, scale_counts(colours, found, profile.settings), percentile),
        concentration_p99_tissue=scales(values, np.where(found.tissue, colours.counts, 0), percentile),
    )


def scale_counts(colours: Colours, found: Regions, settings: StainSettings) -> npt.NDArray[np.int64]:
    """Pixels of each colour, (n,), that count for the scales: tissue, or all but black and ink."""
    kept = found.tissue if settings.percentile_over == "tissue" else ~(found.black | found.ink)
    return np.where(kept, colours.counts, 0)


def scales(values: Floats, counts: npt.NDArray[np.int64], percentile: float) -> Floats:
    """Percentile of each row of concentrations (2, n), over pixels counted so."""
    return np.array([weighted_percentile(row, counts, percentile) for row in values])


def kept_in(colours: Colours, settings: StainSettings) -> tuple[str, ...]:
    """Warnings of black and ink that the settings take for tissue."""
    kept = (("black", settings.exclude_black), ("ink", settings.exclude_ink))
    if settings.exclude_black and settings.exclude_ink:
        return ()
    every = regions(colours, brightest=settings.luminosity, exclude_black=True, exclude_ink=True)
    parts = {"black": colours.fraction(every.black), "ink": colours.fraction(every.ink)}
    return tuple(
        f"{parts[name]:.1%} of the pixels are {name} and count as tissue (exclude_{name}: false)"
        for name, is_left_out in kept
        if not is_left_out and parts[name] > MUCH
    )


def _warnings(profile: StainProfile) -> tuple[str, ...]:
    found = []
    if not profile.converged:
        stopped = f"stopped after {profile.iterations} iterations before its tolerance"
        found.append(f"dictionary learning {stopped}")
    if profile.ink_fraction > MUCH:
        found.append(f"{profile.ink_fraction:.1%} of the pixels look like green or blue ink and are left out")
    if profile.black_fraction > MUCH:
        found.append(
            f"{profile.black_fraction:.1%} of the pixels are black (slide edge, ink) and are left out"
        )
    if profile.tissue_fraction < LITTLE_TISSUE and profile.settings.percentile_over == "all":
        part = f"{profile.tissue_fraction:.1%} of the pixels are tissue"
        found.append(f"{part}, so scales over all pixels depend on it; consider percentile_over: tissue")
    for name, vector, reference in zip(STAIN_NAMES, profile.stain_matrix, REFERENCE, strict=True):
        off = angle(vector, np.array(reference))
        if off > FAR_FROM_REFERENCE:
            found.append(f"{name}: {off:.0f}° from the usual vector; other stains, ink or pigment?")
    return tuple(found)
