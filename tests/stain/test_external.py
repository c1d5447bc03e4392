# SPDX-License-Identifier: MIT
"""The StainTools package where it is installed; its interface alone where it is not."""

import importlib.util
import sys
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from microtome import stain
from microtome.stain import StainError, external
from tests.stain.synthetic import BLUER, VECTORS, angles, image

INSTALLED = all(importlib.util.find_spec(name) for name in ("staintools", "spams"))
TARGET, SOURCE = image(BLUER, side=80, seed=3), image(VECTORS, side=80, seed=4)
STAND_IN = {
    "spams.py": "",
    "staintools/__init__.py": "",
    "staintools/miscellaneous/__init__.py": "",
    "staintools/miscellaneous/exceptions.py": "class TissueMaskException(Exception): pass",
    "staintools/miscellaneous/get_concentrations.py": """
        import numpy as np
        from microtome.stain import codes
        def get_concentrations(I, stain_matrix, regularizer=0.01):
            I[I == 0] = 1
            density = np.maximum(-np.log(I.reshape(-1, 3).T / 255), 1e-6)
            return codes(density, stain_matrix, regularizer).T
        """,
    "staintools/stain_extraction/__init__.py": "",
    "staintools/stain_extraction/vahadane_stain_extractor.py": """
        import numpy as np
        from microtome.stain import matrix
        from microtome.stain.colours import distinct
        from microtome.stain.external import SETTINGS
        from microtome.stain.lasso import learn
        from staintools.miscellaneous.exceptions import TissueMaskException
        class VahadaneStainExtractor:
            @staticmethod
            def get_stain_matrix(I, luminosity_threshold=0.8, regularizer=0.1):
                colours = distinct(I)
                tissue = matrix.tissue_regions(colours, SETTINGS).tissue
                if not tissue.any():
                    raise TissueMaskException("Empty tissue mask computed")
                if I.max() == I.min():
                    return np.full((2, 3), np.nan)
                I[I == 0] = 1
                density = matrix.optical_density(colours.keys[tissue], "floor")
                start = np.array(matrix.REFERENCE)
                start = start / np.linalg.norm(start, axis=1, keepdims=True)
                counts = colours.counts[tissue].astype(float)
                limits = {"max_iterations": 200, "tolerance": 1e-6}
                found = learn(density, counts, start, lam=regularizer, **limits).matrix
                return matrix.ordered(found / np.linalg.norm(found, axis=1, keepdims=True), "red")
        """,
}


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """Modules of the names and signatures that StainTools 2.1.2 has, writing into their input as it does."""
    for name, text in STAND_IN.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), encoding="utf-8")
    kept = {name: module for name, module in sys.modules.items() if _foreign(name)}
    for name in kept:
        del sys.modules[name]
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if _foreign(name)]:
        del sys.modules[name]
    sys.modules.update(kept)


def _foreign(name):
    return name.partition(".")[0] in ("staintools", "spams")


def test_without_the_package_the_remedy_is_named(monkeypatch):
    monkeypatch.setattr(external, "PACKAGE", "no_such_package")
    with pytest.raises(StainError, match=r"no_such_package.*pip install -r requirements-stain\.txt.*preset"):
        stain.fit_target(TARGET, "staintools")


@pytest.mark.usefixtures("stand_in")
def test_target_image_and_report():
    copy = SOURCE.copy()
    target = stain.fit_target(TARGET, "staintools")
    normalized, report = stain.apply(SOURCE, stain.profile_from_json(target.as_json()))
    assert np.array_equal(SOURCE, copy)
    assert report["method"] == target.method == "staintools"
    assert target.parameters == {**stain.PRESETS["staintools"].__dict__}
    expected, _ = stain.apply(SOURCE, stain.fit(TARGET, preset="staintools"))
    assert np.abs(normalized.astype(int) - expected).max() <= 1
    assert report["concentration_p99"]["after"] == pytest.approx(target.concentration_p99, rel=0.05)


@pytest.mark.usefixtures("stand_in")
def test_no_tissue_is_an_error_or_a_reported_fallback():
    white, grey = np.full((20, 20, 3), 255, np.uint8), np.full((20, 20, 3), 90, np.uint8)
    target = stain.fit_target(TARGET, "staintools")
    for rgb, message in ((white, "no tissue: StainTools says Empty"), (grey, "no stains: StainTools found")):
        with pytest.raises(StainError, match=message):
            stain.fit_target(rgb, "staintools")
        normalized, report = stain.apply(rgb, target)
        assert report["fallback"].startswith(message)
        assert report["source"]["stain_matrix"] == target.stain_matrix.tolist()
        assert normalized.shape == rgb.shape
    assert report["gain"][0] > 0


@pytest.mark.usefixtures("stand_in")
def test_it_takes_no_options():
    target = stain.fit_target(TARGET, "staintools")
    with pytest.raises(StainError, match="found the options luminosity, expected none"):
        stain.apply(SOURCE, target, luminosity=0.5)
    with pytest.raises(StainError, match=r"found the options luminosity"):
        stain.fit_target(TARGET, "staintools", luminosity=0.5)


@pytest.mark.skipif(not INSTALLED, reason="staintools and spams are not installed")
def test_the_package_itself():
    import staintools

    target = stain.fit_target(TARGET, "staintools")
    normalized, report = stain.apply(SOURCE, target)
    assert angles(target.stain_matrix, BLUER).max() < 6
    assert angles(np.array(report["source"]["stain_matrix"]), VECTORS).max() < 6
    peer = staintools.StainNormalizer(method="vahadane")
    peer.fit(TARGET.copy())
    difference = np.abs(peer.transform(SOURCE.copy()).astype(int) - normalized)
    assert difference.mean() < 3  # it stops by the clock, so never the same twice


def test_requirements_pin_what_is_added():
    lines = (Path(__file__).parents[2] / "requirements-stain.txt").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("#")]
    assert kept[0] == "-r requirements.txt"
    assert {line.partition("==")[0] for line in kept[1:]} == {"opencv-python", "spams-bin", "staintools"}
    assert all("==" in line for line in kept[1:])
