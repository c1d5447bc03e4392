# SPDX-License-Identifier: MIT
"""One face for all methods of stain normalization: fit a target once, then change each image alone."""

from collections.abc import Callable, Mapping
from typing import Any

from microtome.config.stain import NULLABLE, ReinhardSettings, SpcnSettings
from microtome.stain import macenko, reinhard, spcn
from microtome.stain.colours import Colours, Rgb, StainError, check_rgb, distinct, pack, recolour
from microtome.stain.external import fit_staintools, normalize_staintools
from microtome.stain.matrix import Gains, angle, encode, gains, mapped, scale_counts, scales, tissue_regions
from microtome.stain.profile import ColourProfile, Settings, StainProfile, checked_settings

Profile = StainProfile | ColourProfile
Report = dict[str, Any]

FITS: Mapping[str, Callable[..., Profile]] = {
    "spcn": spcn.fit,
    "macenko": macenko.fit_macenko,
    "reinhard": reinhard.fit_reinhard,
    "staintools": fit_staintools,
}
METHODS = tuple(FITS)


def fit_target(rgb: Rgb, method: str = "spcn", **options: Any) -> Profile:
    """Fit the image whose colours all others shall take.

    Args:
        rgb: Image (H, W, 3) uint8.
        method: ``spcn``, ``macenko``, ``reinhard`` or ``staintools``.
        **options: Parameters of the method, see `microtome.config.stain`; of SPCN also ``preset``.

    Returns:
        A profile; its `as_json` can be stored and given to `apply`.

    Raises:
        StainError: If the method or an option is unknown, or the image cannot serve as a target.
    """
    if _known(method) == "staintools" and options:
        msg = f"method staintools: found the options {', '.join(options)}, expected none; it has its own"
        raise StainError(msg)
    return FITS[method](rgb, **options)


def apply(
    rgb: Rgb, target: Profile | Mapping[str, Any], method: str | None = None, **options: Any
) -> tuple[Rgb, Report]:
    """Normalize one image alone to a target, and say what was done.

    An image that cannot tell its own stains (no tissue, grey, one stain) takes what is missing from the
    target, and the report says so in ``fallback``.

    Args:
        rgb: Image (H, W, 3) uint8; not changed.
        target: From `fit_target`, as a profile or in JSON form.
        method: Must be the target's; None: that one.
        **options: Parameters in place of those of the target.

    Returns:
        The image (H, W, 3) uint8, and a report of plain values: ``profile`` (of the image itself, for
        `profile_from_json`), ``method``, ``preset``, ``parameters``, ``source`` and ``target`` (of both
        profiles vectors, scales, fractions), ``angle_degrees`` (of each stain between
        source and target, and between H and E), ``concentration_p99`` (``before``, ``after``, ``target``),
        ``gain``, ``tissue_fraction``, ``fallback`` (text or None) and ``warnings``. What a
        method has not is None.

    Raises:
        StainError: If the image is not RGB uint8, the method is unknown or not the target's, or an option is
            unknown or out of range.

    Example:
        >>> import numpy as np
        >>> rng = np.random.default_rng(0)
        >>> amounts = rng.gamma(1, 0.6, (64, 64, 2)) * rng.integers(0, 2, (64, 64, 2))
        >>> rgb = np.rint(255 * np.exp(-amounts @ np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])))
        >>> target = fit_target(rgb.astype(np.uint8))
        >>> normalized, report = apply((rgb * 0.8).astype(np.uint8), target.as_json())
        >>> normalized.shape, report["fallback"], sorted(report["angle_degrees"])
        ((64, 64, 3), None, ['E', 'H', 'source_H_E', 'target_H_E'])
    """
    check_rgb(rgb)
    target = profile_from_json(target) if isinstance(target, Mapping) else target
    if _known(method or target.method) != target.method:
        msg = f"method: found {method}, but the target was fitted by {target.method}; fit the target again"
        raise StainError(msg)
    if isinstance(target, ColourProfile):
        return _apply_reinhard(rgb, target, options)
    if target.method == "staintools":
        return _apply_staintools(rgb, target, options)
    return _apply_matrix(rgb, target, options)


