# SPDX-License-Identifier: MIT
"""Predictive entropy and mutual information of ensembles."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.inference.ensemble import entropy, mean_probability, measure
from microtome.io import images
from microtome.io.views import read_map
from microtome.stages.runs import average_batch, write_uncertainty
from microtome.stages.stored_maps import as_bytes

LN2 = np.log(2)


def softmax_maps(seed, members=3, classes=3, size=(4, 5)):
    values = np.random.default_rng(seed).gamma(0.5, size=(members, classes, *size)) + 1e-6
    return list((values / values.sum(1, keepdims=True)).astype(np.float32))


def sigmoid_maps(seed, members=4, outputs=2, size=(4, 5)):
    return list(np.random.default_rng(seed).random((members, outputs, *size), np.float32))


def pixel(distribution):
    """Entropy of one distribution, by the formula."""
    return -sum(p * np.log(p) for p in map(float, distribution) if p > 0)


def test_softmax_by_hand():
    maps = softmax_maps(0)
    maps[0][:, 0, 0] = [1, 0, 0]
    found = measure(maps, activation="softmax")
    assert (found.mean.shape, found.entropy.shape, found.mutual_information.shape) == (
        (3, 4, 5),
        (1, 4, 5),
        (1, 4, 5),
    )
    for y, x in np.ndindex(4, 5):
        mean = np.mean([one[:, y, x].astype(float) for one in maps], axis=0)
        expected = np.mean([pixel(one[:, y, x]) for one in maps])
        assert found.mean[:, y, x] == pytest.approx(mean, abs=1e-6)
        assert found.entropy[0, y, x] == pytest.approx(pixel(mean), abs=1e-6)
        assert found.mutual_information[0, y, x] == pytest.approx(pixel(mean) - expected, abs=1e-6)


def test_each_sigmoid_output_is_a_distribution_of_its_own():
    maps = sigmoid_maps(1)
    both = measure(maps, activation="sigmoid")
    assert both.entropy.shape == both.mutual_information.shape == (2, 4, 5)
    for output in (0, 1):
        two_classes = [np.stack([1 - one[output], one[output]]) for one in maps]
        alone = measure(two_classes, activation="softmax")
        assert np.allclose(both.entropy[output], alone.entropy[0], atol=1e-6)
        assert np.allclose(both.mutual_information[output], alone.mutual_information[0], atol=1e-6)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 999), members=st.integers(1, 5), classes=st.integers(2, 4))
def test_bounds(seed, members, classes):
    found = measure(softmax_maps(seed, members, classes), activation="softmax")
    assert (found.mutual_information >= 0).all()
    assert (found.mutual_information <= found.entropy + 1e-6).all()
    assert (found.mutual_information <= np.log(members) + 1e-6).all()
    assert (found.entropy <= np.log(classes) + 1e-6).all()
    assert all(values.dtype == np.float32 for values in (found.mean, found.entropy, found.mutual_information))


def test_what_doubt_means():
    """All unsure: entropy without information. Each sure of the contrary: all of it is information."""
    unsure = [np.full((1, 1, 1), 0.5)] * 3
    torn = [np.zeros((1, 1, 1)), np.ones((1, 1, 1))]
    agreed = [np.ones((1, 1, 1))] * 2
    values = [measure(maps, activation="sigmoid") for maps in (unsure, torn, agreed)]
    assert [value.entropy.item() for value in values] == pytest.approx([LN2, LN2, 0])
    assert [value.mutual_information.item() for value in values] == pytest.approx([0, LN2, 0], abs=1e-7)


def test_the_order_of_members_and_copies_of_all_are_no_matter():
    maps = sigmoid_maps(2)
    one, other = (measure(chosen, activation="sigmoid") for chosen in (maps, [*reversed(maps), *maps]))
    assert np.allclose(one.mutual_information, other.mutual_information, atol=1e-6)
    assert np.allclose(mean_probability(maps), one.mean)


@pytest.mark.parametrize(
    ("maps", "activation", "message"),
    [
        ([], "sigmoid", "found no map, expected maps"),
        ([np.zeros((1, 2, 2)), np.zeros((1, 2, 3))], "sigmoid", r"found \(1, 2, 2\) and \(1, 2, 3\)"),
        ([np.zeros((2, 2))], "sigmoid", r"found \(2, 2\), expected maps \(K, H, W\)"),
        ([np.full((1, 1, 1), 1.5)], "sigmoid", "map 1 of 1 holds values that are no prob"),
        ([np.zeros((1, 1, 1)), np.full((1, 1, 1), np.nan)], "sigmoid", "map 2 of 2"),
        ([np.full((2, 1, 1), 0.7)], "softmax", "sum to between 1.400 and 1.400, expected 1"),
        ([np.full((1, 1, 1), 0.7)], "softmax", "activation='sigmoid'"),
        ([np.full((1, 1, 1), 0.7)], "tanh", "expected one of sigmoid, softmax"),
    ],
)
def test_what_does_not_fit_is_refused(maps, activation, message):
    with pytest.raises(ValueError, match=message):
        measure(maps, activation=activation)


def test_entropy_of_stored_softmax_maps():
    stored = softmax_maps(3)[0].astype(np.float16).astype(np.float32)
    assert entropy(stored, activation="softmax").shape == (1, 4, 5)


@pytest.fixture
def members(tmp_path):
    for number, maps in enumerate(softmax_maps(4, members=3, classes=2)):
        for sample in ("a", "b"):
            images.write(tmp_path / f"seed-{number}/{sample}.tif", maps, mpp=0.5)
    return [tmp_path / f"seed-{number}" for number in range(3)]


def test_uncertainty_is_written_beside_the_means(members, tmp_path):
    average_batch(members, tmp_path / "mean")
    write_uncertainty(members, tmp_path / "uncertainty", activation="softmax")
    expected = measure([read_map(folder / "a.tif") for folder in members], activation="softmax")
    assert sorted(path.name for path in (tmp_path / "uncertainty").iterdir()) == ["a.tif", "b.tif"]
    found = read_map(tmp_path / "uncertainty/a.tif")
    assert np.array_equal(found, np.concatenate([expected.entropy, expected.mutual_information]))
    assert images.header(tmp_path / "uncertainty/a.tif").mpp == pytest.approx(0.5)
    assert np.allclose(read_map(tmp_path / "mean/a.tif"), expected.mean)


def test_doubt_of_maps_that_are_kept_as_bytes(tmp_path):
    maps = softmax_maps(7, members=2, classes=6)
    for number, each in enumerate(maps):
        images.write(tmp_path / f"{number}/a.tif", as_bytes(each.astype(np.float32), exclusive=True))
    write_uncertainty([tmp_path / "0", tmp_path / "1"], tmp_path / "out", activation="softmax")
    expected = measure(maps, activation="softmax")
    found = read_map(tmp_path / "out/a.tif")
    assert np.abs(found - np.concatenate([expected.entropy, expected.mutual_information])).max() < 0.05


def test_two_sigmoid_outputs_have_four_channels(members, tmp_path):
    write_uncertainty(members, tmp_path / "out", activation="sigmoid")
    assert read_map(tmp_path / "out/a.tif").shape == (4, 4, 5)


def test_a_sample_that_does_not_fit_is_named(members, tmp_path):
    images.write(members[1] / "b.tif", np.full((2, 4, 5), 0.9, np.float32))
    with pytest.raises(ValueError, match="sample 'b': the 2 map"):
        write_uncertainty(members, tmp_path / "out", activation="softmax")
    assert not (tmp_path / "out").exists()
    (members[2] / "a.tif").unlink()
    with pytest.raises(FileNotFoundError, match=r"no file of sample 'a' in .*seed-2"):
        write_uncertainty(members, tmp_path / "out", activation="softmax")
