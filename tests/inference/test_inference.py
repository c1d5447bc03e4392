# SPDX-License-Identifier: MIT

import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from microtome import inference, networks
from microtome.inference import DIHEDRAL, FLIPS, predict
from microtome.inference.test_time_views import VIEWS
from microtome.io.images import ArraySource
from tests.reference import stitching

RNG = np.random.default_rng(3)


class Ramp(nn.Module):
    """Depends on the place within the window, so that any slip in stitching shows."""

    def forward(self, windows):
        y = torch.linspace(0, 1, windows.shape[2])[:, None]
        x = torch.linspace(-1, 1, windows.shape[3])
        first = windows[:, :1]
        return torch.cat([first * y, first + x, y * x + 0 * first], dim=1)


class Constant(nn.Module):
    def forward(self, windows):
        return (
            torch.ones_like(windows[:, :1]).expand(-1, 2, -1, -1) * torch.tensor([0.25, 3.0])[:, None, None]
        )


def image_of(height, width, channels=1):
    return RNG.random((channels, height, width), np.float32)


def valid_network(margin=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 2 * margin - 1), nn.Tanh(), nn.Conv2d(3, 2, 3)).eval()


sizes = st.integers(1, 23)


@settings(max_examples=80, deadline=None)
@given(
    size=st.tuples(sizes, sizes),
    window=st.tuples(st.integers(1, 11), st.integers(1, 11)),
    fraction=st.floats(0, 0.95),
    kind=st.sampled_from(inference.axis.WEIGHTS),
    border=st.integers(0, 10),
    batch=st.integers(1, 5),
    dropped=st.sets(st.integers(0, 30), max_size=12),
)
def test_equals_full_accumulation(size, window, fraction, kind, border, batch, dropped):
    image, border = image_of(*size), min(border, min(window) - 1)
    overlap = tuple(round(fraction * side) for side in window)
    if any(pixels >= side for pixels, side in zip(overlap, window, strict=True)):
        overlap, fraction = (0, 0), 0.0
    wanted = (lambda y, x, h, w: (7 * y + 3 * x) % 31 not in dropped) if dropped else None
    options = {"border": border, "wanted": wanted, "fill": -1.0}
    found = predict(
        Ramp().eval(), image, window=window, overlap=fraction, weights=kind, batch=batch, activation="none",
        classes=3, **options,
    )  # fmt: skip
    expected = stitching.stitch(
        stitching.as_function(Ramp()), image, window=window, overlap=overlap, kind=kind, **options
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.broadcast_to(expected, found.shape), atol=2e-6)


@pytest.mark.parametrize("sigma", [0.05, 1.0, 4.0, 1000.0])
@pytest.mark.parametrize("hole", [None, 5])
def test_constant_network_gives_its_constant_everywhere(sigma, hole):
    wanted = None if hole is None else lambda y, x, h, w: y % hole != 2
    found = predict(
        Constant().eval(), image_of(61, 47), window=32, overlap=29, weights="gaussian", gaussian_sigma=sigma,
        activation="none", wanted=wanted,
    )  # fmt: skip
    np.testing.assert_allclose(found[0], 0.25, atol=1e-6)
    np.testing.assert_allclose(found[1], 3.0, rtol=1e-6)


def test_literal_variance_of_the_reflectance_study_does_not_underflow():
    found = predict(
        Constant().eval(),
        image_of(300, 280),
        window=256,
        overlap=224,
        gaussian_sigma=128**0.5,
        activation="none",
    )
    np.testing.assert_allclose(found[0], 0.25, atol=1e-6)


@pytest.mark.parametrize("kind", inference.axis.WEIGHTS)
def test_identity_returns_the_image_for_every_kind_of_source(kind):
    image = RNG.integers(0, 255, (2, 37, 52), np.uint8)
    options = {"window": 16, "overlap": 0.5, "weights": kind, "activation": "none"}
    network = nn.Identity().eval()
    whole = predict(network, ArraySource(image), **options)
    np.testing.assert_allclose(whole, image, rtol=1e-6)
    np.testing.assert_array_equal(whole, predict(network, image, **options))
    np.testing.assert_array_equal(whole[:1], predict(network, image[0], **options))


@pytest.mark.parametrize("window", [None, 64])
def test_small_images_are_predicted_whole(window):
    image, shapes = image_of(20, 33), []

    class Recorder(nn.Module):
        def forward(self, windows):
            shapes.append(tuple(windows.shape))
            return windows

    found = predict(Recorder().eval(), image, window=window, divisor=16, activation="none")
    np.testing.assert_array_equal(found, image)
    assert shapes == [(1, 1, 32, 48) if window is None else (1, 1, 64, 64)]


