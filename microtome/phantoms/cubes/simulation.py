# SPDX-License-Identifier: MIT
"""Melanoma phantom: hyperspectral cubes of H&E-stained skin with references and known transmittance.

In the manner of Hyper-net (Wang et al. 2021, doi:10.1109/TMI.2020.3024923): 60 bands of 550 to 992.5 nm, 10x
and 20x, a registered colour picture, dark and blank cubes. Light passes by Beer and Lambert through
haematoxylin, eosin, melanins and what scatters; the microscope blurs it; the camera counts it.

Why bands 16 to 31 tell most about the first principal component: over 60 bands most variance is pigment's,
as pigment alone absorbs from the green to the infrared. Between 670 and 783 nm it stands out against faint
stains, at 30 to 100 times the light of the ends. Below, stains overlay it and noise hides both; above,
noise does. Light that is equal in all bands (`CubePhantomData.light`) takes that answer away.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from microtome.config.phantoms.cubes import CubePhantomData
from microtome.io.envi_header import plain_text
from microtome.phantoms.cubes.camera import (
    AVERAGED,
    DRIFT,
    EXPOSURE,
    FULL_SCALE,
    Camera,
    expose,
    noise_limit,
    set_up,
)
from microtome.phantoms.cubes.sheet import MAGNIFICATIONS, Scene, cube_scenes, pixel_size
from microtome.phantoms.cubes.spectra import (
    ABSORBERS,
    BANDS,
    VISIBLE,
    WAVELENGTHS,
    absorbances,
    colour_weights,
)
from microtome.phantoms.cubes.tissue import TUMOUR, Patient, Tissue, draw_patient, grow

FOR_PATIENTS, FOR_SESSIONS, FOR_SCENES, FOR_PICTURES = range(4)
"""What a stream of random numbers is for, so that further scenes change no other."""
MARGIN = 8
"""Pixels by which the field is grown beyond the scene, so that its border is blurred like its middle."""
BLUR, COLOUR_BLUR = 0.6, 0.75
WHITE = (246.0, 243.0, 247.0)
COLOUR_NOISE = 1.6
MELANOMA = 255
"""Value of tumour in the label images."""
REFERENCE_SHAPES = {"frames": (None, None), "lines": (1, None), "averages": (1, 1)}


@dataclass(frozen=True, eq=False)
class Truth:
    """What a scene is, before a camera sees it.

    Attributes:
        transmittance: ``(60, H, W)`` float32, 0 to 1, as a perfect camera behind the same lens sees it.
        noise: ``(60, H, W)`` float32, standard deviation that noise leaves in a calibrated value; infinite in
            dead pixels. Fringes, which drift above 840 nm, come on top.
        concentrations: ``(5, H, W)`` float32, of :data:`~microtome.phantoms.cubes.spectra.ABSORBERS`.
        label: ``(H, W)`` uint8, 255 in the tumour.
    """

    transmittance: NDArray[np.float32]
    noise: NDArray[np.float32]
    concentrations: NDArray[np.float32]
    label: NDArray[np.uint8]


def truth(settings: CubePhantomData, scene: Scene) -> Truth:
    """What calibration has to recover of a scene, of :func:`microtome.phantoms.cubes.sheet.cube_scenes`.

    Example:
        >>> settings = CubePhantomData(size=48, seed=1)
        >>> found = truth(settings, cube_scenes(settings)[0])
        >>> found.transmittance.shape, bool(found.transmittance.max() <= 1)
        ((60, 48, 48), True)
    """
    tissue, camera = grown(settings, scene), session(settings, scene)
    bands = list(_passed(tissue))
    limit = [noise_limit(camera, band, passed) for band, passed in enumerate(bands)]
    inner = tissue.concentrations[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    return Truth(np.stack(bands), np.stack(limit), inner, _label(tissue))


def simulate(settings: CubePhantomData, scene: Scene, tissue: Tissue | None = None) -> NDArray[np.uint16]:
    """The raw cube of a scene, ``(60, H, W)``, 0 to 4095; equal settings and scenes give equal cubes.

    The tissue is that of :func:`grown`, where it is known already.
    """
    tissue, camera = tissue or grown(settings, scene), session(settings, scene)
    rng = np.random.default_rng([settings.seed, FOR_SCENES, scene.number, 1])
    return np.stack(
        [expose(camera, band, light, rng, drift=DRIFT) for band, light in enumerate(_passed(tissue))]
    )


def references(settings: CubePhantomData, scene: Scene) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """Dark and blank cube, ``(60, H, W)``, of a scene's session, each an average of 16 frames.

    They have one line or one value a band where `settings.references` says so.
    """
    camera = session(settings, scene)
    rng = np.random.default_rng([settings.seed, FOR_SESSIONS, *_session_key(scene), 1])
    rows, columns = REFERENCE_SHAPES[settings.references]
    dark, blank = (
        np.stack([expose(camera, band, seen, rng, frames=AVERAGED)[:rows, :columns] for band in range(BANDS)])
        for seen in (0.0, 1.0)
    )
    return dark, blank


def picture(settings: CubePhantomData, scene: Scene, tissue: Tissue | None = None) -> NDArray[np.uint8]:
    """The registered colour picture of a scene, ``(H, W, 3)``; arguments are those of :func:`simulate`."""
    tissue = tissue or grown(settings, scene)
    stained = tissue.concentrations.reshape(len(ABSORBERS), -1)
    light = np.exp(-absorbances(VISIBLE).T.astype(np.float32) @ stained)
    colours = (colour_weights().astype(np.float32) @ light).reshape(3, *tissue.kind.shape)
    blurred = _inner(ndimage.gaussian_filter(colours, (0, COLOUR_BLUR, COLOUR_BLUR)))
    rng = np.random.default_rng([settings.seed, FOR_PICTURES, scene.number])
    seen = blurred * np.array(WHITE, np.float32)[:, None, None]
    seen = seen + COLOUR_NOISE * rng.standard_normal(seen.shape, np.float32)
    return np.moveaxis(np.rint(seen).clip(0, 255).astype(np.uint8), 0, -1)


def session(settings: CubePhantomData, scene: Scene) -> Camera:
    """Camera and light of the session in which a scene was taken: one for each patient and magnification."""
    rng = np.random.default_rng([settings.seed, FOR_SESSIONS, *_session_key(scene), 0])
    return set_up(settings.size, settings.difficulty, settings.references, rng, light=settings.light)


def grown(settings: CubePhantomData, scene: Scene) -> Tissue:
    """The tissue of a scene, with 8 pixels more on each side."""
    rng = np.random.default_rng([settings.seed, FOR_SCENES, scene.number, 0])
    mpp = pixel_size(settings, scene)
    return grow(settings.size + 2 * MARGIN, mpp, _patient(settings, scene), settings.difficulty, rng)


def files(settings: CubePhantomData) -> Iterator[tuple[str, Any]]:
    """Simulate the scenes and name the file of each.

    Yields:
        For each scene `cubes/NNN`, `images/NNN.tif` (RGB), `labels/NNN.tif` (uint8, 255 in the tumour), where
        wanted `transmittance/NNN`; for each session `dark/NAME` and `blank/NAME`. Cubes are an ENVI header
        (`.hdr`, text) and its data (`.img`, bytes: BSQ, little-endian). Last comes `truth.json`.
    """
    sessions: set[str] = set()
    described: list[dict[str, Any]] = []
    for scene in cube_scenes(settings):
        name = f"{scene.number:03d}"
        tissue = grown(settings, scene)
        yield from _envi(f"cubes/{name}", simulate(settings, scene, tissue))
        yield f"images/{name}.tif", np.moveaxis(picture(settings, scene, tissue), -1, 0)
        yield f"labels/{name}.tif", _label(tissue)
        if settings.transmittance:
            yield from _envi(f"transmittance/{name}", truth(settings, scene).transmittance)
        if scene.session not in sessions:
            sessions.add(scene.session)
            for kind, cube in zip(("dark", "blank"), references(settings, scene), strict=True):
                yield from _envi(f"{kind}/{scene.session}", cube)
        described.append(_described(settings, scene, tissue))
    spectra = absorbances(WAVELENGTHS).round(6).tolist()
    known = {"wavelengths": WAVELENGTHS.tolist(), "absorbers": list(ABSORBERS), "absorbances": spectra}
    yield "truth.json", {**known, "exposure": EXPOSURE, "scenes": described}


def _described(settings: CubePhantomData, scene: Scene, tissue: Tissue) -> dict[str, Any]:
    return {
        "sample": scene.sample,
        "patient": scene.patient,
        "magnification": scene.magnification,
        "mpp": pixel_size(settings, scene),
        "melanoma": float(np.mean(_label(tissue) > 0)),
        "dead_pixels": int((session(settings, scene).illumination == 0).sum()),
    }


def _patient(settings: CubePhantomData, scene: Scene) -> Patient:
    rng = np.random.default_rng([settings.seed, FOR_PATIENTS, scene.patient_number])
    return draw_patient(settings.difficulty, rng)


def _session_key(scene: Scene) -> tuple[int, int]:
    return scene.patient_number, MAGNIFICATIONS.index(scene.magnification)


def _passed(tissue: Tissue) -> Iterator[NDArray[np.float32]]:
    """Transmittance in each band behind the lens, ``(H, W)``."""
    for spectrum in absorbances(WAVELENGTHS).T.astype(np.float32):
        density = np.tensordot(spectrum, tissue.concentrations, axes=1)
        yield _inner(ndimage.gaussian_filter(np.exp(-density), BLUR))


def _label(tissue: Tissue) -> NDArray[np.uint8]:
    return np.where(_inner(tissue.kind) == TUMOUR, MELANOMA, 0).astype(np.uint8)


def _inner(image: NDArray) -> NDArray:
    return np.ascontiguousarray(image[..., MARGIN:-MARGIN, MARGIN:-MARGIN])


def _envi(name: str, cube: NDArray) -> Iterator[tuple[str, str | bytes]]:
    """Header and data of a cube ``(bands, H, W)``."""
    waves = ", ".join(f"{value:g}" for value in WAVELENGTHS)
    plain = plain_text(shape=cube.shape, dtype=cube.dtype).replace("\n", "\ndescription = {simulated}\n", 1)
    text = f"{plain}wavelength units = Nanometers\nwavelength = {{{waves}}}\n"
    if cube.dtype == np.uint16:
        text += f"data ceiling value = {FULL_SCALE}\nintegration time = {EXPOSURE}\n"
    yield f"{name}.hdr", text
    yield f"{name}.img", cube.astype(cube.dtype.newbyteorder("<"), copy=False).tobytes()
