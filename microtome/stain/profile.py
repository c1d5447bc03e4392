# SPDX-License-Identifier: MIT
"""What is known about the colours of an image: settings, stain vectors, scales; as an object and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from microtome.config.section import Section
from microtome.config.stain import NULLABLE, MacenkoSettings, ReinhardSettings, SpcnSettings, StainSettings
from microtome.stain.colours import StainError

FORMAT = "microtome stain profile 1"
FLOOR_DENSITY = 1e-6  # smallest optical density of StainTools
STAIN_NAMES = ("H", "E")

Floats = npt.NDArray[np.float64]
Settings = TypeVar("Settings", bound=Section)


SETTINGS: Mapping[str, type[StainSettings]] = {
    "spcn": SpcnSettings,
    "macenko": MacenkoSettings,
    "staintools": SpcnSettings,
}


@dataclass(frozen=True, eq=False, kw_only=True)
class StainProfile:
    """Stain vectors and scales of one image.

    Attributes:
        stain_matrix: Stain vectors, (2, 3) float64, rows H and E, columns optical density of R, G, B.
        concentration_p99: The percentile of the settings (99) of each concentration, (2,) float64.
        concentration_p99_tissue: The same over tissue pixels.
        tissue_fraction: Part of the pixels that is tissue, 0..1.
        black_fraction: Part left out as black (slide edge, black ink).
        ink_fraction: Part left out as green or blue ink.
        settings: How it was found, and how pixels become concentrations.
        method: ``spcn``, ``macenko`` or ``staintools``.
        preset: Name of the parameters, before changes.
        iterations: Alternations of dictionary learning.
        converged: Whether the last one changed less than the tolerance.
        fallback: What was taken from elsewhere because the image cannot tell it, and why; None: nothing.
        warnings: What deserves a look.
    """

    stain_matrix: Floats
    concentration_p99: Floats
    concentration_p99_tissue: Floats
    tissue_fraction: float
    settings: StainSettings
    black_fraction: float = 0.0
    ink_fraction: float = 0.0
    method: str = "spcn"
    preset: str = "recommended"
    iterations: int = 0
    converged: bool = True
    fallback: str | None = None
    warnings: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        for name in ("stain_matrix", "concentration_p99", "concentration_p99_tissue"):
            shape = (2, 3) if name == "stain_matrix" else (2,)
            object.__setattr__(self, name, _frozen(name, getattr(self, name), shape))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StainProfile) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash((self.method, self.preset, self.stain_matrix.tobytes(), self.concentration_p99.tobytes()))

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings by name."""
        return self.settings.model_dump()

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_json` gives an equal profile."""
        names = [item.name for item in fields(self) if item.name != "settings"]
        content = {name: _plain(getattr(self, name)) for name in names}
        return {"format": FORMAT, **content, "parameters": self.parameters}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> StainProfile:
        """Read what `as_json` wrote.

        Raises:
            StainError: If it is of another format, or something is missing or out of range.
        """
        method = checked_method(content, SETTINGS)
        try:
            settings = checked_settings(SETTINGS[method], content["parameters"])
            names = [item.name for item in fields(cls) if item.name not in ("settings", "warnings")]
            given = {name: content[name] for name in names}
            return cls(**given, settings=settings, warnings=tuple(content["warnings"]))
        except (KeyError, TypeError) as error:
            msg = f"stain profile: found no or an unknown {error}, expected what as_json writes; fit it again"
            raise StainError(msg) from error


@dataclass(frozen=True, eq=False, kw_only=True)
class ColourProfile:
    """Mean and spread of the tissue colours of one image, for Reinhard's method."""

    lab_mean: Floats  # mean CIE L*, a*, b* over tissue, (3,) float64
    lab_sd: Floats  # population standard deviation, (3,) float64
    tissue_fraction: float  # part of the pixels that is tissue, 0..1
    luminosity: float  # tissue has an 8-bit CIE L* / 255 below this
    max_gain: float | None = ReinhardSettings().max_gain  # largest factor on a spread; None: no limit
    method: str = "reinhard"  # ``reinhard``
    fallback: str | None = None  # as in `StainProfile`
    warnings: tuple[str, ...] = field(default=())  # as in `StainProfile`

    def __post_init__(self) -> None:
        for name in ("lab_mean", "lab_sd"):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), (3,), signed=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ColourProfile) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash((self.lab_mean.tobytes(), self.lab_sd.tobytes()))

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings by name."""
        return {"luminosity": self.luminosity, "max_gain": self.max_gain}

    def as_json(self) -> dict[str, Any]:
        """Plain numbers, strings and lists; `from_json` gives an equal profile."""
        return {"format": FORMAT, **{item.name: _plain(getattr(self, item.name)) for item in fields(self)}}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> ColourProfile:
        """Read what `as_json` wrote.

        Raises:
            StainError: If it is of another format, or something is missing.
        """
        checked_method(content, ("reinhard",))
        try:
            names = [item.name for item in fields(cls) if item.name != "max_gain"]  # younger than the format
            given = {name: content[name] for name in names}
        except KeyError as error:
            msg = f"stain profile: found no {error}, expected what as_json writes; fit it again"
            raise StainError(msg) from error
        limit = {"max_gain": content["max_gain"]} if "max_gain" in content else {}
        return cls(**{**given, **limit, "warnings": tuple(given["warnings"])})


def checked_settings(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Settings of a method; a value left out, or None where it must not be None, is the default.

    Raises:
        StainError: A name is unknown, or a value out of range.
    """
    given = {name: value for name, value in values.items() if value is not None or name in NULLABLE}
    if unknown := sorted(set(given) - set(kind.model_fields)):
        expected = f"some of {', '.join(sorted(kind.model_fields))}"
        msg = f"found the unknown parameter {', '.join(unknown)}, expected {expected}"
        raise StainError(msg)
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        msg = f"{name}: found {given.get(name)}; {first['msg']}"
        raise StainError(msg) from error


def checked_method(content: Mapping[str, Any], methods: Any) -> str:
    """The method of a profile in JSON form, if it is one of those."""
    found = content.get("format"), content.get("method")
    if found[0] != FORMAT or found[1] not in methods:
        expected = f"{FORMAT!r} and one of {', '.join(methods)}"
        msg = f"stain profile: found format and method {found}, expected {expected}; fit it again"
        raise StainError(msg)
    return str(found[1])


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    return list(value) if isinstance(value, tuple) else value


def _frozen(name: str, value: Any, shape: tuple[int, ...], *, signed: bool = False) -> Floats:
    array = np.array(value, np.float64)
    if array.shape != shape or not np.isfinite(array).all() or (not signed and (array < 0).any()):
        kind = "finite numbers" if signed else "finite numbers ≥ 0"
        msg = f"{name}: found {array.tolist()}, expected {kind} of shape {shape}"
        raise StainError(msg)
    array.setflags(write=False)
    return array
