# SPDX-License-Identifier: MIT
"""Windows: cutting, foveation, non-uniform sampling, prediction."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates
from scipy.sparse import csr_array

from microtome import networks
from microtome.networks.windows import (
    WindowTransform,
    extract_windows,
    input_window,
    mirror,
    predict_by_windows,
    transform_windows,
)
from microtome.networks.windows.sparse_matrix import SparseMatrix

FOVEATED, SAMPLED = WindowTransform(foveate=True), WindowTransform(nonuniform=True)
BOTH = WindowTransform(foveate=True, nonuniform=True)


def foveate(windows, **options):
    return transform_windows(windows, windows.shape[-1], WindowTransform(foveate=True, **options))


def sample_nonuniform(windows, size):
    return transform_windows(windows, size, SAMPLED)


def random_windows(size, *, count=2, channels=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand((count, channels, size, size), generator=generator, dtype=torch.float64)


def foveated_pixel(window, y, x, strength=0.08, start=8.0):
    """The definition, pixel by pixel, in plain Python."""
    size = len(window)
    half = size // 2
    radius = max(0.5, strength * max(0.0, math.hypot(y - half, x - half) - start))
    mirrored = np.pad(window, size - 1, mode="reflect")
    total = weights = 0.0
    for dy in range(-7, 8):
        for dx in range(-7, 8):
            weight = min(1.0, max(0.0, radius + 0.5 - math.hypot(dy, dx)))
            total += weight * mirrored[y + dy + size - 1, x + dx + size - 1]
            weights += weight
    return total / weights


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 12), width=st.integers(1, 12), half=st.integers(0, 9), channels=st.integers(1, 3)
)
def test_extracted_windows_are_the_mirrored_neighbourhoods(height, width, half, channels):
    image = np.arange(channels * height * width, dtype=np.float32).reshape(channels, height, width)
    size = 2 * half + 1
    centres = torch.cartesian_prod(torch.arange(height), torch.arange(width))
    windows = extract_windows(torch.from_numpy(mirror(image, size)), centres, size)
    assert windows.shape == (height * width, channels, size, size)
    assert torch.equal(windows[:, :, half, half].T.flatten(), torch.from_numpy(image.ravel()))
    want = np.pad(image, ((0, 0), (half, half), (half, half)), mode="reflect")
    y, x = height - 1, width // 2
    assert np.array_equal(windows[y * width + x], want[:, y : y + size, x : x + size])


def test_extraction_keeps_dtype_and_copies():
    padded = torch.arange(49, dtype=torch.uint8).view(1, 7, 7)
    windows = extract_windows(padded, torch.tensor([[0, 0], [4, 4]]), 3)
    windows.zero_()
    assert windows.dtype == torch.uint8
    assert padded[0, -1, -1] == 48


def test_extraction_of_no_centres():
    assert extract_windows(torch.zeros(2, 7, 7), torch.zeros(0, 2, dtype=torch.int64), 3).shape == (
        0,
        2,
        3,
        3,
    )


@pytest.mark.parametrize("centre", [(-1, 0), (0, 5), (5, 0)])
def test_centres_outside_the_image_are_refused(centre):
    with pytest.raises(ValueError, match="5 × 5 pixels"):
        extract_windows(torch.zeros(1, 7, 7), torch.tensor([centre]), 3)


@pytest.mark.parametrize(
    ("padded", "centres", "size", "message"),
    [
        (torch.zeros(7, 7), torch.zeros(1, 2, dtype=torch.int64), 3, "padded must be"),
        (torch.zeros(1, 2, 7), torch.zeros(1, 2, dtype=torch.int64), 3, "padded must be"),
        (torch.zeros(1, 7, 7), torch.zeros(1, 2), 3, "integers"),
        (torch.zeros(1, 7, 7), torch.zeros(2, dtype=torch.int64), 3, "integers"),
        (torch.zeros(1, 7, 7), torch.zeros(1, 2, dtype=torch.int64), 4, "odd"),
    ],
)
def test_extraction_checks_its_arguments(padded, centres, size, message):
    with pytest.raises(ValueError, match=message):
        extract_windows(padded, centres, size)


def test_mirror_checks_its_arguments():
    with pytest.raises(ValueError, match="odd"):
        mirror(np.zeros((1, 4, 4)), 4)
    with pytest.raises(ValueError, match=r"\(C, H, W\)"):
        mirror(np.zeros((4, 4)), 3)


def test_foveation_is_its_definition():
    windows = random_windows(65, channels=2)
    result = foveate(windows)
    for y, x in [(0, 0), (64, 30), (32, 32), (10, 40), (3, 60), (32, 5), (26, 32)]:
        for k in range(2):
            want = foveated_pixel(windows[1, k].numpy(), y, x)
            assert result[1, k, y, x].item() == pytest.approx(want, rel=1e-10)


def test_foveation_options():
    windows = random_windows(33)
    result = foveate(windows, strength=0.2, start=2.0)
    want = foveated_pixel(windows[0, 0].numpy(), 4, 29, strength=0.2, start=2.0)
    assert result[0, 0, 4, 29].item() == pytest.approx(want, rel=1e-10)
    assert torch.equal(foveate(windows, strength=0.0), windows)


def test_foveation_keeps_the_fovea_and_blurs_outwards():
    windows = random_windows(95, count=20)
    result = foveate(windows)
    y, x = np.mgrid[-47:48, -47:48]
    distance = torch.from_numpy(np.hypot(y, x))
    assert torch.equal(result[..., distance <= 8], windows[..., distance <= 8])
    rings = [(distance >= low) & (distance < low + 8) for low in (16, 26, 36, 46)]
    spread = [result[..., ring].std().item() for ring in rings]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] < 0.5 * windows.std()


@pytest.mark.parametrize(
    ("transform", "net"), [(FOVEATED, 65), (SAMPLED, 65), (BOTH, 65), (BOTH, 33), (SAMPLED, 1)]
)
def test_constants_stay_constant_and_values_in_range(transform, net):
    raw = input_window(net, transform)
    constant = transform_windows(torch.full((1, 1, raw, raw), 7.0), net, transform)
    torch.testing.assert_close(constant, torch.full((1, 1, net, net), 7.0))
    values = transform_windows(random_windows(raw), net, transform)
    assert values.shape[-1] == net
    assert values.min() >= 0
    assert values.max() <= 1


def expected_positions(size, raw):
    """x(t) = t + a·max(0, t - h/2)³ along each direction, corner to corner."""
    half, raw_half = size // 2, raw // 2
    corner = half * math.sqrt(2)
    factor = (raw_half * math.sqrt(2) - corner) / (corner - half / 2) ** 3
    positions = np.zeros((2, size, size))
    for y in range(size):
        for x in range(size):
            t = math.hypot(y - half, x - half)
            scale = 1 if t <= half / 2 else (t + factor * (t - half / 2) ** 3) / t
            positions[:, y, x] = raw_half + (y - half) * scale, raw_half + (x - half) * scale
    return positions


@pytest.mark.parametrize(("size", "raw"), [(65, 95), (33, 51), (5, 5), (65, 201)])
def test_sampling_is_bilinear_at_the_radial_positions(size, raw):
    windows = random_windows(raw, channels=2)
    want = map_coordinates(windows[1, 1].numpy(), expected_positions(size, raw), order=1, mode="nearest")
    np.testing.assert_allclose(sample_nonuniform(windows, size)[1, 1].numpy(), want, atol=1e-9)


def test_sampling_keeps_the_centre_and_reaches_the_corners():
    windows = random_windows(95)
    result = sample_nonuniform(windows, 65)
    torch.testing.assert_close(result[..., 21:44, 21:44], windows[..., 36:59, 36:59])
    torch.testing.assert_close(
        result[..., [0, 0, -1, -1], [0, -1, 0, -1]], windows[..., [0, 0, -1, -1], [0, -1, 0, -1]]
    )


def test_both_is_foveation_then_sampling():
    windows = random_windows(95)
    torch.testing.assert_close(transform_windows(windows, 65, BOTH), sample_nonuniform(foveate(windows), 65))


def test_plain_transform_returns_the_windows():
    windows = random_windows(65)
    assert transform_windows(windows, 65, WindowTransform()) is windows


@pytest.mark.parametrize(("dtype", "result"), [(torch.uint8, torch.float32), (torch.bfloat16, torch.float32)])
def test_low_precision_is_computed_in_float32(dtype, result):
    assert foveate(torch.ones(1, 1, 33, 33, dtype=dtype)).dtype == result


def test_transforms_pass_gradients_even_if_first_used_without():
    transform = WindowTransform(foveate=True, strength=0.0813)
    with torch.inference_mode():
        transform_windows(torch.ones(1, 1, 33, 33), 33, transform)
    windows = torch.ones(1, 1, 33, 33, requires_grad=True)
    transform_windows(windows, 33, transform).sum().backward()
    assert windows.grad.sum().item() == pytest.approx(33**2, rel=1e-5)


@pytest.mark.parametrize(("net", "raw"), [(65, 95), (95, 139), (1, 1), (33, 49)])
def test_input_window_is_odd_and_of_the_given_reach(net, raw):
    assert input_window(net, SAMPLED) == raw
    assert input_window(net, FOVEATED) == net


def test_bad_settings_and_sizes_are_refused():
    with pytest.raises(ValueError, match=r"reach=0.9"):
        WindowTransform(reach=0.9)
    with pytest.raises(ValueError, match="strength=-1"):
        WindowTransform(strength=-1)
    with pytest.raises(ValueError, match="odd"):
        input_window(64)
    with pytest.raises(ValueError, match="Cut raw windows of 65 pixels"):
        transform_windows(torch.zeros(1, 1, 95, 95), 65, FOVEATED)
    with pytest.raises(ValueError, match="Cut raw windows of 95 pixels"):
        sample_nonuniform(torch.zeros(1, 1, 33, 33), 65)
    with pytest.raises(ValueError, match="cannot become"):
        foveate(torch.zeros(1, 1, 31, 33))


def network(**options):
    torch.manual_seed(5)
    model = networks.build("ciresan", variant="w65", maps=4, hidden=6, **options)
    with torch.no_grad():
        model.output.weight.mul_(30)
    return model


def random_image(height, width, channels=1):
    return np.random.default_rng(0).normal(size=(channels, height, width)).astype(np.float32)


def test_plain_prediction_equals_dense_evaluation():
    model, image = network(classes=3).eval(), random_image(11, 14)
    with torch.no_grad():
        want = model.dense()(torch.from_numpy(mirror(image, 65))[None]).softmax(1)[0].numpy()
    result = predict_by_windows(model, image, batch=50)
    assert result.dtype == np.float32
    assert want.std() > 0.01
    np.testing.assert_allclose(result, want, atol=1e-5)


@pytest.mark.parametrize("transform", [FOVEATED, SAMPLED, BOTH])
def test_transformed_prediction_equals_single_windows(transform):
    model, image = network().eval(), random_image(6, 7)
    raw = input_window(65, transform)
    padded = np.pad(image[0], raw // 2, mode="reflect")
    result = predict_by_windows(model, image, transform=transform)
    plain = predict_by_windows(model, image)
    assert np.abs(result - plain).max() > 1e-3
    for y, x in [(0, 0), (5, 6), (3, 2)]:
        window = torch.from_numpy(padded[y : y + raw, x : x + raw])[None, None]
        with torch.no_grad():
            want = model(transform_windows(window, 65, transform)).softmax(1)[0]
        np.testing.assert_allclose(result[:, y, x], want.numpy(), atol=1e-5)


@pytest.mark.parametrize(("stride", "size"), [(3, (10, 13)), (4, (11, 6)), (5, (1, 7)), (20, (6, 6))])
def test_stride_interpolates_between_exact_pixels(stride, size):
    model, image = network().eval(), random_image(*size)
    full, coarse = predict_by_windows(model, image), predict_by_windows(model, image, stride=stride)
    rows, columns = (sorted({*range(0, extent, stride), extent - 1}) for extent in size)
    assert coarse.shape == full.shape
    np.testing.assert_allclose(coarse[:, rows][..., columns], full[:, rows][..., columns], atol=1e-6)
    for k in range(2):
        for y in range(size[0]):
            by_rows = [np.interp(y, rows, full[k, rows, x]) for x in columns]
            np.testing.assert_allclose(coarse[k, y], np.interp(range(size[1]), columns, by_rows), atol=1e-6)


class Small(torch.nn.Module):
    """A network on a device that has no room for more than some windows at a time."""

    def __init__(self, model: torch.nn.Module, room: int) -> None:
        super().__init__()
        self.model, self.window, self.room, self.seen = model, model.window, room, []

    def forward(self, windows: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(windows))
        if len(windows) > self.room:
            raise torch.OutOfMemoryError
        return self.model(windows)


def test_windows_that_do_not_fit_are_taken_by_fewer():
    model, image = network().eval(), random_image(5, 7)
    small, expected = Small(model, 9).eval(), predict_by_windows(model, image, transform=BOTH)
    found = predict_by_windows(small, image, transform=BOTH, batch=4096)
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert small.seen[-5:] == [8, 8, 8, 8, 3]
    with pytest.raises(torch.OutOfMemoryError):
        predict_by_windows(Small(model, 0).eval(), image)


def test_single_output_is_a_sigmoid():
    model, image = network(classes=1).eval(), random_image(3, 4)
    with torch.no_grad():
        want = model.dense()(torch.from_numpy(mirror(image, 65))[None]).sigmoid()[0].numpy()
    np.testing.assert_allclose(predict_by_windows(model, image), want, atol=1e-5)


@pytest.mark.parametrize("training", [True, False])
def test_prediction_restores_the_mode(training):
    model = network().train(training)
    predict_by_windows(model, random_image(2, 2))
    assert model.training is training
    assert torch.is_grad_enabled()
    with pytest.raises(ValueError, match="ciresan"):
        predict_by_windows(model, random_image(2, 2, channels=3))
    assert model.training is training


@pytest.mark.parametrize("option", ["stride", "batch"])
def test_prediction_checks_its_options(option):
    with pytest.raises(ValueError, match=f"{option}=0"):
        predict_by_windows(network(), random_image(2, 2), **{option: 0})


@settings(max_examples=20, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), wide=st.integers(1, 5), seed=st.integers(0, 99))
def test_sparse_products_are_those_of_dense_matrices(rows, columns, wide, seed):
    """Rows without an entry, too; and a device without values knows the shape."""
    generator = np.random.default_rng(seed)
    matrix = generator.standard_normal((rows, columns)) * (generator.random((rows, columns)) < 0.4)
    dense = generator.standard_normal((columns, wide))
    sparse = SparseMatrix.on(torch.device("cpu"), csr_array(matrix), torch.float64)
    found = sparse.times(torch.from_numpy(dense))
    np.testing.assert_allclose(found.numpy(), matrix @ dense, atol=1e-12)
    there = SparseMatrix.on(torch.device("meta"), csr_array(matrix), torch.float32)
    assert there.times(torch.empty(columns, wide, device="meta")).shape == found.shape
