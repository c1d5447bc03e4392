# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: their columns and headers, and the bands of them that a run sees."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault
from microtome.io.errors import CubeError
from microtome.study.headers import Size, look, missing, reason

if TYPE_CHECKING:
    from microtome.config.modalities.cubes import Cubes
    from microtome.config.run import Run
    from microtome.config.study import Data, Study
    from microtome.io.envi_header import Header
    from microtome.study.plan import StudyPlan
    from microtome.study.sample import Sample

REFERENCES = ("dark", "blank", "blank_dark", "bias")
COLUMNS = {"cube": Path} | dict.fromkeys(REFERENCES, Path)
"""Headers of the raw cube and of its references: dark (the shutter closed), blank (no section), dark at the
exposure of the blank, and bias (the shutter closed, the shortest exposure)."""
SUFFIXES = frozenset({".hdr"})
TIFFS = frozenset({".tif", ".tiff"})
MATLAB = ".mat"
FOLDERS = {"bands": "images", "raw": "raw"}
RGB = 3
FLOAT32 = 4


def fill_cells(cells: Mapping[str, str]) -> Mapping[str, str]:
    """A cube that stands in column `image` is the sample's cube."""
    alone = is_envi(cells.get("image", "")) and not cells.get("cube")
    return {**cells, "cube": cells["image"]} if alone else cells


def look_at_image(path: str, where: str, data: Data) -> Generator[Fault, None, Size | None]:
    """The size of a cube that a colour picture is made from."""
    if data.channels != RGB:
        expected = f"a picture of {data.channels} channels, or data.channels 3: what is rendered is RGB"
        yield Fault(where, f"'{path}', a cube", expected)
    return (yield from _look(path, where))


def check_files(sample: Sample, where: str, image: Size | None) -> Iterator[Fault]:
    """The cube against its picture, the references against the cube."""
    path = sample.more.get("cube")
    cube = image if is_envi(sample.image) else None
    if path and path != sample.image:
        cube = yield from _look(path, f"{where} cube")
        if cube and image and (cube.height, cube.width) != (image.height, image.width):
            found = f"a cube of {cube.height} x {cube.width} pixels ('{path}')"
            expected = f"{image.height} x {image.width}, the size of its image"
            yield Fault(f"{where} cube", found, f"{expected}; {_remedy(cube, image)}")
    for name in REFERENCES:
        yield from _check_reference(sample, name, f"{where} {name}", cube)


def _check_reference(sample: Sample, name: str, where: str, cube: Size | None) -> Iterator[Fault]:
    path = sample.more.get(name)
    if path and not sample.more.get("cube"):
        yield Fault(where, f"'{path}' without a cube", "the cube in column 'cube', or nothing")
    elif path:
        reference = yield from _look(path, where)
        if cube and reference and not _fits(reference, cube):
            found = f"{_shape(reference)} in '{path}'"
            expected = f"{_shape(cube)} as in its cube, or a line, or one pixel, of as many bands"
            yield Fault(where, found, f"{expected}; name the reference of this recording")


