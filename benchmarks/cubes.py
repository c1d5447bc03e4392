# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: calibration disk to disk, the first component, mutual information of the bands."""

from __future__ import annotations

import multiprocessing
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

SHAPE, QUICK_SHAPE = (60, 1024, 1024), (8, 128, 128)
BINS = 256
BUFFER = 2**18
"""Bytes."""
PERCENTILES = (0.1, 99.9)
KINDS = {"frames": None, "lines": 0}
"""How the references are kept: full frames, or lines averaged over the rows."""


def recorded(quick: bool, band: int) -> dict[str, np.ndarray]:
    """Raw, dark and blank counts of a 12-bit camera in one band."""
    import numpy as np

    bands, height, width = QUICK_SHAPE if quick else SHAPE
    rng = np.random.default_rng(band)
    light = np.float32(1500 + 30 * band)
    tissue = np.linspace(0.2, 1.0, height * width, dtype=np.float32).reshape(height, width)
    dark = rng.integers(90, 110, (height, width), dtype=np.uint16)
    raw = dark + (light * tissue ** np.float32(0.3 + band / bands)).astype(np.uint16)
    return {"raw": raw, "dark": dark, "blank": dark + np.uint16(light)}


def files(quick: bool, kind: str) -> tuple[Path, tempfile.TemporaryDirectory]:
    """A folder with the recording as ENVI files, and what keeps it alive.

    Another process writes them, so that the peak memory of this one is that of the calibration.
    """
    keep = tempfile.TemporaryDirectory()
    writer = multiprocessing.get_context("spawn").Process(target=write_files, args=(keep.name, quick, kind))
    writer.start()
    writer.join()
    if writer.exitcode:
        msg = f"writing the cubes failed with exit code {writer.exitcode}"
        raise RuntimeError(msg)
    return Path(keep.name), keep


def write_files(folder: str, quick: bool, kind: str) -> None:
    from microtome.io.envi import write_cube

    def stored(name: str, band: int) -> np.ndarray:
        array, axis = recorded(quick, band)[name], KINDS[kind]
        return array if name == "raw" or axis is None else array.mean(axis, keepdims=True).astype(array.dtype)

    bands = range((QUICK_SHAPE if quick else SHAPE)[0])
    waves = [550 + 7.5 * band for band in bands]
    for name in ("raw", "dark", "blank"):
        write_cube(Path(folder) / f"{name}.hdr", (stored(name, band) for band in bands), wavelengths=waves)


