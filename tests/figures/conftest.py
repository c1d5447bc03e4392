# SPDX-License-Identifier: MIT
import numpy as np
import pytest

from microtome.figures.inputs import FigureInputs, find_sources
from microtome.io import images
from tests.synthetic_melanoma import write_melanoma
from tests.synthetic_mosaics import write_mosaics
from tests.synthetic_nuclei import write_nuclei
from tests.synthetic_slides import write_slides
from tests.synthetic_study import write_study


@pytest.fixture(scope="session")
def study(tmp_path_factory):
    """A small phantom study with six U-Nets, a calibrated N4 and an ensemble."""
    runs, pictures, targets = write_study(tmp_path_factory.mktemp("study"), size=48)
    return FigureInputs(runs=runs, sources=find_sources(runs, pictures, targets), data_kind="phantom")


@pytest.fixture(scope="session")
def nuclei(tmp_path_factory):
    """A small phantom study of stained nuclei: objects, markers, stain reports, two runs."""
    return write_nuclei(tmp_path_factory.mktemp("nuclei"), size=64)


@pytest.fixture(scope="session")
def melanoma(tmp_path_factory):
    """A small phantom study of cubes: calibrated and raw, chosen bands, five runs, weights."""
    return write_melanoma(tmp_path_factory.mktemp("melanoma"), size=48)


@pytest.fixture(scope="session")
def slides(tmp_path_factory):
    """A small study of slides: annotations, heat-maps of two runs, called sections."""
    return write_slides(tmp_path_factory.mktemp("slides"))


@pytest.fixture(scope="session")
def mosaics(tmp_path_factory):
    """A small study of mosaics that are labelled in part: six classes, five runs on two folds."""
    return write_mosaics(tmp_path_factory.mktemp("mosaics"), side=48)


@pytest.fixture
def tiny(tmp_path, study):
    """Write one sample by hand: an image, a label, a probability map and a segmentation."""

    def write(*, label, probability, image=None, raw=None, data_kind="public"):
        label, probability = np.asarray(label, np.uint8), np.asarray(probability, np.float32)
        image = np.zeros(label.shape, np.uint8) if image is None else np.asarray(image, np.uint8)
        run = study.record("bce")
        folder = tmp_path / "run"
        record = type(run)(
            **{**{name: getattr(run, name) for name in run.__dataclass_fields__}, "folder": folder}
        )
        images.write(tmp_path / "images/s.tif", image)
        images.write(tmp_path / "targets/s.tif", label)
        images.write(folder / "predictions/0/s.tif", probability)
        images.write(folder / "segmentations/0/s.tif", (probability > 0.5).astype(np.uint8))
        if raw is not None:
            images.write(folder / "raw_predictions/0/s.tif", np.asarray(raw, np.float32))
        sources = find_sources([record], [tmp_path / "images/s.tif"], [tmp_path / "targets/s.tif"])
        return FigureInputs(runs=[record], sources=sources, data_kind=data_kind)

    return write
