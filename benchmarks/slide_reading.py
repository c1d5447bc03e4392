# SPDX-License-Identifier: MIT
"""Windows of a slide at half its resolution, in bands on one lattice, against one read of OpenSlide each.

The slide is tissue of the phantom over a pyramid by fours, so that no level has half the resolution. Every
variant makes the same windows: 512 pixels, half of each shared with its neighbours, RGB uint8 in memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.harness import Case, Comparison, Prepared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import numpy as np

SIDE, QUICK_SIDE = 20_032, 2_048
"""Pixels, multiples of 64."""
NDPI_SHAPE = 2_048, 49_152
"""A slide of 40 × magnification is as wide; OpenSlide keeps no row of windows of it."""
WINDOW, STRIDE, FACTOR, MPP = 512, 256, 2, 0.25
TISSUE, LEAST_TISSUE, ROW_OFFSET = 235, 0.9, 7
"""Tiles that are taken: so many pixels darker than glass; and how rows of them differ."""
PEER_ROWS = 6
"""Rows of windows that OpenSlide reads one by one; the time of all is told."""


def slide(kind: str, quick: bool) -> Path:
    """The slide as a file, made once for all variants."""
    from benchmarks.ndpi import write_ndpi
    from microtome.files import finished_file
    from microtome.phantoms.slides import slide_files

    side = QUICK_SIDE if quick else SIDE
    shape = NDPI_SHAPE if kind == "ndpi" and not quick else (side, side)
    path = Path(tempfile.gettempdir()) / f"microtome-benchmarks/tissue-{shape[0]}-{shape[1]}.{kind}"
    if not path.is_file():
        with finished_file(path) as draft:
            if kind == "ndpi":
                write_ndpi(draft, _levels(scan(shape)), MPP)
            else:
                slide_files.write(draft, scan(shape), kind)
    return path


def _levels(made: Any) -> list[np.ndarray]:
    """All pixels of a scan, and of its levels by fours."""
    import numpy as np

    from microtome.phantoms.slides import slide_files

    down, across = (range(size // slide_files.SIDE) for size in made.shape)
    rows = (np.concatenate([made.tile(row, column) for column in across], axis=1) for row in down)
    levels = [np.concatenate(list(rows))]
    while len(levels[-1]) >= 2 * slide_files.LEAST:
        levels.append(slide_files.block_means(levels[-1], 4))
    return levels


def scan(shape: tuple[int, int]) -> Any:
    """Tissue of the phantom from border to border, its tiles again and again: no glass, which is cheap."""
    import numpy as np

    from microtome.config.phantoms.slides import SlidePhantomData
    from microtome.phantoms.slides import slide_files
    from microtome.phantoms.slides.scanning import scan_tile
    from microtome.phantoms.slides.sheet import slides
    from microtome.phantoms.slides.simulation import mount, simulate

    settings = SlidePhantomData(height=1300, width=2400, sections=2, seed=3, mpp=0.5)
    plan = slides(settings)[0]
    glass = mount(settings, plan, simulate(settings, plan))
    places = np.ndindex(*(size // slide_files.SIDE for size in glass.shape))
    found = [scan_tile(glass, *place, slide_files.SIDE) for place in places]
    tissue = [tile for tile in found if tile is not None and (tile < TISSUE).all(-1).mean() > LEAST_TISSUE]

    def tile(row: int, column: int) -> np.ndarray:
        return tissue[(row * ROW_OFFSET + column) % len(tissue)]

    return slide_files.Scan(shape, MPP, tile, glass.white)


def windows_of_openslide(path: Path, rows: int) -> Iterator[np.ndarray]:
    """Each window by a read of its own, from the level that OpenSlide thinks best, reduced if need be."""
    import numpy as np
    import openslide

    size, step = WINDOW * FACTOR, STRIDE * FACTOR
    with openslide.OpenSlide(path) as opened:
        told, whole = opened.properties, dict(zip(("width", "height"), opened.dimensions, strict=True))
        left, top = (int(told.get(f"openslide.bounds-{axis}", 0)) for axis in "xy")
        width, height = (int(told.get(f"openslide.bounds-{side}", whole[side])) for side in whole)
        level = opened.get_best_level_for_downsample(FACTOR)
        reduced = FACTOR // round(opened.level_downsamples[level])
        tops = range(top, top + height - size + 1, step)
        for y in tops[:rows]:
            for x in range(left, left + width - size + 1, step):
                region = opened.read_region((x, y), level, (WINDOW * reduced, WINDOW * reduced))
                yield np.asarray(region.convert("RGB").reduce(reduced))


def windows_of_bands(path: Path, decode: str) -> Iterator[np.ndarray]:
    """Bands of rows, each pixel read once, from which windows are cut."""
    import numpy as np

    from microtome.io import slides

    reference = slides.describe(path, mpp=MPP * FACTOR, slide_mpp=MPP, decode=decode)
    source = slides.SlideSource(reference)
    _, height, width = source.shape
    band = source.read(0, 0, WINDOW - STRIDE, width)
    for y in range(0, height - WINDOW + 1, STRIDE):
        fresh = source.read(y + WINDOW - STRIDE, 0, STRIDE, width)
        band = np.concatenate([band[:, -(WINDOW - STRIDE) :], fresh], axis=1)
        for x in range(0, width - WINDOW + 1, STRIDE):
            yield band[:, :, x : x + WINDOW].copy()


def peer(kind: str) -> Callable[[bool], Prepared]:
    """OpenSlide, window by window; of a large slide some rows of windows, from which all are told."""

    def prepared(quick: bool) -> Prepared:
        import openslide

        path = slide(kind, quick)
        with openslide.OpenSlide(path) as opened:
            height = int(opened.properties.get("openslide.bounds-height", opened.dimensions[1]))
        rows = (height - WINDOW * FACTOR) // (STRIDE * FACTOR) + 1
        done = min(PEER_ROWS, rows)
        return Prepared(lambda: _drained(windows_of_openslide(path, done)), scale=rows / done)

    return prepared


def ours(kind: str, decode: str) -> Callable[[bool], Prepared]:
    """Our bands; the error is the mean difference of the first windows from those of the peer."""

    def prepared(quick: bool) -> Prepared:
        from microtome.io import slides  # noqa: F401  (loaded before the time is taken)

        path = slide(kind, quick)

        def error(_: Any) -> float:
            return _difference(windows_of_bands(path, decode), windows_of_openslide(path, 1))

        return Prepared(lambda: _drained(windows_of_bands(path, decode)), error)

    return prepared


def _drained(windows: Iterator[np.ndarray]) -> int:
    return sum(1 for _ in windows)


def _difference(one: Iterator[np.ndarray], other: Iterator[np.ndarray]) -> float:
    import numpy as np

    pairs = zip(one, other, strict=False)
    return float(np.mean([np.abs(a.transpose(1, 2, 0).astype(int) - b).mean() for a, b in pairs]))


CASE = Case(
    name="slide_reading",
    title="windows of 512 pixels at half resolution, 50 % overlap, 20,032² slide of JPEG tiles",
    variants={
        "openslide": peer("svs"),
        "microtome": ours("svs", "exact"),
        "microtome_half": ours("svs", "half"),
        "openslide_scn": peer("scn"),
        "microtome_scn": ours("scn", "exact"),
        "openslide_ndpi": peer("ndpi"),
        "microtome_ndpi": ours("ndpi", "exact"),
    },
    comparisons=[
        Comparison("SVS, exact", "microtome", "openslide", 8.0),
        Comparison("SVS, exact, CPU time", "microtome", "openslide", 8.0, "cpu_seconds"),
        Comparison("SVS, tiles decoded at half size", "microtome_half", "openslide", 15.0),
        Comparison(
            "SVS, tiles decoded at half size, CPU time", "microtome_half", "openslide", 15.0, "cpu_seconds"
        ),
        Comparison("NDPI of 2,048 x 49,152, through OpenSlide", "microtome_ndpi", "openslide_ndpi", 8.0),
        Comparison("SCN, through OpenSlide", "microtome_scn", "openslide_scn", 2.0),
    ],
    note="error: mean difference from area averages of OpenSlide's pixels, grey levels",
)