def error_of(folder: Path, kind: str, quick: bool) -> float:
    """Largest difference of the file written from double precision, in three bands."""
    import numpy as np

    from microtome.io.envi import open_cube

    found = open_cube(folder / "out.hdr")
    cubes = {name: open_cube(folder / f"{name}.hdr") for name in ("raw", "dark", "blank")}
    worst = 0.0
    for band in (0, found.bands // 2, found.bands - 1):
        raw, dark, blank = (cube.read_band(band).astype(float) for cube in cubes.values())
        truth = np.clip((raw - dark) / (blank - dark), 0, 1.5)
        worst = max(worst, float(np.abs(found.read_band(band) - truth).max()))
    return worst


def ours_calibrated(quick: bool, *, kind: str) -> Prepared:
    from microtome.cubes.calibration import calibrate_files

    folder, keep = files(quick, kind)
    names = [folder / f"{name}.hdr" for name in ("raw", "dark", "blank", "out")]
    return Prepared(lambda: (calibrate_files(*names), keep), lambda _: error_of(folder, kind, quick))


def spectral_calibrated(quick: bool, *, kind: str) -> Prepared:
    """Spectral Python loads and saves, NumPy divides: as its users calibrate."""
    import numpy as np
    from spectral.io import envi

    folder, keep = files(quick, kind)

    def run() -> Any:
        raw, dark, blank = (
            np.asarray(envi.open(folder / f"{name}.hdr", folder / f"{name}.img").load())
            for name in ("raw", "dark", "blank")
        )
        found = np.clip((raw - dark) / (blank - dark), 0, 1.5).astype(np.float32)
        envi.save_image(str(folder / "out.hdr"), found, interleave="bsq", ext="img", force=True)
        return keep

    return Prepared(run, lambda _: error_of(folder, kind, quick))


def copied(quick: bool, *, kind: str) -> Prepared:
    """A plain read of the same files and a write of as many bytes."""
    import numpy as np

    folder, keep = files(quick, kind)

    def run() -> Any:
        for name in ("dark", "blank"):
            np.fromfile(folder / f"{name}.img", np.uint16)
        counts = np.fromfile(folder / "raw.img", np.uint16)
        np.empty(counts.size, np.float32).tofile(folder / "out.img")
        return keep

    return Prepared(run)


def copied_by_blocks(quick: bool, *, kind: str) -> Prepared:
    """A read of the same files and a write of as many bytes, all through one buffer.

    Fresh memory costs a page fault for each of its pages, on some machines more than the copy itself: this
    is what the files cost alone.
    """
    folder, keep = files(quick, kind)
    buffer = memoryview(bytearray(BUFFER))

    def run() -> Any:
        for name in ("dark", "blank"):
            with (folder / f"{name}.img").open("rb", buffering=0) as file:
                while file.readinto(buffer):
                    pass
        with (
            (folder / "raw.img").open("rb", buffering=0) as source,
            (folder / "out.img").open("wb", buffering=0) as target,
        ):
            while count := source.readinto(buffer):
                for _ in range(2):  # float32 for uint16
                    target.write(buffer[:count])
        return keep

    return Prepared(run)


def transmittance(quick: bool) -> np.ndarray:
    """A calibrated cube (bands, H, W) float32, as tissue gives it: few sources and noise."""
    import numpy as np

    bands, height, width = QUICK_SHAPE if quick else SHAPE
    rng = np.random.default_rng(0)
    sources = rng.gamma(2.0, 0.2, (3, height * width)).astype(np.float32)
    mixing = rng.random((bands, 3), np.float32)
    cube = np.exp(-mixing @ sources)
    cube += rng.normal(0, 0.01, cube.shape).astype(np.float32)
    return cube.reshape(bands, height, width)


def ours_component(quick: bool) -> Prepared:
    from microtome.cubes.band_selection import principal_component

    cube = transmittance(quick)
    return Prepared(lambda: principal_component(cube).loading, partial(apart, cube), warm=True)


def spectral_component(quick: bool) -> Prepared:
    import numpy as np
    import spectral

    cube = transmittance(quick)
    image = np.ascontiguousarray(np.moveaxis(cube, 0, -1))
    run = partial(spectral.principal_components, image)
    return Prepared(lambda: run().eigenvectors[:, 0], partial(apart, cube), warm=True)


def stored(quick: bool) -> tuple[Path, tempfile.TemporaryDirectory]:
    """A calibrated cube on disk as the pipeline writes it (BSQ float32), and what keeps it alive."""
    from microtome.io.envi import write_cube

    keep = tempfile.TemporaryDirectory()
    cube = transmittance(quick)
    write_cube(
        Path(keep.name) / "cube.hdr", iter(cube), wavelengths=[550 + 7.5 * b for b in range(len(cube))]
    )
    return Path(keep.name) / "cube", keep


def ours_component_from_disk(quick: bool) -> Prepared:
    from microtome.cubes.band_selection import principal_component
    from microtome.io.envi import open_cube

    path, keep = stored(quick)
    run = partial(open_cube, path.with_suffix(".hdr"))
    check = partial(apart, run().read())
    return Prepared(lambda: (principal_component(run().read()).loading, keep)[0], check, warm=True)


def spectral_component_from_disk(quick: bool) -> Prepared:
    """As the manual of Spectral Python shows it: the opened file, not loaded."""
    import spectral
    from spectral.io import envi

    from microtome.io.envi import open_cube

    path, keep = stored(quick)
    check = partial(apart, open_cube(path.with_suffix(".hdr")).read())

    def run() -> Any:
        image = envi.open(path.with_suffix(".hdr"), path.with_suffix(".img"))
        return (spectral.principal_components(image).eigenvectors[:, 0], keep)[0]

    return Prepared(run, check, warm=True)


def apart(cube: np.ndarray, loading: np.ndarray) -> float:
    """1 - |cos| between a loading and that of the covariance in double precision."""
    import numpy as np

    spectra = cube.reshape(len(cube), -1).astype(np.float64)
    spectra -= spectra.mean(1, keepdims=True)
    truth = np.linalg.eigh(spectra @ spectra.T)[1][:, -1]
    return float(1 - abs(truth @ np.real(loading)))


def ours_information(quick: bool) -> Prepared:
    from microtome.cubes.band_selection import mutual_information, principal_component

    cube = transmittance(quick)
    reference = principal_component(cube).score
    return Prepared(lambda: mutual_information(cube, reference, BINS), partial(differs, cube, reference))


def sklearn_information(quick: bool) -> Prepared:
    from microtome.cubes.band_selection import principal_component

    cube = transmittance(quick)
    reference = principal_component(cube).score
    return Prepared(lambda: their_information(cube, reference), partial(differs, cube, reference))


def their_information(cube: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """NumPy's percentiles and digitize, then scikit-learn."""
    import numpy as np
    from sklearn.metrics import mutual_info_score

    def codes(image: np.ndarray) -> np.ndarray:
        flat = image.ravel()
        low, high = np.percentile(flat, PERCENTILES, method="nearest")
        return np.digitize(flat, np.linspace(low, high, BINS + 1)[1:-1])

    other = codes(reference)
    return np.array([mutual_info_score(codes(band), other) for band in cube])


def differs(cube: np.ndarray, reference: np.ndarray, found: np.ndarray) -> float:
    """Largest difference from scikit-learn on the same bin numbers, in three bands."""
    from sklearn.metrics import mutual_info_score

    from microtome.cubes.band_selection import quantize

    other, some = quantize(reference, BINS), (0, len(cube) // 2, len(cube) - 1)
    return max(abs(mutual_info_score(quantize(cube[band], BINS), other) - found[band]) for band in some)


def _variants() -> dict[str, Callable[[bool], Prepared]]:
    found: dict[str, Callable[[bool], Prepared]] = {}
    for kind in KINDS:
        found[f"microtome {kind}"] = partial(ours_calibrated, kind=kind)
        found[f"spectral {kind}"] = partial(spectral_calibrated, kind=kind)
        found[f"copy {kind}"] = partial(copied, kind=kind)
        found[f"buffered copy {kind}"] = partial(copied_by_blocks, kind=kind)
    return found | {
        "component": ours_component,
        "spectral component": spectral_component,
        "component from disk": ours_component_from_disk,
        "spectral component from disk": spectral_component_from_disk,
        "information": ours_information,
        "scikit-learn information": sklearn_information,
    }


def bytes_moved(kind: str) -> float:
    """Bytes of the recording and its references (uint16), and of what is written (float32)."""
    bands, height, width = SHAPE
    reference = width if kind == "lines" else height * width
    return bands * (2 * height * width + 4 * reference + 4 * height * width)


def _comparisons() -> list[Comparison]:
    found = []
    for kind in KINDS:
        ours, bytes_of_bands = f"microtome {kind}", 4 * 4 * SHAPE[1] * SHAPE[2] / 1e6
        found += [
            Comparison(
                f"calibration, references as {kind}, over Spectral Python", ours, f"spectral {kind}", 10
            ),
            Comparison(f"calibration, {kind}, over a plain read and write", ours, f"copy {kind}", 0.8),
            Comparison(
                f"calibration, {kind}, over the same through one buffer", ours, f"buffered copy {kind}", 0.8
            ),
            Comparison(f"calibration, {kind}, four bands of memory", ours, bytes_of_bands, 1.0, "peak_mb"),
        ]
    return [
        *found,
        Comparison(
            "first component from disk, over Spectral Python",
            "component from disk",
            "spectral component from disk",
            10,
        ),
        Comparison("first component in memory", "component", "spectral component", None),
        Comparison("first component: 1 - |cos| within 1e-9", "component", 1e-9, 1.0, "error"),
        Comparison("mutual information, over scikit-learn", "information", "scikit-learn information", 10),
        Comparison("mutual information: equal within 1e-9", "information", 1e-9, 1.0, "error"),
    ]


CASE = Case(
    name="cubes",
    title="60 bands of 1024², uint16: calibration disk to disk, first component, mutual information",
    variants=_variants(),
    needs={
        **{f"spectral {kind}": "spectral" for kind in KINDS},
        "spectral component": "spectral",
        "spectral component from disk": "spectral",
        "scikit-learn information": "sklearn",
        "information": "sklearn",
    },
    comparisons=_comparisons(),
    moved={f"microtome {kind}": bytes_moved(kind) for kind in KINDS},
    note="files stay in the page cache; error: largest difference from double precision",
)