def check_samples(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """Cubes in a study that takes pictures, and pictures without a cube in one that takes cubes."""
    expected = "a picture, or the section `cubes` in the study file"
    needed = "the path of the cube, as the study has the section `cubes`"
    for s in samples:
        if study.cubes is None and is_envi(s.image):
            yield Fault(f"{sheet}:{s.row} image", f"'{s.image}', a cube", expected)
        elif study.cubes is not None and not s.more.get("cube"):
            yield Fault(f"{sheet}:{s.row} cube", "nothing", needed)


def check_headers(study: Study, samples: Sequence[Sample], sheet: Path) -> Iterator[Fault]:
    """What ENVI headers say of scales, bands and exposures, against the study and one another."""
    first = None
    for sample in samples if study.cubes else ():
        files = {name: sample.more.get(name) for name in COLUMNS}
        headers = {name: _header(path) for name, path in files.items() if path}
        if cube := headers.get("cube"):
            first = first or cube
            where = f"{sheet}:{sample.row}"
            yield from _check_bands(study.cubes, cube, first, f"{where} cube")
            if not study.cubes.calibrated:
                yield from _check_exposures(study.cubes, files, headers, where)


def _check_bands(options: Cubes, cube: Header, first: Header, where: str) -> Iterator[Fault]:
    good, others = (header.bands - len(header.bad_bands) for header in (cube, first))
    found = (
        f"{good} bands{' that are not marked bad (bbl)' * bool(cube.bad_bands)} in '{cube.path.as_posix()}'"
    )
    if good != others:
        yield Fault(where, found, f"{others}, as in '{first.path.as_posix()}'; leave out the same in all")
    elif good < options.bands.width:
        yield Fault(where, found, f"at least {options.bands.width}, as cubes.bands.width says")
    if options.calibrated and options.scale and cube.scale and not isclose(options.scale, cube.scale):
        found = f"reflectance scale factor = {cube.scale:g} in '{cube.path.as_posix()}'"
        expected = f"{options.scale:g}, as cubes.scale says; leave cubes.scale out, or correct the header"
        yield Fault(where, found, expected)


def _check_exposures(
    options: Cubes, files: Mapping[str, str | None], headers: Mapping[str, Header | None], where: str
) -> Iterator[Fault]:
    """References of another exposure than the cube's: scaled where this is asked for and frames suffice."""
    own = headers["cube"].exposure
    known = {name: header.exposure for name, header in headers.items() if header and header.exposure}
    others = [
        name for name in ("dark", "blank") if own and not isclose(known.get(name, own), own, rel_tol=1e-3)
    ]
    for name in others:
        found = f"exposure {known[name]:g} in '{files[name]}', and {own:g} in its cube"
        expected = "the same; name the reference of this recording, or set cubes.scale_exposure: true"
        if options.scale_exposure:
            if files.get("bias") or (name == "blank" and files.get("blank_dark")):
                continue
            expected = "a dark frame of each exposure: name one in the column `blank_dark`, or the `bias`"
        yield Fault(f"{where} {name}", found, expected)


def _header(path: str) -> Header | None:
    """A sound ENVI header; None of other files, and of unsound ones, which are faults by themselves."""
    from microtome.io.envi_header import read_header

    try:
        return read_header(Path(path)) if is_envi(path) else None
    except (CubeError, OSError):
        return None


def seen(_: StudyPlan, split: str, run: Run) -> str | None:
    """The folder of the bands that a run sees, calibrated or raw."""
    return f"bands/{split}/{FOLDERS[run.view]}/{{batch}}" if run.view in FOLDERS else None


def pixel_bytes(study: Study, run: Run) -> int | None:
    """The chosen bands are float32."""
    return FLOAT32 * study.cubes.bands.width if study.cubes and run.view in FOLDERS else None


def training(study: Study, run: Run) -> dict[str, Any]:
    """The view, which enters the run's card."""
    return {"view": run.view} if study.cubes else {}


def rendered(plan: StudyPlan, batch: str) -> list[str]:
    """The samples of a batch whose picture is rendered from their cube."""
    return [name for name in plan.batches[batch] if is_envi(plan.samples[name].image)]


def pictures(plan: StudyPlan, batch: str) -> str | None:
    """The folder of the pictures that are rendered from the cubes of a batch."""
    return f"cubes/{batch}" if rendered(plan, batch) else None


def scored(plan: StudyPlan, split: str) -> list[str]:
    """The samples by which bands are chosen: those of training; all, where nothing is trained."""
    nothing_trained = plan.study.split.kind == "none"
    return list(plan.samples) if nothing_trained else plan.members(split, "train")


def raw_cubes(plan: StudyPlan) -> dict[str, str]:
    """The raw cube of each sample of the evaluated parts, where cubes are calibrated."""
    if plan.study.cubes.calibrated:
        return {}
    parts = plan.study.evaluate.parts
    shown = {m for split in plan.splits for part in parts for m in plan.members(split, part)}
    cubes = {name: sample.more.get("cube") for name, sample in plan.samples.items() if name in shown}
    return {name: (plan.root / cube).as_posix() for name, cube in cubes.items() if cube}


def is_envi(path: str) -> bool:
    """Whether a path is that of a cube's header.

    Example:
        >>> is_envi("scene.HDR"), is_envi("scene.tif")
        (True, False)
    """
    return Path(path).suffix.lower() in SUFFIXES


def data_files(path: Path) -> list[Path]:
    """The data file of a cube whose header this is; none of other files, or where the header is unsound."""
    if not is_envi(path.name) or not path.is_file():
        return []
    from microtome.io.envi_header import read_header

    try:
        return [read_header(path).data]
    except CubeError:
        return []


def _remedy(cube: Size, image: Size) -> str:
    """What to do about a cube of another size than its picture."""
    axes = sorted((cube.channels, cube.height, cube.width))
    turned = any(sorted((other, image.height, image.width)) == axes for other in axes)
    if not turned:
        return "register the two pictures first"
    order = "bands, rows, columns in TIFF, rows x columns x bands in MATLAB"
    return f"its axes seem to be turned ({cube.channels} bands): save it as {order}"


def _fits(reference: Size, cube: Size) -> bool:
    sides = ((reference.height, cube.height), (reference.width, cube.width))
    return reference.channels == cube.channels and all(side in (1, of) for side, of in sides)


def _shape(cube: Size) -> str:
    return f"{cube.channels} bands of {cube.height} x {cube.width} pixels"


def _look(path: str, where: str) -> Generator[Fault, None, Size | None]:
    """The size of a cube, None if it cannot be had."""
    if absent := missing(Path(path), where, "a cube"):
        yield absent
        return None
    if Path(path).suffix.lower() in TIFFS:
        found = yield from look(path, where, 0)
        return found and Size(found.height, found.width, found.pages * found.channels)
    try:
        return _size(Path(path))
    except CubeError as error:
        wrong = f"{error.found} ('{error.path.as_posix()}')"
        yield Fault(where, wrong, f"{error.expected}; {error.remedy}")
    except OSError as error:
        wrong = f"'{path}', which cannot be read ({reason(error, path)})"
        yield Fault(where, wrong, "a header that can be read; copy the file again")
    return None


def _size(path: Path) -> Size | None:
    """The size in an ENVI header, or in a MATLAB file where SciPy is at hand to read it."""
    from microtome.io import matlab
    from microtome.io.envi_header import read_header

    if path.suffix.lower() != MATLAB:
        found = read_header(path)
        return Size(found.height, found.width, found.bands)
    if find_spec("scipy") is None:
        return None
    bands, height, width = matlab.shape_of(path)
    return Size(height, width, bands)
