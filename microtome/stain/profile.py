# SPDX-License-Identifier: MIT
"""What is known about the colours of an image: settings, stain vectors, scales; as an object and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType
from typing import Any, ClassVar, Literal, Self

import numpy as np
import numpy.typing as npt

from microtome.stain.colours import StainError

FORMAT = "microtome stain profile 1"
FLOOR_DENSITY = 1e-6  # smallest optical density of StainTools
STAIN_NAMES = ("H", "E")

Density = Literal["log1p", "floor"]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class StainSettings:
    """How pixels become concentrations and back, whatever the method that finds the stain vectors.

    Attributes:
        encode_lambda: λ of the codes of all pixels; 0: non-negative least squares.
        luminosity: Tissue has an 8-bit CIE L* / 255 below this, 0 to 1.
        density: Optical density, ``log1p``: ln 255 − ln(I + 1), ``floor``: max(−ln(max(I, 1) / 255), 1e-6).
        order: H is the vector with less ``green`` or with more ``red`` density.
        rounding: ``round`` or ``truncate`` the result.
        percentile: Percentile of the concentrations that is matched, above 0 to 100.
        percentile_over: ``all`` pixels (but black and ink, where excluded) or ``tissue``.
        max_gain: Largest factor, and its inverse the smallest, on a concentration; None: no limit.
        exclude_black: Whether black pixels (slide edge, black ink) are no tissue.
        exclude_ink: Whether green and blue ink is no tissue.
    """

    encode_lambda: float = 0.02
    luminosity: float = 0.9
    density: Density = "log1p"
    order: Literal["green", "red"] = "green"
    rounding: Literal["round", "truncate"] = "round"
    percentile: float = 99.0
    percentile_over: Literal["all", "tissue"] = "all"
    max_gain: float | None = 4.0
    exclude_black: bool = True
    exclude_ink: bool = True

    allowed: ClassVar[Mapping[str, tuple[str, ...]]] = MappingProxyType(
        {
            "density": ("log1p", "floor"),
            "order": ("green", "red"),
            "rounding": ("round", "truncate"),
            "percentile_over": ("all", "tissue"),
        }
    )

    def __post_init__(self) -> None:
        for name, values in self.allowed.items():
            if getattr(self, name) not in values:
                _refuse(name, getattr(self, name), f"one of {', '.join(values)}")
        _check_range("encode_lambda", self.encode_lambda, 0, 1)
        _check_range("luminosity", self.luminosity, 0, 1, open_start=True)
        _check_range("percentile", self.percentile, 0, 100, open_start=True)
        if self.max_gain is not None:
            _check_range("max_gain", self.max_gain, 1, np.inf)

    @classmethod
    def changed(cls, base: Self, changes: Mapping[str, Any]) -> Self:
        """Settings with some values replaced; None keeps a value that must not be None.

        Raises:
            StainError: If a name is unknown or a value out of range.
        """
        optional = {item.name for item in fields(base) if "None" in str(item.type)}
        known = {item.name for item in fields(base)}
        if unknown := sorted(set(changes) - known):
            expected = f"some of {', '.join(sorted(known))}"
            msg = f"found the unknown parameter {', '.join(unknown)}, expected {expected}"
            raise StainError(msg)
        kept = {name: value for name, value in changes.items() if value is not None or name in optional}
        return type(base)(**{**asdict(base), **kept})


@dataclass(frozen=True, kw_only=True)
class SpcnSettings(StainSettings):
    """Settings of structure-preserving colour normalization.

    Attributes:
        train_lambda: λ of dictionary learning.
        unit_rows: Whether stain vectors are scaled to length 1 (otherwise their length is at most 1).
        max_iterations: Alternations of codes and stain vectors at most.
        tolerance: Stop when no component of the stain vectors changes by more.
        subsample: Pixels to learn from, drawn evenly over the sorted colours; an image with fewer distinct
            tissue colours is used whole. None: always all.
        seed: Of that draw.
    """

    train_lambda: float = 0.02
    unit_rows: bool = True
    max_iterations: int = 200
    tolerance: float = 1e-6
    subsample: int | None = 100_000
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("train_lambda", self.train_lambda, 0, 1)
        _check_range("max_iterations", self.max_iterations, 1, np.inf)
        _check_range("tolerance", self.tolerance, 0, 1)
        if self.subsample is not None:
            _check_range("subsample", self.subsample, 1, np.inf)


@dataclass(frozen=True, kw_only=True)
class MacenkoSettings(StainSettings):
    """Settings of Macenko's method: codes without penalty, tissue by optical density.

    Attributes:
        beta: Pixels with a mean optical density of the channels below this are left out.
        alpha: Percentile of the angles that is taken as a stain, and 100 minus it as the other.
    """

    encode_lambda: float = 0.0
    luminosity: float = 1.0
    beta: float = 0.15
    alpha: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("beta", self.beta, 0, np.log(255))
        _check_range("alpha", self.alpha, 0, 50)


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
        for name, shape in (
            ("stain_matrix", (2, 3)),
            ("concentration_p99", (2,)),
            ("concentration_p99_tissue", (2,)),
        ):
            object.__setattr__(self, name, _frozen(name, getattr(self, name), shape))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StainProfile) and self.as_json() == other.as_json()

    def __hash__(self) -> int:
        return hash((self.method, self.preset, self.stain_matrix.tobytes(), self.concentration_p99.tobytes()))

    @property
    def parameters(self) -> dict[str, Any]:
        """The settings by name."""
        return asdict(self.settings)

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
            settings = SETTINGS[method](**content["parameters"])
            names = [item.name for item in fields(cls) if item.name not in ("settings", "warnings")]
            given = {name: content[name] for name in names}
            return cls(**given, settings=settings, warnings=tuple(content["warnings"]))
        except (KeyError, TypeError) as error:
            msg = f"stain profile: found no or an unknown {error}, expected what as_json writes; fit it again"
            raise StainError(msg) from error


@dataclass(frozen=True, eq=False, kw_only=True)
class ColourProfile:
    """Mean and spread of the tissue colours of one image, for Reinhard's method.

    Attributes:
        lab_mean: Mean CIE L*, a*, b* over tissue, (3,) float64.
        lab_sd: Population standard deviation, (3,) float64.
        tissue_fraction: Part of the pixels that is tissue, 0..1.
        luminosity: Tissue has an 8-bit CIE L* / 255 below this.
        method: ``reinhard``.
        fallback: As in `StainProfile`.
        warnings: As in `StainProfile`.
    """

    lab_mean: Floats
    lab_sd: Floats
    tissue_fraction: float
    luminosity: float
    method: str = "reinhard"
    fallback: str | None = None
    warnings: tuple[str, ...] = field(default=())

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
        return {"luminosity": self.luminosity}

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
            given = {item.name: content[item.name] for item in fields(cls)}
        except KeyError as error:
            msg = f"stain profile: found no {error}, expected what as_json writes; fit it again"
            raise StainError(msg) from error
        return cls(**{**given, "warnings": tuple(given["warnings"])})


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
        _refuse(name, array.tolist(), f"{kind} of shape {shape}")
    array.setflags(write=False)
    return array


def _check_range(name: str, value: float, low: float, high: float, *, open_start: bool = False) -> None:
    if not (low < value if open_start else low <= value) or not value <= high:
        _refuse(name, value, f"{'more than ' if open_start else ''}{low:g} to {high:g}")


def _refuse(name: str, found: object, expected: str) -> None:
    msg = f"{name}: found {found}, expected {expected}"
    raise StainError(msg)
