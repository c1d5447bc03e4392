# SPDX-License-Identifier: MIT
"""Small cubes in every layout, and recordings with known transmittance."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

CODES = {"uint8": 1, "int16": 2, "int32": 3, "float32": 4, "float64": 5, "uint16": 12, "uint32": 13}
AXES = {"bsq": (0, 1, 2), "bil": (1, 0, 2), "bip": (1, 2, 0)}


def write_envi(path, cube, *, interleave="bsq", order="<", offset=0, drop=(), ending=".raw", **fields):
    """Write a cube (bands, H, W) in a layout, by hand; fields are added or replaced, some left out."""
    stored = np.transpose(cube, AXES[interleave]).astype(cube.dtype.newbyteorder(order))
    path.with_suffix(ending).write_bytes(b"\1" * offset + stored.tobytes())
    header = {
        "samples": cube.shape[2],
        "lines": cube.shape[1],
        "bands": cube.shape[0],
        "header offset": offset,
        "data type": CODES[cube.dtype.name],
        "interleave": interleave,
        "byte order": int(order == ">"),
    } | {name.replace("_", " "): value for name, value in fields.items()}
    lines = [f"{name} = {value}" for name, value in header.items() if name not in drop]
    path.write_text("\n".join(["ENVI", "; a comment = ignored", *lines, ""]), encoding="utf-8")
    return path


def braces(values):
    return "{" + ",\n ".join(f"{value:g}" for value in values) + "}"


@dataclass(frozen=True)
class Recording:
    """A simulated recording and its truth."""

    truth: np.ndarray
    raw: np.ndarray
    dark: np.ndarray
    blank: np.ndarray
    wavelengths: tuple[float, ...]


def record(bands=6, height=20, width=24, seed=0, noise=0.0, first=550.0, step=7.5):
    """Counts of a 12-bit camera through a specimen of known transmittance."""
    rng = np.random.default_rng(seed)
    truth = rng.uniform(0.05, 1.0, (bands, height, width))
    dark = rng.uniform(90, 110, (bands, height, width))
    lamp = rng.uniform(1500, 3200, (bands, 1, 1)) * rng.uniform(0.9, 1.1, (1, height, width))
    raw = dark + lamp * truth + rng.normal(0, noise, truth.shape)
    waves = tuple(first + step * band for band in range(bands))
    counts = [np.rint(array).clip(0, 4095).astype(np.uint16) for array in (raw, dark, dark + lamp)]
    return Recording(truth, *counts, waves)


def write_recording(folder: Path, name: str, recording: Recording):
    """Write raw, dark and blank as ENVI; their names."""
    folder.mkdir(parents=True, exist_ok=True)
    waves = {"wavelength": braces(recording.wavelengths), "wavelength_units": "nm"}
    paths = {}
    for kind in ("raw", "dark", "blank"):
        paths[kind] = write_envi(folder / f"{name}_{kind}.hdr", getattr(recording, kind), **waves)
    return paths