def profile_from_json(content: Mapping[str, Any]) -> Profile:
    """The profile that `as_json` wrote, whatever its method.

    Raises:
        StainError: If it is of another format.
    """
    kind = ColourProfile if content.get("method") == "reinhard" else StainProfile
    return kind.from_json(content)


def _changed(base: Settings, changes: Mapping[str, Any]) -> Settings:
    """Settings with some values replaced; None keeps a value that must not be None."""
    kept = {name: value for name, value in changes.items() if value is not None or name in NULLABLE}
    return checked_settings(type(base), base.model_dump() | kept)


def _known(method: str) -> str:
    if method not in METHODS:
        msg = f"method: found {method!r}, expected one of {', '.join(METHODS)}"
        raise StainError(msg)
    return method


def _apply_matrix(rgb: Rgb, target: StainProfile, options: Mapping[str, Any]) -> tuple[Rgb, Report]:
    colours, settings = distinct(rgb), _changed(target.settings, options)
    if isinstance(settings, SpcnSettings):
        source = spcn.fit_colours(colours, settings, preset=target.preset, fallback=target)
    else:
        source = macenko.fit_colours(colours, settings, fallback=target)
    done, found = gains(source, target), tissue_regions(colours, settings)
    new = mapped(colours, source, target, done.values)
    result = Colours(pack(new.T), scale_counts(colours, found, settings))
    return recolour(rgb, colours, new), _stain_report(source, target, result, done)


def _apply_staintools(rgb: Rgb, target: StainProfile, options: Mapping[str, Any]) -> tuple[Rgb, Report]:
    if options:
        msg = f"method staintools: found the options {', '.join(options)}, expected none; it has its own"
        raise StainError(msg)
    result, source = normalize_staintools(rgb, target)
    return result, _stain_report(source, target, distinct(result), gains(source, target))


def _apply_reinhard(rgb: Rgb, target: ColourProfile, options: Mapping[str, Any]) -> tuple[Rgb, Report]:
    settings = _changed(ReinhardSettings(**target.parameters), options)
    colours = distinct(rgb)
    source = reinhard.fit_colours(colours, settings, fallback=target)
    done = reinhard.gains(source, target)
    report = {
        "method": source.method,
        "preset": None,
        "parameters": source.parameters,
        "profile": source.as_json(),
        "source": {"lab_mean": source.lab_mean.tolist(), "lab_sd": source.lab_sd.tolist()},
        "target": {"lab_mean": target.lab_mean.tolist(), "lab_sd": target.lab_sd.tolist()},
        "angle_degrees": None,
        "concentration_p99": None,
        "gain": None,
        "tissue_fraction": source.tissue_fraction,
        "fallback": source.fallback,
        "warnings": [*source.warnings, *done.remarks],
    }
    return recolour(rgb, colours, reinhard.mapped(colours, source, target, done.values)), report


def _stain_report(source: StainProfile, target: StainProfile, result: Colours, done: Gains) -> Report:
    after = scales(encode(result, target), result.counts, target.settings.percentile)
    return {
        "method": source.method,
        "preset": source.preset,
        "parameters": source.parameters,
        "profile": source.as_json(),
        "source": _described(source),
        "target": _described(target),
        "angle_degrees": {
            "H": angle(source.stain_matrix[0], target.stain_matrix[0]),
            "E": angle(source.stain_matrix[1], target.stain_matrix[1]),
            "source_H_E": angle(*source.stain_matrix),
            "target_H_E": angle(*target.stain_matrix),
        },
        "concentration_p99": {
            "before": source.concentration_p99.tolist(),
            "after": after.tolist(),
            "target": target.concentration_p99.tolist(),
        },
        "gain": done.values.tolist(),
        "tissue_fraction": source.tissue_fraction,
        "fallback": source.fallback,
        "warnings": [*source.warnings, *done.remarks],
    }


def _described(profile: StainProfile) -> Report:
    content = profile.as_json()
    left_out = ("format", "method", "preset", "parameters", "fallback", "warnings")
    return {name: value for name, value in content.items() if name not in left_out}
