# SPDX-License-Identifier: MIT
"""Wavelengths of an ENVI header, in nm whatever their unit. See `envi_header`."""

import itertools
import math
from collections.abc import Mapping
from pathlib import Path

from microtome.io.envi_numbers import numbers
from microtome.io.envi_text import CUT
from microtome.io.errors import EnviError

DECIMALS = 9
"""Of wavelengths in nm."""
NANOMETRES = dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1.0) | dict.fromkeys(
    ("um", "µm", "μm", *(f"micro{name}{s}" for name in ("n", "meter", "metre") for s in ("", "s"))), 1000.0
)
NANOMETRES |= dict.fromkeys(("angstrom", "angstroms", "å"), 0.1)
UNKNOWN_UNITS = ("", "unknown")
NO_WAVELENGTHS = ("index",)
MICROMETRE_LIMIT = 100.0
"""Where the unit is unknown: below, wavelengths are micrometres; from here on, nanometres."""
LIGHT = (100.0, 30_000.0)
"""nm; what lies outside, from far ultraviolet to thermal infrared, is no wavelength of a camera."""


def wavelengths(fields: Mapping[str, str], bands: int, path: Path) -> tuple[float, ...] | None:
    """The wavelength of each band, nm; None where a header has none, or numbers of bands.

    Raises:
        EnviError: Their number or unit is wrong; see `ordered_nanometres`, too.
    """
    unit = fields.get("wavelength units", "").strip().lower()
    values = numbers(fields.get("wavelength", ""), "wavelength", path, bands)
    if not values or unit in NO_WAVELENGTHS:
        return None
    if unit not in NANOMETRES and unit not in UNKNOWN_UNITS:
        raise EnviError(path, f"wavelength units = {unit[:CUT]}", "nm or µm", "convert the wavelengths to nm")
    if len(values) != bands:
        found = f"{len(values)} wavelengths for {bands} bands"
        raise EnviError(path, found, "one for each band", "correct 'bands' or complete 'wavelength'")
    return ordered_nanometres(values, unit, path)


def ordered_nanometres(values: list[float], unit: str, path: Path) -> tuple[float, ...] | None:
    """Wavelengths in nm, one for each band, checked to be positive, in order, and light.

    Where `unit` is none of `NANOMETRES`, small numbers are taken for micrometres; 1, 2, 3 and so on, to the
    number of bands, are numbers of bands, and None comes back.

    Raises:
        EnviError: A wavelength is not positive, comes twice, stands out of order, or is none of light.
    """
    for band, value in enumerate(values):
        if not 0 < value < math.inf:
            found = f"wavelength {value} of band {band}"
            raise EnviError(path, found, "a positive number", "correct the header")
    if unit not in NANOMETRES and len(values) > 1 and values == list(range(1, len(values) + 1)):
        return None
    factor = NANOMETRES.get(unit, 1000.0 if max(values) < MICROMETRE_LIMIT else 1.0)
    sign = -1 if values[0] > values[-1] else 1
    for band, (one, two) in enumerate(itertools.pairwise(values)):
        if one == two or (one < two) != (sign > 0):
            what = "twice" if one == two else "out of order"
            found = f"wavelength {two:g} of band {band + 1} {what} after {one:g}"
            remedy = "put bands and wavelengths into order and save the cube again"
            raise EnviError(path, found, "wavelengths that rise (or fall) from band to band", remedy)
    found = tuple(round(value * factor, DECIMALS) for value in values)
    if not LIGHT[0] <= min(found) <= max(found) <= LIGHT[1] or len(set(found)) < len(found):
        named = unit if unit in NANOMETRES else "no unit"
        stated = f"wavelengths from {min(values):g} to {max(values):g} with {named}"
        expected = f"nanometres or micrometres of light ({LIGHT[0]:g} to {LIGHT[1]:g} nm)"
        raise EnviError(path, stated, expected, _unit_remedy(values))
    return found


def _unit_remedy(values: list[float]) -> str:
    """The unit in which wavelengths would be those of light."""
    for name, factor in (("nm", 1.0), ("Micrometers", 1000.0)):
        if LIGHT[0] <= min(values) * factor <= max(values) * factor <= LIGHT[1]:
            return f"correct the unit: 'wavelength units = {name}'"
    return "correct 'wavelength' or 'wavelength units'"
