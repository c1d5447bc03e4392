# SPDX-License-Identifier: MIT
"""What the skin of a mosaic reflects: patterns that turn into one another, and artefacts over them.

Reflectance has mean 1 in every pattern. Lengths are µm.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.phantoms.mosaics.layout import BRIGHT_BUBBLE, DARK, DARK_BUBBLE, SATURATED, Layout
from microtome.phantoms.mosaics.patterns import PATTERNS, Skin, grow, standard

Field = NDArray[np.float32]
TRANSITION = 34.0  # over which one pattern turns into the next, at difficulty 1
BORDERS = {SATURATED: 60.0, DARK: 40.0, BRIGHT_BUBBLE: 9.0, DARK_BUBBLE: 12.0}  # of artefacts, likewise
CONTRAST = 0.42  # spread of the logarithm of the reflectance in a pattern
UNEVEN, UNEVEN_LENGTH = 0.22, 380.0  # spread of the logarithm of what reaches the depth of the junction
LEAST_WEIGHT = 1e-3  # of the tissue under an artefact, where no other is near
PASSES = 3


def reflectance(
    layout: Layout, mpp: float, coarseness: float, difficulty: float, rng: np.random.Generator
) -> Field:
    """What each pixel reflects ``(H, W)``, from 0; `coarseness` is the patient's, see `patterns.Skin`."""
    skin = grow(layout.classes.shape, mpp, coarseness, difficulty, rng)
    light = _tissue(layout, skin, TRANSITION * difficulty / mpp)
    light *= np.exp(np.float32(UNEVEN) * skin.noise(UNEVEN_LENGTH))
    for kind, render in RENDERERS.items():
        if (here := layout.artefacts == kind).any():
            cover = smoothed(here, BORDERS[kind] / mpp)
            light = light + cover * (render(light, skin, cover) - light)
    return light


def _tissue(layout: Layout, skin: Skin, transition: float) -> Field:
    """The patterns, each where it is, mixed over `transition` pixels."""
    present = [pattern for pattern in PATTERNS if (layout.classes == pattern).any()]
    weights = [smoothed(layout.classes == pattern, transition) for pattern in present]
    weights[0] += np.float32(LEAST_WEIGHT)
    whole = np.add.reduce(weights)
    mixed = np.zeros(whole.shape, np.float32)
    for pattern, weight in zip(present, weights, strict=True):
        seen = np.exp(np.float32(CONTRAST) * standard(PATTERNS[pattern](skin)))
        mixed += weight / whole * (seen / seen.mean())
    return mixed


def smoothed(mask: NDArray[np.bool_], width: float) -> Field:
    """A mask whose borders are `width` pixels wide, by repeated means over squares.

    Example:
        >>> smoothed(np.array([[False, False, True, True]]), 0.0).tolist()
        [[0.0, 0.0, 1.0, 1.0]]
    """
    field, side = mask.astype(np.float32), 2 * round(width / PASSES / 2) + 1
    for _ in range(PASSES if side > 1 else 0):
        field = ndimage.uniform_filter(field, side, mode="nearest")
    return field


def _saturated(light: Field, skin: Skin, cover: Field) -> Field:
    return 2.0 + 2.4 * light


def _dark(light: Field, skin: Skin, cover: Field) -> Field:
    return 0.12 * light + 0.02


def _bright_bubble(light: Field, skin: Skin, cover: Field) -> Field:
    """A highly reflecting blob with swirls."""
    return 2.3 + 0.7 * skin.noise(38) + 0.3 * skin.noise(12)


def _dark_bubble(light: Field, skin: Skin, cover: Field) -> Field:
    """Next to nothing, with a bright edge."""
    return 0.02 + 1.6 * np.exp(-(((cover - 0.6) / 0.25) ** 2))


RENDERERS = {SATURATED: _saturated, DARK: _dark, BRIGHT_BUBBLE: _bright_bubble, DARK_BUBBLE: _dark_bubble}
"""What each artefact makes of the light from the tissue."""
