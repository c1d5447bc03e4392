# SPDX-License-Identifier: MIT
"""Batches: each window as often as asked for, from the right place, the same every time."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome.io.raster import ArraySource, StackedSource
from microtome.training import labelled as labelled_module
from microtome.training.batches import (
    BalancedWindowBatches,
    PatchBatches,
    epoch_seed,
)
from microtome.training.labelled import Labelled, Memory


def coded(count=3, height=20, width=23, first=0):
    """Images whose pixels tell where they are: 1000·image + 30·row + column; the label is that modulo 3."""
    found = {}
    for number in range(first, first + count):
        image = 1000 * number + 30 * np.arange(height)[:, None] + np.arange(width)
        found[f"s{number}"] = Labelled(
            ArraySource(image.astype(np.uint16)), ArraySource((image % 3).astype(np.uint8))
        )
    return found


def place(image):
    """Sample number, row and column of the first pixel of each window."""
    first = image[:, 0, 0, 0].long()
    return [(int(v) // 1000, *divmod(int(v) % 1000, 30)) for v in first]


def epochs(batches, number=0):
    return list(batches.epoch(number))


@settings(max_examples=30, deadline=None)
@given(
    repeats=st.integers(1, 3),
    batch_size=st.integers(1, 9),
    crop=st.none() | st.integers(1, 9),
    seed=st.integers(0, 99),
    number=st.integers(0, 5),
)
def test_each_window_is_drawn_equally_often_and_crops_lie_inside(repeats, batch_size, crop, seed, number):
    windows = [(f"s{k}", y, x, 8) for k in range(3) for y in (0, 12) for x in (0, 7, 15)]
    batches = PatchBatches(coded(), windows, batch_size, crop, repeats, seed)
    found = epochs(batches, number)
    assert len(found) == len(batches)
    assert [len(batch.samples) for batch in found[:-1]] == [batch_size] * (len(found) - 1)
    side = min(crop or 8, 8)
    origins = Counter()
    for batch in found:
        assert batch.images.shape[1:] == batch.labels.shape[1:] == (1, side, side)
        assert (batch.images.dtype, batch.labels.dtype) == (torch.uint16, torch.uint8)
        assert torch.equal(batch.labels.long(), batch.images.long() % 3)
        for name, (k, y, x) in zip(batch.samples, place(batch.images), strict=True):
            assert name == f"s{k}"
            inside = [
                w for w in windows if w[0] == name and 0 <= y - w[1] <= 8 - side and 0 <= x - w[2] <= 8 - side
            ]
            assert inside
            origins[name] += 1
            if side == 8:
                origins[inside[0]] += 1
    assert {origins[f"s{k}"] for k in range(3)} == {6 * repeats}
    if side == 8:
        assert {origins[window] for window in windows} == {repeats}


def test_order_and_crops_depend_on_seed_and_epoch_alone():
    def places(seed, number):
        windows = [("s0", y, x, 9) for y in range(0, 11, 2) for x in range(0, 14, 2)]
        batches = PatchBatches(coded(), windows, 4, 5, 1, seed)
        return [p for batch in epochs(batches, number) for p in place(batch.images)]

    first = places(1, 2)
    assert first == places(1, 2)
    assert len({tuple(places(seed, number)) for seed in (1, 2) for number in range(3)}) == 6


def test_every_place_of_a_crop_is_reached():
    batches = PatchBatches(coded(1), [("s0", 2, 3, 6)], 8, 4, 400, 0)
    found = Counter(p[1:] for batch in epochs(batches) for p in place(batch.images))
    assert set(found) == {(y, x) for y in (2, 3, 4) for x in (3, 4, 5)}
    assert min(found.values()) > 400 / 9 / 2


def test_validation_goes_in_order_with_central_crops():
    windows = [("s2", 0, 0, 9), ("s0", 4, 3, 9)]
    batches = PatchBatches(coded(), windows, 1, 5, shuffle=False)
    assert [place(batch.images)[0] for batch in epochs(batches, 3)] == [(2, 2, 2), (0, 6, 5)]


def test_windows_beyond_a_small_image_are_mirrored():
    images = coded(1, height=5, width=7)
    (batch,) = PatchBatches(images, [("s0", 0, 0, 12)], 1).epoch(0)
    whole = images["s0"].image.read(0, 0, 5, 7)[0]
    expected = np.pad(whole, ((0, 7), (0, 5)), mode="reflect")
    assert np.array_equal(batch.images[0, 0].numpy(), expected)
    assert np.array_equal(batch.labels[0, 0].numpy(), expected % 3)


def test_an_empty_or_foreign_index_is_refused():
    with pytest.raises(ValueError, match="no window of the samples s0, s1, s2; have they labels"):
        PatchBatches(coded(), [], 4)
    with pytest.raises(ValueError, match="names other, expected samples among s0"):
        PatchBatches(coded(1), [("other", 0, 0, 4)], 4)


def labelled(labels, first=0):
    found = coded(len(labels), *labels[0].shape, first=first)
    return {
        name: Labelled(found[name].image, ArraySource(label.astype(np.uint8)))
        for name, label in zip(sorted(found), labels, strict=True)
    }


@settings(max_examples=20, deadline=None)
@given(
    per_epoch=st.integers(1, 200),
    batch_size=st.integers(1, 50),
    classes=st.integers(2, 4),
    size=st.sampled_from([1, 5, 33]),
    seed=st.integers(0, 9),
)
def test_balanced_windows(per_epoch, batch_size, classes, size, seed):
    generator = np.random.default_rng(seed)
    labels = [generator.integers(0, classes, (11, 13)) for _ in range(2)]
    for label in labels:
        label.flat[:classes] = np.arange(classes)
        label[5:8, 4:9] = 255
    images = labelled(labels)
    batches = BalancedWindowBatches(images, size, per_epoch, batch_size, seed)
    found = epochs(batches, seed)
    assert len(found) == len(batches)
    half, counts = size // 2, Counter()
    for batch in found:
        assert batch.images.shape[1:] == (1, size, size)
        assert batch.labels.shape[1:] == (1, 1, 1)
        for window, label, name in zip(
            batch.images[:, 0], batch.labels[:, 0, 0, 0], batch.samples, strict=True
        ):
            y, x = divmod(int(window[half, half]) % 1000, 30)
            source = images[name]
            rows, columns = (
                np.pad(np.arange(n), half, mode="reflect")[c : c + size] for n, c in ((11, y), (13, x))
            )
            assert np.array_equal(window.numpy(), source.image.array[np.ix_(rows, columns)])
            assert int(label) == source.label.array[y, x] != 255
            counts[int(label)] += 1
    share, rest = divmod(per_epoch, classes)
    assert [counts[value] for value in range(classes)] == [share + (value < rest) for value in range(classes)]


def test_balanced_windows_are_new_each_epoch_unless_fixed():
    images = labelled([np.arange(143).reshape(11, 13) % 2])

    def drawn(number, **options):
        batches = BalancedWindowBatches(images, 3, 60, 7, **options)
        return torch.cat([batch.images for batch in batches.epoch(number)])

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    assert not torch.equal(drawn(1), drawn(1, seed=1))
    assert torch.equal(drawn(1, fixed=True), drawn(2, fixed=True))


def test_rare_classes_are_drawn_from_all_images():
    labels = [np.zeros((11, 13)), np.zeros((11, 13))]
    labels[0][2, 3] = labels[1][4, 5] = 1
    batches = BalancedWindowBatches(labelled(labels), 3, 100, 100)
    (batch,) = batches.epoch(0)
    rare = batch.labels[:, 0, 0, 0] == 1
    places = Counter((int(v) // 1000, *divmod(int(v) % 1000, 30)) for v in batch.images[rare, 0, 1, 1])
    assert set(places) == {(0, 2, 3), (1, 4, 5)}
    assert sum(places.values()) == 50


def test_all_of_the_rarest_class_of_each_image_and_as_many_others():
    labels = [np.zeros((11, 13)), np.ones((11, 13)), np.zeros((11, 13))]
    labels[0][2, 3:9] = 1
    labels[1][:] = 0  # of one class alone: it gives nothing
    labels[2][4:9, 1:12] = 1
    labels[2][0] = 255
    batches = BalancedWindowBatches(labelled(labels), 3, None, 10)
    found = epochs(batches)
    assert len(found) == len(batches) == -(-2 * (6 + 55) // 10)
    places = [(int(w[0, 1, 1]) // 1000, *divmod(int(w[0, 1, 1]) % 1000, 30)) for b in found for w in b.images]
    classes = [int(label) for batch in found for label in batch.labels[:, 0, 0, 0]]
    assert len(set(places)) == len(places) == 2 * (6 + 55), "no pixel twice"
    rare = {place for place, value in zip(places, classes, strict=True) if value == 1}
    assert rare == {(k, y, x) for k in (0, 2) for y, x in np.argwhere(labels[k] == 1).tolist()}
    by_image = Counter((place[0], value) for place, value in zip(places, classes, strict=True))
    assert by_image == {(0, 0): 6, (0, 1): 6, (2, 0): 55, (2, 1): 55}
    assert not torch.equal(epochs(batches, 1)[0].images, found[0].images), "the others are drawn anew"
    alone = [np.zeros((5, 5)), np.ones((5, 5))]
    with pytest.raises(ValueError, match="none of s0, s1 holds two classes"):
        len(BalancedWindowBatches(labelled(alone), 3, None, 10))


def test_images_are_read_once():
    class Counting:
        shape, dtype, reads = (1, 11, 13), np.dtype(np.uint8), 0

        def read(self, y, x, height, width):
            Counting.reads += 1
            return (np.arange(143).reshape(1, 11, 13) % 2).astype(np.uint8)

    held = Labelled(Memory().hold(Counting()), Counting())
    batches = BalancedWindowBatches({"s": held}, 3, 10, 5)
    for number in range(3):
        epochs(batches, number)
    assert Counting.reads == 2


def test_one_class_is_not_enough():
    with pytest.raises(ValueError, match=r"labels of s0 hold 1 class\(es\)"):
        epochs(BalancedWindowBatches(labelled([np.full((5, 5), 255) * (np.arange(5) > 1)]), 3, 10, 5))


def test_seeds_depend_on_every_key():
    seeds = {epoch_seed(*keys) for keys in ((0, 1), (1, 0), (0, 1, 1), (0, 1, 2), (7,))}
    assert len(seeds) == 5
    assert all(0 <= seed < 2**32 for seed in seeds)


def test_images_are_held_while_there_is_room(monkeypatch):
    source, size = coded(1)["s0"].image, 20 * 23 * 2
    memory = Memory(2 * size)
    held = [memory.hold(StackedSource((source,))) for _ in range(3)]
    assert [isinstance(one, ArraySource) for one in held] == [True, True, False]
    assert (memory.held, memory.left, memory.by_window) == (2 * size, 0, 1)
    assert all(np.array_equal(one.read(1, 2, 3, 4), source.read(1, 2, 3, 4)) for one in held)
    monkeypatch.setattr(labelled_module, "HELD_IMAGE", size - 1)
    assert Memory().hold(source) is source


@pytest.mark.parametrize("size", [1, 5, 31])
def test_balanced_windows_of_rasters_are_those_of_arrays(size):
    """Images that are not held are read by window, over their borders too."""
    held, other = (
        coded(),
        {name: Labelled(StackedSource((one.image,)), one.label) for name, one in coded().items()},
    )
    for one, two in zip(
        *(BalancedWindowBatches(kind, size, 60, 7, 3).epoch(1) for kind in (held, other)), strict=True
    ):
        assert torch.equal(one.images, two.images)
        assert torch.equal(one.labels, two.labels)
        assert one.samples == two.samples


WINDOWS = [(f"s{k}", y, x, 8) for k in range(3) for y in (0, 12) for x in (0, 7, 15)]


def keys(batches, number=0):
    """(window, draw) of every item of an epoch."""
    origins = {(name, y, x): index for index, (name, y, x, _) in enumerate(WINDOWS)}
    return [
        (origins[name, y, x], draw)
        for batch in batches.epoch(number)
        for name, (_, y, x), draw in zip(batch.samples, place(batch.images), batch.draws, strict=True)
    ]


@settings(max_examples=30, deadline=None)
@given(
    copies=st.integers(0, 7),
    holdout=st.floats(0.05, 0.6),
    seed=st.integers(0, 99),
    number=st.integers(0, 3),
)
def test_shares_complement_each_other(copies, holdout, seed, number):
    train, held = (
        PatchBatches(coded(), WINDOWS, 5, seed=seed, shuffle=shuffle, copies=copies, share=share)
        for shuffle, share in ((True, (0.0, 1 - holdout)), (False, (1 - holdout, 1.0)))
    )
    everything = PatchBatches(coded(), WINDOWS, 5, seed=seed, copies=copies)
    count = len(WINDOWS) * (1 + copies)
    assert len(everything.items) == count
    assert len(held.items) == count - round((1 - holdout) * count)
    found = [keys(batches, number) for batches in (train, held)]
    assert Counter([*found[0], *found[1]]) == Counter(keys(everything)), "disjoint, and everything together"
    assert [len(train), len(held)] == [-(-len(part) // 5) for part in found]


def test_the_share_is_drawn_by_the_seed_alone():
    def held(**changes):
        options = {"seed": 4, "copies": 3, "share": (0.8, 1.0), "shuffle": False} | changes
        return PatchBatches(coded(), WINDOWS, 5, **options).items.tolist()

    assert held() == held(shuffle=True) == held()
    assert held() != held(seed=5)
    assert sorted(held()) == held(), "validation goes in order"


def test_the_share_is_another_draw_than_the_order_of_an_epoch():
    count = len(WINDOWS)
    for number in range(5):
        order = np.random.default_rng([0, number]).permutation(count)
        held = PatchBatches(coded(), WINDOWS, 5, seed=0, share=(0.5, 1.0)).items[:, 0]
        assert sorted(order[count // 2 :]) != held.tolist()


def test_shares_without_copies_are_augmented_anew():
    batches = PatchBatches(coded(), WINDOWS, 5, share=(0.0, 0.5))
    assert {batch.draws for batch in batches.epoch(0)} == {()}
    assert len(batches) == 2


def test_an_empty_share_is_refused():
    batches = PatchBatches(coded(), WINDOWS[:3], 5, copies=0, share=(0.9, 1.0))
    with pytest.raises(
        ValueError, match=r"3 windows and copies cannot be shared out so that 0.9 to 1 of them"
    ):
        len(batches)


@settings(max_examples=20, deadline=None)
@given(copies=st.integers(0, 5), holdout=st.floats(0.2, 0.8), seed=st.integers(0, 99))
def test_shares_by_sample_have_no_image_in_common(copies, holdout, seed):
    options = {"seed": seed, "copies": copies, "by_sample": True}
    train, held = (
        PatchBatches(coded(), WINDOWS, 5, share=share, **options)
        for share in ((0.0, 1 - holdout), (1 - holdout, 1.0))
    )
    names = [{WINDOWS[window][0] for window, _ in part.items.tolist()} for part in (train, held)]
    assert not names[0] & names[1]
    assert names[0] | names[1] == {"s0", "s1", "s2"}
    assert len(names[1]) == 3 - round((1 - holdout) * 3)
    both = sorted(map(tuple, [*train.items.tolist(), *held.items.tolist()]))
    assert both == sorted(map(tuple, PatchBatches(coded(), WINDOWS, 5, copies=copies).items.tolist()))


def test_the_samples_of_a_share_follow_the_seed():
    def held(seed):
        batches = PatchBatches(coded(), WINDOWS, 5, seed=seed, share=(0.6, 1.0), by_sample=True)
        return {WINDOWS[window][0] for window, _ in batches.items.tolist()}

    assert held(3) == held(3)
    assert set().union(*map(held, range(12))) == {"s0", "s1", "s2"}


def test_too_few_samples_to_share_out_are_refused():
    batches = PatchBatches(coded(), WINDOWS, 5, copies=9, share=(0.9, 1.0), by_sample=True)
    with pytest.raises(
        ValueError, match=r"3 images cannot be shared out .*sampler.holdout or take more images"
    ):
        len(batches)


def test_copies_are_the_same_in_every_epoch_and_differ_from_one_another():
    batches = PatchBatches(coded(), WINDOWS, 4, seed=2, copies=3)
    first, second = keys(batches, 0), keys(batches, 1)
    assert first != second, "in another order"
    assert sorted(first, key=str) == sorted(second, key=str)
    for window in range(len(WINDOWS)):
        draws = [draw for key, draw in first if key == window]
        assert draws.count(None) == 1, "the window itself"
        assert len(set(draws)) == 4
    drawn = [draw for _, draw in first if draw is not None]
    assert len(set(drawn)) == len(drawn) == 3 * len(WINDOWS)
    other = keys(PatchBatches(coded(), WINDOWS, 4, seed=3, copies=3), 0)
    assert not {draw for _, draw in other if draw is not None} & set(drawn)


def test_more_copies_keep_those_that_were_there():
    few, many = (set(keys(PatchBatches(coded(), WINDOWS, 4, seed=2, copies=n))) for n in (2, 5))
    assert few < many


def test_no_copies_are_windows_that_are_never_augmented():
    batches = PatchBatches(coded(), WINDOWS, 4, copies=0)
    assert sorted(keys(batches)) == [(number, None) for number in range(len(WINDOWS))]


def test_copies_are_repeated_as_windows_are():
    found = Counter(keys(PatchBatches(coded(), WINDOWS, 4, copies=1, repeats=3)))
    assert len(found) == 2 * len(WINDOWS)
    assert set(found.values()) == {3}


def test_labels_of_several_maps_are_cut_alike():
    (image,) = (found.image for found in coded(1).values())
    maps = [(image.array % divisor).astype(np.uint8) for divisor in (3, 5)]
    stacked = StackedSource(tuple(ArraySource(found) for found in maps))
    (batch,) = PatchBatches({"s0": Labelled(image, stacked)}, [("s0", 3, 4, 6), ("s0", 16, 18, 6)], 2).epoch(
        0
    )
    assert batch.labels.shape == (2, 2, 6, 6)
    for channel, divisor in enumerate((3, 5)):
        assert torch.equal(batch.labels[:, channel].long(), batch.images[:, 0].long() % divisor)


@pytest.mark.parametrize("readers", [2, 5])
def test_several_threads_read_the_same(readers):
    kinds = [{"crop": 5, "repeats": 2}, {"shuffle": False}]
    for options in kinds:
        alone = PatchBatches(coded(), WINDOWS, 4, seed=3, **options)
        shared = replace(alone, readers=readers)
        for one, other in zip(alone.epoch(1), shared.epoch(1), strict=True):
            assert one.samples == other.samples
            assert torch.equal(one.images, other.images)
            assert torch.equal(one.labels, other.labels)
