# SPDX-License-Identifier: MIT
"""Maps of plain images: kept as bytes or floats, written band by band, gone on with after a kill."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.torch import save_file

from microtome import networks
from microtome.config.prediction import Store
from microtome.files import write_json
from microtome.io import images, views
from microtome.report.thumbnails import load_overview
from microtome.stages import predict as stage
from microtome.stages.calibrate import calibrate_maps
from microtome.stages.predict import predict_batch
from microtome.stages.runs import average_batch
from microtome.stages.segment import segment_batch
from microtome.stages.stored_maps import as_bytes, as_stored
from tests.stages import folders

NETWORK = {"name": "mednet", "scales": 1, "width": 4, "depth": 2, "classes": 3}
CLASSES = ["meshwork", "ring", "nest"]
SAMPLES = {"a": (70, 90), "b": (40, 33)}
PREDICT = {"window": 32, "overlap": 0.75, "gaussian_sigma": 3.0, "border": 16}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Images, and weights that make each class the most probable one somewhere."""
    root = tmp_path_factory.mktemp("maps")
    for name, size in SAMPLES.items():
        pixels = np.random.default_rng(len(name)).integers(0, 255, size).astype(np.uint8)
        images.write(root / "images" / f"{name}.tif", pixels, mpp=2.0)
    torch.manual_seed(1)
    network = networks.build(**NETWORK)
    with torch.no_grad():
        for _ in range(30):
            network(torch.randn(4, 1, 32, 32))
        logits = network.eval()(torch.randn(4, 1, 32, 32))
        network.heads[0].bias -= logits.mean((0, 2, 3))
    save_file(network.state_dict(), root / "model.safetensors")
    return root


def options(**predict):
    chosen = {"network": NETWORK, "classes": CLASSES, "outputs": [], "activation": "softmax"}
    return folders.options("unet", **chosen, predict=PREDICT | predict)


def predicted(root, folder, **predict):
    weights = root / "model.safetensors"
    predict_batch(options(**predict), weights, root / "images", folder, device="cpu", threads=1)
    return folder


@given(
    logits=arrays(np.float32, (4, 3, 5), elements=st.floats(-3, 3, width=32)),
    scale=st.sampled_from([1e-4, 1e-2, 1.0, 30.0]),
)
def test_the_arg_max_of_bytes_is_that_of_the_probabilities(logits, scale):
    maps = torch.from_numpy(logits * np.float32(scale)).softmax(0).numpy()
    before = maps.copy()
    found = as_bytes(maps, exclusive=True)
    np.testing.assert_array_equal(found.argmax(0), maps.argmax(0))
    assert found.dtype == np.uint8
    assert np.abs(found - 255.0 * maps).max() <= 1.5 + 1e-4
    winner = np.take_along_axis(found, maps.argmax(0)[None], 0)
    assert ((found == winner).sum(0) == 1).all(), "whoever breaks ties otherwise finds the same class"
    np.testing.assert_array_equal(maps, before)


def test_bytes_are_rounded_and_only_winners_of_ties_are_raised():
    maps = np.float32([[[0.5, 0.1, 1 / 3]], [[0.5, 0.7, 1 / 3]], [[0.0, 0.2, 1 / 3]]])
    assert as_bytes(maps, exclusive=False)[:, 0].tolist() == [[128, 26, 85], [128, 178, 85], [0, 51, 85]]
    assert as_bytes(maps, exclusive=True)[:, 0].tolist() == [[129, 26, 86], [128, 178, 85], [0, 51, 85]]
    ones = np.ones((2, 1, 1), np.float32)  # of outputs that do not exclude each other
    assert as_bytes(ones, exclusive=False).tolist() == [[[255]], [[255]]]
    kept = as_stored(maps, Store(dtype="uint8", classes=("ring",)), [1], exclusive=True)
    np.testing.assert_array_equal(kept, as_bytes(maps, exclusive=True)[1:2])


def test_maps_of_bytes_give_the_same_segmentations(root, tmp_path):
    exact = predicted(root, tmp_path / "float")
    coarse = predicted(root, tmp_path / "bytes", store={"dtype": "uint8"})
    for name, size in SAMPLES.items():
        maps, header = views.read_map(exact / f"{name}.tif"), images.header(coarse / f"{name}.tif")
        assert (maps.shape, maps.dtype) == ((3, *size), np.float32)
        assert set(np.unique(maps.argmax(0))) == {0, 1, 2}
        assert (header.dtype, header.channels, header.mpp) == ("uint8", 3, 2.0)
        assert images.channel_names(coarse / f"{name}.tif") == tuple(CLASSES)
        read = views.read_map(coarse / f"{name}.tif")
        assert read.dtype == np.float32
        assert np.abs(read - maps).max() <= 1.5 / 255 + 1e-6
        assert load_overview(coarse / f"{name}.tif").shape == (3, *size)
    for folder in (exact, coarse):
        segment_batch({"kind": "argmax"}, folder, folder / "classes")
    for name in SAMPLES:
        found = [images.read(folder / "classes" / f"{name}.tif") for folder in (exact, coarse)]
        np.testing.assert_array_equal(*found)
        np.testing.assert_array_equal(found[0], views.read_map(exact / f"{name}.tif").argmax(0))


