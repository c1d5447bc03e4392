# SPDX-License-Identifier: MIT
"""Flat-field calibration pixel by pixel, as the text of the method says."""

import numpy as np


def calibrate_band(raw, dark, blank):
    """Transmittance and validity of one band (H, W), all in double precision."""
    raw, dark, blank = (np.broadcast_to(np.asarray(array, float), raw.shape) for array in (raw, dark, blank))
    light = blank - dark
    finite = np.isfinite(light) & np.isfinite(raw)
    least = max(1.0, 0.005 * np.median(light[finite]))
    valid = finite & (light > least)
    ratio = np.full(raw.shape, np.nan)
    ratio[valid] = (raw[valid] - dark[valid]) / light[valid]
    found = ratio.copy()
    for y, x in zip(*np.nonzero(~valid), strict=True):
        for radius in range(1, 8):
            around = ratio[max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1]
            if np.isfinite(around).any():
                found[y, x] = np.nanmedian(around)
                break
        else:
            found[y, x] = np.nanmedian(ratio) if valid.any() else 0.0
    return np.clip(found, 0, 1.5), valid, int(((ratio < 0) | (ratio > 1.5)).sum())