def test_networks_see_mirrored_surroundings():
    seen = []
    network = lambda windows: seen.append(windows[0, 0].clone()) or windows  # noqa: E731
    predict(network, np.arange(12.0).reshape(3, 4), window=6, activation="none")
    expected = np.pad(np.arange(12.0).reshape(3, 4), ((1, 2), (1, 1)), mode="reflect")
    np.testing.assert_array_equal(seen[0].numpy(), expected)


@pytest.mark.parametrize("window", [None, 8, (5, 9)])
def test_margin_is_exact(window):
    image, network = image_of(21, 18), valid_network()
    found = predict(network, image, window=window, overlap=0, margin=2, activation="none")
    padded = torch.from_numpy(np.pad(image, ((0, 0), (2, 2), (2, 2)), mode="reflect"))
    with torch.inference_mode():
        expected = network(padded[None])[0].numpy()
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_dense_ciresan_by_tiles_equals_windows():
    torch.manual_seed(1)
    network = networks.build("ciresan", variant="w65", maps=3, hidden=4).eval()
    image = image_of(12, 10)
    half = network.window // 2
    found = predict(network.dense(), image, window=5, overlap=0, margin=half, activation="softmax")
    with torch.inference_mode():
        for y, x in [(0, 0), (4, 5), (11, 9)]:
            patch = stitching.mirrored(image, y - half, x - half, network.window, network.window)
            expected = network(torch.from_numpy(patch)[None]).softmax(1)[0]
            np.testing.assert_allclose(found[:, y, x], expected.numpy(), atol=1e-5)


def test_bands_are_complete_in_order_and_the_callers():
    image, bands = image_of(57, 31), []
    options = {"window": 16, "overlap": 0.7, "activation": "none"}
    assert predict(Ramp().eval(), image, sink=lambda y, band: bands.append((y, band)), **options) is None
    assert [y for y, _ in bands] == np.cumsum([0, *(band.shape[1] for _, band in bands)])[:-1].tolist()
    assert all(band.shape[1] > 0 and band.flags.c_contiguous for _, band in bands)
    whole = predict(Ramp().eval(), image, **options)
    np.testing.assert_array_equal(np.concatenate([band for _, band in bands], axis=1), whole)


def test_memory_does_not_depend_on_the_height():
    def held(height):
        largest, rows = [], []

        class Watching(ArraySource):
            def read(self, y, x, height, width):
                rows.append(height)
                return super().read(y, x, height, width)

        predict(
            Ramp().eval(), Watching(image_of(height, 20)), window=16, overlap=0.5, activation="none",
            sink=lambda y, band: largest.append(band.shape[1]),
        )  # fmt: skip
        return max(largest), max(rows), sum(rows)

    low, high = held(100), held(1000)
    assert max(low[0], high[0]) <= low[1] == high[1] == 24, "a group of two rows of windows"
    assert high[2] == 1000, "each image row is read once"


def stitcher_of(overlap, batch):
    """Of a high image, by windows of 16 pixels."""
    rows, columns = (
        inference.axis.plan_axis(length, 16, overlap=overlap, border=0, weights="gaussian", sigma=None)
        for length in (10_000, 64)
    )
    every = np.ones((len(rows.starts), len(columns.starts)), bool)
    grid = inference.grid.Grid(rows, columns, every, batch=batch)
    return inference.stitching.BandStitcher(grid, example=torch.zeros(1, 3, 16, 16), fill=0.0)


def test_stitcher_holds_less_than_two_windows_however_high_the_image():
    stitcher = stitcher_of(overlap=8, batch=4)
    assert stitcher.ring.shape == (3, 24, 64)
    assert not stitcher.pile.numel()


def test_of_windows_that_overlap_much_a_pile_is_held_too():
    """Six rows of them are done together, each column of them in a pile as wide as one."""
    stitcher = stitcher_of(overlap=14, batch=1)
    assert stitcher.ring.shape == (3, 26, 64)
    assert stitcher.pile.shape == (3, 26, 16)


