# SPDX-License-Identifier: MIT
"""Hyperspectral cubes: their columns and headers, and the bands of them that a run sees."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from importlib.util import find_spec
from math import isclose
from pathlib import Path
from typing import TYPE_CHECKING, Any

from microtome.faults import Fault
from microtome.io.errors import CubeError
from microtome.study.headers import PICTURES, Size, look, missing, named_twice, reason
from microtome.study.modalities import Taken

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
BLANKS = dict.fromkeys(("white", "flat"), "blank")
REFERENCE = re.compile(
    r"(?:(?P<before>.+?)[ _.-]+)?(?P<kind>blank[_-]dark|bias|dark|blank|white|flat)"
    r"(?:[ _-]?ref(?:erence)?)?(?:[ _.-]+(?P<after>.+))?"
)
"""Names of references, in lower case."""
RAW = re.compile(r"[ _.-]+raw$")
EXPECTED = {
    "blank": "NAME_blank.hdr beside NAME.hdr, or one blank.hdr for all (and NAME_dark.hdr or dark.hdr)",
    "picture": "NAME.png (or TIFF, JPEG) beside NAME.hdr, registered, as in the run's training",
}
"""What stands beside cubes."""
SHOWN = 5
"""Names listed in a message."""
RGB = 3
FLOAT32 = 4


def samples_are(study: Study) -> str | None:
    """What the report calls the samples."""
    return "cubes" if study.cubes is not None else None


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
    yield from named_twice(samples, "cube", sheet)


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


def take_files(
    files: Sequence[Path], study: Study | None, runs: Sequence[Run], *, is_rendered: bool
) -> Taken:
    """The cubes of a folder with their references, told by names: see `references_of`.

    A picture of a cube's name is its picture; without one, it is rendered, where those of the study are.
    Where runs see bands, cubes may also be TIFF or MATLAB files, and other pictures are left out.
    """
    views = {run.view for run in runs}
    takes_pictures = not views & FOLDERS.keys()
    if study is None or study.cubes is None or (takes_pictures and not is_rendered):
        return Taken()
    headers = [file for file in files if is_envi(file.name)]
    others = [] if takes_pictures else [file for file in files if file.suffix.lower() in (*TIFFS, MATLAB)]
    found = references_of(headers or others)
    pictures = {file.stem: file for file in files if file.suffix.lower() in PICTURES} if headers else {}
    of_cube = {cube: pictures.get(cube.stem) or pictures.get(RAW.sub("", cube.stem)) for cube in found}
    faults = []
    if not study.cubes.calibrated and (views - {"raw"}):
        faults += _lacking(found, "blank", [cube for cube, more in found.items() if "blank" not in more])
    if "image" in views and not is_rendered:
        faults += _lacking(found, "picture", [cube for cube, picture in of_cube.items() if picture is None])
    faults += _shared(of_cube)
    samples = {
        of_cube[cube] or cube: {"cube": cube.as_posix(), **_texts(more)} for cube, more in found.items()
    }
    referred = {path for more in found.values() for path in more.values()}
    belonging = {file for path in (*found, *referred) for file in (path, *data_files(path))}
    damaged = {cube.name: wrong for cube in found if (wrong := _damage(cube))}
    wanted = "" if takes_pictures else "cubes (ENVI with dark and blank references, TIFF or MATLAB)"
    return Taken(samples, belonging, takes_pictures, faults, damaged, wanted)


def references_of(cubes: Sequence[Path]) -> dict[Path, dict[str, Path]]:
    """Tell cubes and their references apart by their names.

    `scene_dark`, `dark_scene`, `DARKREF_scene` are the dark reference of `scene` or `scene_raw`, a file
    called `dark` that of all scenes without one of their own; `blank`, `white` and `flat` are blanks, and
    `blank_dark` and `bias` are found likewise.

    Example:
        >>> found = references_of([Path(f"{name}.hdr") for name in ("a_raw", "a_dark", "b", "blank")])
        >>> {path.stem: {kind: file.stem for kind, file in more.items()} for path, more in found.items()}
        {'a_raw': {'dark': 'a_dark', 'blank': 'blank'}, 'b': {'blank': 'blank'}}
    """
    named = {path: match for path in cubes if (match := REFERENCE.fullmatch(path.stem.lower()))}
    keys = {path: RAW.sub("", path.stem.lower()) for path in cubes}
    scenes = {keys[path] for path in cubes if path not in named}
    known: dict[tuple[str, str], Path] = {}
    for path, match in named.items():
        key = match["before"] or match["after"] or ""
        if not key or key in scenes:
            kind = match["kind"].replace("-", "_")
            known[BLANKS.get(kind, kind), key] = path
    found = {}
    for path in (path for path in cubes if path not in known.values()):
        own = {kind: known.get((kind, keys[path])) or known.get((kind, "")) for kind in REFERENCES}
        found[path] = {kind: reference for kind, reference in own.items() if reference}
    return found


def _texts(paths: Mapping[str, Path]) -> dict[str, str]:
    return {name: path.as_posix() for name, path in paths.items()}


def _lacking(found: Mapping[Path, Any], what: str, cubes: Sequence[Path]) -> Iterator[Fault]:
    """The fault of cubes without their blank or their picture."""
    if cubes:
        names = [path.name for path in cubes]
        more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
        text = f"no {what} of {', '.join(names[:SHOWN])}{more}"
        yield Fault("--config images", text, f"for each of the {len(found)} cubes {EXPECTED[what]}")


def _shared(of_cube: Mapping[Path, Path | None]) -> Iterator[Fault]:
    """The fault of cubes that have one picture, such as `a.hdr` and `a_raw.hdr`."""
    for picture in dict.fromkeys(filter(None, of_cube.values())):
        cubes = [cube.name for cube, own in of_cube.items() if own == picture]
        if len(cubes) > 1:
            yield Fault(
                "--config images", f"'{picture.name}' beside {', '.join(cubes)}", "one cube of its name"
            )


def _damage(path: Path) -> str:
    """What is wrong with the header of a cube; nothing of files that have none."""
    from microtome.io.envi_header import read_header

    try:
        if is_envi(path.name):
            read_header(path)
    except (CubeError, OSError) as error:
        return str(error)
    return ""


def applied(plan: StudyPlan, run: str, seed: int) -> bool:
    """Whether a run, or a member of it, sees bands."""
    return any(plan.study.runs[member].view in FOLDERS for member, _ in plan.trained(run, seed))


def rendered(plan: StudyPlan, batch: str) -> list[str]:
    """The samples of a batch whose picture is rendered from their cube."""
    return [name for name in plan.batches[batch] if is_envi(plan.samples[name].image)]


def is_rendered(plan: StudyPlan) -> bool:
    """Whether the pictures of a study are rendered from its cubes."""
    return any(is_envi(sample.image) for sample in plan.samples.values())


def pictures(plan: StudyPlan, batch: str) -> str | None:
    """The folder of the pictures that are rendered from the cubes of a batch."""
    return f"cubes/{batch}" if rendered(plan, batch) else None


def scored(plan: StudyPlan, split: str) -> list[str]:
    """The samples by which bands are chosen: those of training; all, where nothing is trained."""
    return plan.members(split, "train") if plan.study.runs else list(plan.samples)


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