def test_whoever_reads_maps_of_bytes_gets_probabilities(root, tmp_path):
    coarse = predicted(root, tmp_path / "bytes", store={"dtype": "uint8"})
    exact = predicted(root, tmp_path / "float")
    average_batch([coarse, exact], tmp_path / "mean")
    mean, both = (views.read_map(folder / "a.tif") for folder in (tmp_path / "mean", exact))
    assert np.abs(mean - both).max() <= 0.76 / 255
    window = views.open_map(coarse / "a.tif").read(5, 7, 20, 30, slice(1, 2))
    np.testing.assert_array_equal(window, views.read_map(coarse / "a.tif")[1:2, 5:25, 7:37])
    curve = {"coefficients": [0.0, 1.0, 0.0, 0.0], "pixels": 8, "residual": 0.0}
    write_json(tmp_path / "straight.json", curve)
    calibrate_maps({"median_radius": 0}, tmp_path / "straight.json", coarse, tmp_path / "calibrated")
    calibrated = views.read_map(tmp_path / "calibrated" / "a.tif")
    np.testing.assert_allclose(calibrated, views.read_map(coarse / "a.tif"), atol=1e-6)


def test_a_border_is_what_mirrored_surroundings_would_give(root, tmp_path):
    """Windows over the image and its mirrored surroundings, of which the image is cut out."""
    found = views.read_map(predicted(root, tmp_path / "border", weights="constant") / "b.tif")
    pixels = images.read(root / "images" / "b.tif")
    images.write(tmp_path / "wide" / "b.tif", np.pad(pixels, 16, mode="reflect"))
    weights = root / "model.safetensors"
    chosen = options(weights="constant", border=0)
    predict_batch(chosen, weights, tmp_path / "wide", tmp_path / "of-wide", device="cpu", threads=1)
    expected = views.read_map(tmp_path / "of-wide" / "b.tif")[:, 16:-16, 16:-16]
    np.testing.assert_allclose(found, expected, atol=1e-6)
    without = views.read_map(predicted(root, tmp_path / "bare", weights="constant", border=0) / "b.tif")
    assert np.abs(without - found).max() > 1e-3


def test_images_that_were_done_before_a_kill_are_not_done_again(root, tmp_path, monkeypatch):
    whole, done = predicted(root, tmp_path / "whole"), []
    predict_image = stage._predict_image

    def killed(model, path, *others):
        done.append(path.stem)
        if path.stem == "b":
            raise KeyboardInterrupt
        predict_image(model, path, *others)

    monkeypatch.setattr(stage, "_predict_image", killed)
    with pytest.raises(KeyboardInterrupt):
        predicted(root, tmp_path / "maps")
    assert not (tmp_path / "maps").exists()
    monkeypatch.setattr(stage, "_predict_image", lambda *given: done.append("again") or predict_image(*given))
    predicted(root, tmp_path / "maps")
    assert done == ["a", "b", "again"]
    for name in SAMPLES:
        assert (tmp_path / "maps" / f"{name}.tif").read_bytes() == (whole / f"{name}.tif").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maps", "whole"]


def test_what_was_begun_with_other_weights_or_code_is_not_gone_on_with(root, tmp_path, monkeypatch):
    predict_image = stage._predict_image
    monkeypatch.setattr(stage, "_predict_image", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    given, begun = (root / "model.safetensors", root / "images", tmp_path / "maps"), []
    for chosen, code in ((options(), "1"), (options(), "2"), (options(border=0), "2")):
        with pytest.raises(KeyboardInterrupt):
            predict_batch(chosen, *given, device="cpu", threads=1, code=code)
        begun += [path.name for path in tmp_path.iterdir()]
    assert len(begun) == len(set(begun)) == 3, "one at a time, each of another key"
    monkeypatch.setattr(stage, "_predict_image", predict_image)
    predict_batch(options(), *given, device="cpu", threads=1, code="1")
    assert [path.name for path in tmp_path.iterdir()] == ["maps"]


PEAK = """
import sys
from pathlib import Path
import numpy as np, torch
from benchmarks.child import resident_bytes
from microtome.io import images
from microtome.stages.predict import predict_folder
from tests.stages.test_stored_maps import options
height, store, folder = int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
torch.set_num_threads(1)
model = torch.nn.Conv2d(1, 6, 1).eval()
chosen = options(window=256, overlap=0.5, gaussian_sigma=128**0.5, border=128, store={"dtype": store})
chosen |= {"classes": list("abcdef")}
predict_folder(model, chosen, folder / "small", folder / "warm")
before = resident_bytes()
predict_folder(model, chosen, folder / str(height), folder / "maps")
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # of this process alone
print(int(peak.split()[1]) * 1024 - before)
"""


def added(tmp_path, height, store):
    """Bytes that predicting an image of 3,000 columns adds; a small one is predicted before."""
    for name, rows, columns in (("small", 300, 300), (str(height), height, 3000)):
        pixels = np.random.default_rng(0).integers(0, 255, (rows, columns)).astype(np.uint8)
        images.write(tmp_path / name / "mosaic.tif", pixels)
    arguments = [sys.executable, "-c", PEAK, str(height), store, str(tmp_path)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    maps = images.header(tmp_path / "maps" / "mosaic.tif")
    assert (maps.height, maps.width, maps.channels, maps.dtype) == (height, 3000, 6, store)
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="/proc tells the memory of a process")
@pytest.mark.parametrize(("height", "store"), [(3000, "float32"), (6000, "uint8")])
def test_memory_of_six_maps_of_a_mosaic(tmp_path, height, store):
    """A map of 3,000² is 216 MB in memory, and twice as much where it is twice as high."""
    assert added(tmp_path, height, store) <= 150e6