@pytest.mark.parametrize("kind", inference.axis.WEIGHTS)
@pytest.mark.parametrize("batch", [1, 3, 4, 7])
@pytest.mark.parametrize("hole", [False, True])
def test_piles_add_up_to_the_full_accumulation(kind, batch, hole):
    """Steps are uneven (of 2 and 3 pixels), batches end within piles, and skipped windows beside them."""
    image = image_of(57, 44)
    wanted = (lambda y, x, h, w: not (12 <= y < 20 and 9 <= x < 14)) if hole else None
    options = {"border": 2, "wanted": wanted, "fill": -1.0}
    found = predict(
        Ramp().eval(), image, window=(20, 20), overlap=17, weights=kind, batch=batch, activation="none",
        **options,
    )  # fmt: skip
    expected = stitching.stitch(
        stitching.as_function(Ramp()), image, window=(20, 20), overlap=(17, 17), kind=kind, **options
    )
    np.testing.assert_allclose(found, expected, atol=2e-6)


@pytest.mark.parametrize(("width", "height"), [(64, 24), (200, 16)])
def test_wide_images_are_done_row_by_row(width, height):
    """A group has as many rows of windows as fill some batches; each costs memory."""
    axes = (
        inference.axis.plan_axis(length, 16, overlap=8, border=0, weights="gaussian", sigma=None)
        for length in (100, width)
    )
    rows, columns = axes
    grid = inference.grid.Grid(rows, columns, np.ones((len(rows.starts), len(columns.starts)), bool), batch=4)
    assert grid.height == height
    sizes = [len(batch) for group in range(len(grid.groups)) for batch in grid.batches(group)]
    assert sum(sizes) == grid.mask.size
    assert max(sizes) == 4
    assert np.mean(sizes) > 3


def test_skipped_windows_are_neither_read_nor_predicted():
    image, reads, done = image_of(200, 300), [], []

    class Watching(ArraySource):
        def read(self, y, x, height, width):
            reads.append((y, x, height, width))
            return super().read(y, x, height, width)

    def wanted(y, x, h, w):
        return 96 <= y < 150 and (x < 30 or x >= 250)

    found = predict(
        nn.Identity().eval(), Watching(image), window=20, overlap=0, activation="none", wanted=wanted,
        fill=-7.0, progress=lambda count, total: done.append((count, total)),
    )  # fmt: skip
    kept = [
        (y, x)
        for y in inference.window_starts(200, 20, stride=20)
        for x in inference.window_starts(300, 20, stride=20)
        if wanted(y, x, 20, 20)
    ]
    expected = np.full_like(image, -7)
    for y, x in kept:
        expected[:, y : y + 20, x : x + 20] = image[:, y : y + 20, x : x + 20]
    np.testing.assert_array_equal(found, expected)
    assert done[-1] == (len(kept), len(kept))
    assert sum(height * width for *_, height, width in reads) == len(kept) * 400


def test_nothing_wanted():
    options = {"window": 8, "wanted": lambda *_: False, "fill": 0.5}
    with pytest.raises(ValueError, match="all windows were skipped"):
        predict(Ramp().eval(), image_of(20, 20), **options)
    found = predict(Ramp().eval(), image_of(20, 20), classes=3, **options)
    np.testing.assert_array_equal(found, np.full((3, 20, 20), 0.5, np.float32))


@pytest.mark.parametrize("name", DIHEDRAL)
def test_views_undo_themselves_and_differ(name):
    images = torch.rand(2, 3, 4, 6)
    view = VIEWS[name]
    torch.testing.assert_close(view.undo(view.apply(images)), images)
    square = torch.rand(5, 5)
    assert len({tuple(v.apply(square).flatten().tolist()) for v in VIEWS.values()}) == 8


def test_averaging_over_all_views_makes_any_network_equivariant():
    image, network = image_of(17, 24), nn.Conv2d(1, 2, 3, padding=1).eval()
    options = {"window": None, "activation": "softmax"}
    plain = predict(network, image, tta=DIHEDRAL, **options)
    turned = predict(network, np.rot90(image, axes=(1, 2)), tta=DIHEDRAL, **options)
    np.testing.assert_allclose(np.rot90(plain, axes=(1, 2)), turned, atol=1e-6)
    flipped = predict(network, image[:, ::-1], tta=FLIPS, **options)
    np.testing.assert_allclose(predict(network, image, tta=FLIPS, **options)[:, ::-1], flipped, atol=1e-6)
    assert np.abs(plain - predict(network, image, **options)).max() > 1e-3


def test_views_average_probabilities():
    image, network = image_of(9, 9), nn.Conv2d(1, 1, 3, padding=1).eval()
    with torch.inference_mode():
        both = [
            network(torch.from_numpy(image)[None])[0],
            network(torch.from_numpy(image).flip(-1)[None])[0].flip(-1),
        ]
    expected = torch.stack(both).sigmoid().mean(0).numpy()
    np.testing.assert_allclose(predict(network, image, tta=("identity", "flip")), expected, atol=1e-6)


