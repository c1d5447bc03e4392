# SPDX-License-Identifier: MIT
"""Spectra of the melanoma phantom: what absorbs in a stained section of skin, and what light the camera gets.

Measured values where there are public ones:

* haematoxylin and eosin: mean absorbance of nuclei and of eosin-rich matter in a bladder section, H&E, of the
  FDA's Hyperspectral Imaging Microscopy System (github.com/plemaillet/read_spectral_data, public domain), 380
  to 770 nm; haematoxylin is that of nuclei less 0.75 of the eosin-rich matter's;
* melanins: power laws of the wavelength (Donner and Jensen 2006, doi:10.2312/EGWR/EGSR06/409-417), close to
  that of melanosomes, -3.48 (Jacques and McAuliffe 1991, doi:10.1111/j.1751-1097.1991.tb03668.x);
* scattering: the inverse of the wavelength, as in skin (Jacques 2013, doi:10.1088/0031-9155/58/11/R37).

The microscope is a model of no instrument in particular: a halogen lamp behind a heat filter, an acousto-
optic tunable filter with a transducer for either end of its range, a silicon camera. The weak transducer
below 670 nm and the heat filter above 783 nm leave little light, and silicon sees ever less towards 1000
nm. Their edges are put where the paper's band selection drew them (bands 16 to 31 of 60); the phantom's
truth is thus that choice.
"""

import numpy as np
from numpy.typing import NDArray

BANDS = 60
FIRST, STEP = 550.0, 7.5
WAVELENGTHS = FIRST + STEP * np.arange(BANDS)
"""Nanometres of each band."""
INFORMATIVE = range(16, 32)
"""Bands of 670 to 782.5 nm, which a selection by mutual information has to find."""

HAEMATOXYLIN, EOSIN, EUMELANIN, PHEOMELANIN, SCATTER = range(5)
ABSORBERS = ("haematoxylin", "eosin", "eumelanin", "pheomelanin", "scatter")
STAIN_START, STAIN_STEP = 400.0, 10.0
HAEMATOXYLIN_VALUES = (
    *(0.158, 0.175, 0.203, 0.237, 0.260, 0.276, 0.303, 0.352, 0.420, 0.517),  # 400 nm
    *(0.596, 0.675, 0.759, 0.780, 0.810, 0.840, 0.857, 0.883, 0.928, 0.943),  # 500 nm
    *(0.958, 0.957, 0.924, 0.861, 0.764, 0.653, 0.510, 0.368, 0.257, 0.175),  # 600 nm
    *(0.122, 0.084, 0.062, 0.044, 0.032, 0.024, 0.018, 0.013, 0.0),  # 700 nm
)
EOSIN_VALUES = (
    *(0.139, 0.163, 0.146, 0.131, 0.121, 0.158, 0.204, 0.271, 0.407, 0.638),  # 400 nm
    *(0.803, 0.962, 1.394, 1.736, 1.504, 0.803, 0.311, 0.125, 0.087, 0.075),  # 500 nm
    *(0.071, 0.068, 0.052, 0.040, 0.047, 0.038, 0.033, 0.018, 0.021, 0.008),  # 600 nm
    *(0.002, 0.0),  # 700 nm
)
REFERENCE = 550.0
"""Nanometres where the power laws are 1; a stain is 1 at its peak."""
POWERS = {EUMELANIN: -3.33, PHEOMELANIN: -4.75, SCATTER: -1.0}

LAMP_KELVIN = 3200.0
SECOND_RADIATION = 1.4388e7  # nm K
FILTER_PEAK, FILTER_WIDTH = 735.0, 190.0  # nm; efficiency of the tunable filter, a bell
TRANSDUCER_EDGE, TRANSDUCER_BLUR, SHORT_TRANSDUCER = 666.5, 0.7, 0.015
HEAT_EDGE, HEAT_BLUR, HEAT_LEAK = 786.0, 0.8, 0.07
QUANTUM_NANOMETRES = (500, 550, 600, 650, 700, 750, 800, 850, 900, 950, 1000)
QUANTUM_EFFICIENCY = (0.66, 0.67, 0.66, 0.63, 0.57, 0.49, 0.40, 0.30, 0.20, 0.11, 0.04)

VISIBLE = np.arange(400.0, 701.0, 10.0)
"""Nanometres over which the colour camera sees."""
COLOUR_PEAKS, COLOUR_WIDTHS = (605.0, 540.0, 460.0), (32.0, 36.0, 28.0)  # red, green, blue


def absorbances(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Absorbance (natural logarithm) of each absorber at concentration 1.

    Of ``(n,)`` nanometres from 400 on, ``(5, n)``, in the order of :data:`ABSORBERS`.

    Example:
        >>> stain = absorbances(WAVELENGTHS)[:, 24]
        >>> bool(stain[HAEMATOXYLIN] < 0.1 < stain[EUMELANIN])
        True
    """
    found = np.empty((len(ABSORBERS), len(wavelengths)))
    for absorber, values in ((HAEMATOXYLIN, HAEMATOXYLIN_VALUES), (EOSIN, EOSIN_VALUES)):
        at = STAIN_START + STAIN_STEP * np.arange(len(values))
        found[absorber] = np.interp(wavelengths, at, values) / max(values)
    for absorber, power in POWERS.items():
        found[absorber] = (wavelengths / REFERENCE) ** power
    return found


def clear_field(wavelengths: NDArray[np.float64]) -> NDArray[np.float64]:
    """Electrons that a clear field yields at ``(n,)`` nanometres, 1 at their largest.

    Lamp times optics times quantum efficiency.

    Example:
        >>> seen = clear_field(WAVELENGTHS)
        >>> bool(seen[INFORMATIVE].min() > 2 * np.delete(seen, INFORMATIVE).max())
        True
    """
    lamp = wavelengths**-4 / np.expm1(SECOND_RADIATION / (wavelengths * LAMP_KELVIN))
    bell = np.exp(-0.5 * ((wavelengths - FILTER_PEAK) / FILTER_WIDTH) ** 2)
    long = _step((wavelengths - TRANSDUCER_EDGE) / TRANSDUCER_BLUR)
    passed = 1 - (1 - HEAT_LEAK) * _step((wavelengths - HEAT_EDGE) / HEAT_BLUR)
    silicon = np.interp(wavelengths, QUANTUM_NANOMETRES, QUANTUM_EFFICIENCY)
    seen = lamp * bell * (SHORT_TRANSDUCER + (1 - SHORT_TRANSDUCER) * long) * passed * silicon
    return seen / seen.max()


def _step(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-values.clip(-50, 50)))


def colour_weights() -> NDArray[np.float64]:
    """How the colour camera, balanced to white, weighs :data:`VISIBLE`: ``(3, n)``, rows sum to 1."""
    weights = np.stack(
        [
            np.exp(-0.5 * ((VISIBLE - peak) / width) ** 2)
            for peak, width in zip(COLOUR_PEAKS, COLOUR_WIDTHS, strict=True)
        ]
    )
    return weights / weights.sum(1, keepdims=True)
