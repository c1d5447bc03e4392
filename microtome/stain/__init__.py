# SPDX-License-Identifier: MIT
"""Stain normalization of H&E images.

`fit_target` once, `apply` to each image alone: SPCN (structure-preserving, the default), Macenko, Reinhard,
or the StainTools package. `fit`, `concentrations` and `normalize` are the steps of SPCN.
"""

from microtome.config.stain import MacenkoSettings, SpcnSettings, StainSettings
from microtome.stain.colours import StainError
from microtome.stain.lasso import codes
from microtome.stain.macenko import fit_macenko
from microtome.stain.matrix import concentrations, normalize
from microtome.stain.methods import METHODS, apply, fit_target, profile_from_json
from microtome.stain.profile import ColourProfile, StainProfile
from microtome.stain.reinhard import fit_reinhard
from microtome.stain.spcn import PRESETS, fit

__all__ = [
    "METHODS",
    "PRESETS",
    "ColourProfile",
    "MacenkoSettings",
    "SpcnSettings",
    "StainError",
    "StainProfile",
    "StainSettings",
    "apply",
    "codes",
    "concentrations",
    "fit",
    "fit_macenko",
    "fit_reinhard",
    "fit_target",
    "normalize",
    "profile_from_json",
]