def test_results_are_the_same_bit_by_bit():
    image, network = image_of(50, 41), networks.build("unet", width=2).eval()
    first, second = (predict(network, image, window=32, overlap=0.5) for _ in range(2))
    assert first.tobytes() == second.tobytes()


@pytest.mark.parametrize("kind", inference.axis.WEIGHTS)
def test_channels_last_networks_give_the_same(kind):
    torch.manual_seed(0)
    network, image = nn.Conv2d(2, 3, 3, padding=1).eval(), image_of(40, 45, 2)
    options = {"window": 16, "overlap": 0.6, "weights": kind, "wanted": lambda y, x, h, w: (y, x) != (0, 0)}
    expected = predict(network, image, **options)
    found = predict(network.to(memory_format=torch.channels_last), image, **options)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_normalize_and_prepare():
    class Bands(nn.Module):
        def forward(self, volumes):
            assert volumes.shape[1:3] == (1, 4)
            return volumes.mean(dim=2)

    image = RNG.integers(0, 65535, (4, 30, 30), np.uint16)
    found = predict(
        Bands().eval(), image, window=16, activation="none", normalize=lambda pixels: pixels / 65535,
        prepare=lambda windows: windows[:, None],
    )  # fmt: skip
    np.testing.assert_allclose(found[0], (image / 65535).mean(0), atol=1e-6)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": 0}, "window=0"),
        ({"window": 8, "overlap": 8}, "overlap=8"),
        ({"window": 8, "overlap": 1.5}, "overlap=1.5"),
        ({"window": 8, "overlap": -0.1}, "overlap=-0.1"),
        ({"window": 8, "border": 8}, "border"),
        ({"weights": "cosine"}, "constant, trapezoid, gaussian"),
        ({"gaussian_sigma": 0.0}, "positive sigma"),
        ({"batch": 0}, "batch=0"),
        ({"activation": "relu"}, "sigmoid, softmax, none"),
        ({"tta": ("rot45",)}, "rot45"),
        ({"tta": "flip"}, "tta='flip'"),
        ({"precision": "fp16"}, "fp16"),
        ({"precision": "int8"}, "int8"),
        ({"divisor": 0}, "divisor=0"),
        ({"margin": 1}, "margin"),
        ({"normalize": lambda pixels: pixels[:, ::2]}, "pixel by pixel"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        predict(Ramp().eval(), image_of(20, 20), **options)


def test_unfit_networks_are_refused():
    image = image_of(20, 20)
    with pytest.raises(ValueError, match="training mode"):
        predict(nn.Conv2d(1, 1, 1), image)
    with pytest.raises(TypeError, match="returned tuple"):
        predict(lambda windows: (windows,), image)
    with pytest.raises(ValueError, match="NaN or infinite"):
        predict(lambda windows: windows * float("nan"), image)
    with pytest.raises(ValueError, match=r"call model.to"):
        predict(nn.Conv2d(1, 1, 1, device="meta").eval(), image)
    with pytest.raises(ValueError, match="3-D networks"):
        predict(nn.Conv3d(1, 1, 1).eval(), image, precision="bf16")


def test_errors_of_the_source_reach_the_caller():
    class Broken(ArraySource):
        def read(self, y, x, height, width):
            if y > 10:
                msg = "tile 7 is damaged"
                raise OSError(msg)
            return super().read(y, x, height, width)

    with pytest.raises(OSError, match="tile 7"):
        predict(nn.Identity().eval(), Broken(image_of(64, 20)), window=16, activation="none")


@pytest.mark.parametrize("readers", [2, 3])
def test_several_threads_read_the_same(readers):
    """The image is wide enough for each to have columns of its own; some are skipped in the middle."""
    image, widths = image_of(40, 2600), {}

    class Watching(ArraySource):
        def read(self, y, x, height, width):
            widths.setdefault(threading.current_thread().name.rpartition("_")[0], []).append(width)
            return super().read(y, x, height, width)

    def found(readers):
        widths.clear()
        return predict(
            Ramp().eval(), Watching(image), window=20, overlap=0.5, activation="none",
            wanted=lambda y, x, h, w: not 1000 < x < 1400, readers=readers,
        )  # fmt: skip

    alone, (whole,) = found(1), widths.values()
    np.testing.assert_array_equal(found(readers), alone)
    (parts,) = widths.values()
    assert max(parts) < max(whole)
    assert sum(parts) == sum(whole)
