# SPDX-License-Identifier: MIT
"""Every loss: its contract, its formula against an independent one, and the published consistency checks."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from microtome import losses
from microtome.config.entries import model
from tests.losses.contract import LossContract, random_case
from tests.reference import region_losses as oracle


class SigmoidContract(LossContract):
    def test_mask_broadcasts_over_channels(self, loss):
        logits, target, valid = self.case()
        narrow = valid[:, :1]
        assert loss(logits, target, narrow).item() == loss(logits, target, narrow.expand_as(logits)).item()

    def test_large_batches_stay_accurate_in_float32(self, loss):
        logits, target, _ = random_case(7, (4, 1, 256, 256), scale=0.1)
        logits = logits + (target * 2 - 1) * 7  # nearly perfect: 1 - (almost 1) would cancel
        want = self.expected(logits.numpy(), target.numpy(), None)
        assert loss(logits.float(), target).item() == pytest.approx(want, rel=1e-4)


class FlatContract(SigmoidContract):
    def test_flattens_the_batch(self, loss):
        logits, target, _ = self.case()
        assert loss(logits, target).item() == pytest.approx(
            loss(logits.reshape(1, 1, 1, -1), target.reshape(1, 1, 1, -1)).item(), rel=1e-12
        )


class TestBCE(FlatContract):
    name = "bce"

    def expected(self, logits, target, valid):
        return oracle.bce(logits, target, valid)


class TestDice(FlatContract):
    name = "dice"

    def expected(self, logits, target, valid):
        return oracle.dice(logits, target, valid)


class TestDiceWithOtherSmoothing(FlatContract):
    name, options = "dice", {"smooth": 3.5}

    def expected(self, logits, target, valid):
        return oracle.dice(logits, target, valid, smooth=3.5)


class TestDiceBCE(FlatContract):
    name = "dicebce"

    def expected(self, logits, target, valid):
        return oracle.dicebce(logits, target, valid)


class TestBCEDice(SigmoidContract):
    name = "bce_dice"

    def expected(self, logits, target, valid):
        return oracle.bce_dice(logits, target, valid, **self.options)

    def test_every_map_counts_alike(self, loss):
        """The mean over parts of equal size; a flattened loss has another value."""
        logits, target, _ = self.case()
        parts = [
            loss(logits[n : n + 1, c : c + 1], target[n : n + 1, c : c + 1]).item()
            for n in range(logits.shape[0])
            for c in range(logits.shape[1])
        ]
        assert loss(logits, target).item() == pytest.approx(np.mean(parts), rel=1e-12)
        flat = loss(logits.reshape(1, 1, 1, -1), target.reshape(1, 1, 1, -1)).item()
        assert flat != pytest.approx(np.mean(parts), rel=1e-4)

    def test_maps_without_a_valid_pixel_do_not_count(self, loss):
        logits, target, valid = self.case()
        valid[1, 0] = False
        want = self.expected(logits.numpy(), target.numpy(), valid.numpy())
        assert loss(logits, target, valid).item() == pytest.approx(want, rel=1e-12)
        valid[1] = False
        rest = [0, 2]
        assert loss(logits, target, valid).item() == pytest.approx(
            loss(logits[rest], target[rest], valid[rest]).item(), rel=1e-12
        )

    def test_one_map(self, loss):
        logits, target, valid = random_case(3, (2, 1, 6, 4))
        want = self.expected(logits.numpy(), target.numpy(), valid.numpy())
        assert loss(logits, target, valid).item() == pytest.approx(want, rel=1e-12)


class TestBCEDiceSquared(TestBCEDice):
    options = {"squared": True, "weight": 0.3}


class TestBCEDiceOfDiceAlone(TestBCEDice):
    options = {"weight": 0.0}


class TestIoU(FlatContract):
    name = "iou"

    def expected(self, logits, target, valid):
        return oracle.iou(logits, target, valid)


class TestTversky(FlatContract):
    name = "tversky"

    def expected(self, logits, target, valid):
        return oracle.tversky(logits, target, valid)


class TestTverskyWithOtherWeights(FlatContract):
    name, options = "tversky", {"alpha": 0.9, "beta": 0.2, "smooth": 2.0}

    def expected(self, logits, target, valid):
        return oracle.tversky(logits, target, valid, **self.options)


class TestFocalBatchMean(FlatContract):
    name = "focal"

    def expected(self, logits, target, valid):
        return oracle.focal_batch_mean(logits, target, valid)


class TestFocalBatchMeanSmallGamma(FlatContract):
    name, options = "focal", {"gamma": 0.5, "alpha": 0.3}

    def expected(self, logits, target, valid):
        return oracle.focal_batch_mean(logits, target, valid, gamma=0.5, alpha=0.3)


class TestFocalPerPixel(FlatContract):
    name, options = "focal", {"form": "per_pixel"}

    def expected(self, logits, target, valid):
        return oracle.focal_per_pixel(logits, target, valid)


class TestFocalPerPixelSmallGamma(FlatContract):
    name, options = "focal", {"form": "per_pixel", "gamma": 0.5, "alpha": 0.3}

    def expected(self, logits, target, valid):
        return oracle.focal_per_pixel(logits, target, valid, gamma=0.5, alpha=0.3)


class TestCrossEntropy(LossContract):
    name = "cross_entropy"

    def case(self, seed=0):
        generator = torch.Generator().manual_seed(seed)
        logits = torch.randn((3, 4, 5, 2), generator=generator, dtype=torch.float64) * 3
        target = torch.randint(0, 4, (3, 5, 2), generator=generator)
        return logits, target, torch.rand((3, 5, 2), generator=generator) < 0.7

    def perfect(self, target):
        return torch.nn.functional.one_hot(target, 4).movedim(-1, 1).double() * 200

    def expected(self, logits, target, valid):
        return oracle.cross_entropy(logits, target, valid)


class TestWeightedCrossEntropy(TestCrossEntropy):
    options = {"class_weight": [1.0, 0.5, 4.0, 0.0]}

    def expected(self, logits, target, valid):
        return oracle.cross_entropy(logits, target, valid, self.options["class_weight"])


class TestWeightedCrossEntropyByCount(TestCrossEntropy):
    options = {"class_weight": [1.0, 0.5, 4.0, 2.0], "normalize": "count"}

    def expected(self, logits, target, valid):
        return oracle.cross_entropy(logits, target, valid, self.options["class_weight"], by_weights=False)


def test_registry_lists_files_and_not_shared_parts():
    assert losses.names() == (
        "bce",
        "bce_dice",
        "ce_dice",
        "compound",
        "cross_entropy",
        "dice",
        "dicebce",
        "focal",
        "iou",
        "lovasz",
        "mdsc_tv",
        "softmax_dice",
        "softmax_focal",
        "tversky",
        "weighted_cross_entropy",
    )


def test_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"no loss called 'tverski'; expected 'tversky'\?"):
        losses.build("tverski")
    with pytest.raises(ValueError, match="no loss called '_regions'"):
        losses.build("_regions")


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("dice", {"smooth": 0}, "smooth\n.*greater than 0"),
        ("bce_dice", {"weight": 1.1}, "weight\n.*less than or equal to 1"),
        ("tversky", {"alpha": -0.1}, "alpha\n.*greater than or equal to 0"),
        ("tversky", {"beta": math.inf}, "beta\n.*finite"),
        ("focal", {"form": "per_pixl"}, "'batch_mean' or 'per_pixel'"),
        ("focal", {"alpha": 1.2}, "alpha\n.*less than or equal to 1"),
        ("cross_entropy", {"class_weight": [1.0, -1.0]}, "class_weight"),
        ("cross_entropy", {"class_weight": [0.0, 0.0]}, "one at least is above 0"),
        ("cross_entropy", {"normalize": "weight"}, "'weights' or 'count'"),
        ("weighted_cross_entropy", {"momentum": 1.0}, "momentum\n.*less than 1"),
        ("weighted_cross_entropy", {"largest": 0.5}, "largest\n.*greater than or equal to 1"),
        ("compound", {"positive": -1}, "positive.*\n.*greater than or equal to 0"),
        ("bce", {"no_such_option": 1}, "no_such_option\n.*not permitted"),
    ],
)
def test_options_are_checked_when_built(name, options, message):
    with pytest.raises(ValueError, match=message):
        losses.build(name, **options)


@pytest.mark.parametrize("contract", [TestDice, TestCrossEntropy])
def test_what_all_losses_of_a_family_share(contract):
    """The checks and masks of `_regions` and `_classes`."""
    loss, given = losses.build(contract.name, **contract.options), contract().case()
    logits, target, valid = given
    copies = [tensor.clone() for tensor in given]
    whole = loss(logits, target, torch.ones_like(valid)).item()
    assert whole == pytest.approx(loss(logits, target).item(), rel=1e-12)
    with pytest.raises(ValueError, match=r"found logits \(3, "):
        loss(logits, target[:2])
    with pytest.raises(ValueError, match="valid must be bool"):
        loss(logits, target, valid.float())
    with pytest.raises(ValueError, match="broadcastable"):
        loss(logits, target, torch.cat([valid, valid], dim=-1))
    assert all(torch.equal(before, after) for before, after in zip(copies, given, strict=True))


def test_every_loss_says_what_it_takes():
    """The model of its options, beside the loss."""
    for name in losses.names():
        options = model("microtome.config.losses", name)
        assert options.TARGET in ("sigmoid", "softmax")
        assert options().name == name


def test_region_losses_refuse_class_numbers():
    with pytest.raises(ValueError, match="cross_entropy"):
        losses.build("dice")(torch.zeros(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64))


def test_cross_entropy_leaves_ignored_labels_out():
    logits, target, valid = TestCrossEntropy().case()
    marked = torch.where(valid, target, torch.tensor(255)).to(torch.uint8)
    loss = losses.build("cross_entropy")
    assert loss(logits, marked).item() == pytest.approx(loss(logits, target, valid).item(), rel=1e-12)


def test_cross_entropy_of_windows():
    logits = torch.tensor([[0.0, 1.0], [2.0, 0.0]])
    want = oracle.cross_entropy(logits.numpy(), np.array([1, 0]))
    assert losses.build("cross_entropy")(logits, torch.tensor([1, 0])).item() == pytest.approx(want, rel=1e-6)


def test_cross_entropy_counts_its_class_weights():
    with pytest.raises(ValueError, match="3 class weights for 2 classes"):
        losses.build("cross_entropy", class_weight=[1, 2, 3])(
            torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64)
        )


def test_binary_losses_of_two_maps_are_the_mean_over_both():
    """Mask and marker are two independent sigmoids: neither loss compares the maps."""
    logits, target, _ = random_case(5, (2, 2, 6, 4))
    for name in ("bce", "bce_dice"):
        loss = losses.build(name)
        alone = [loss(logits[:, c : c + 1], target[:, c : c + 1]).item() for c in (0, 1)]
        assert loss(logits, target).item() == pytest.approx(np.mean(alone), rel=1e-12)


def test_bce_dice_by_hand():
    """Two pixels with p = ½, one true: TP = FP = FN = ½, so T = 1.5 / 2; squared, T = 3 / 3.5."""
    logits, target = torch.zeros(1, 1, 1, 2), torch.tensor([[[[1.0, 0.0]]]])
    linear, squared = (
        losses.build("bce_dice", weight=0.25, squared=s)(logits, target).item() for s in (False, True)
    )
    assert linear == pytest.approx(0.25 * math.log(2) + 0.75 * (1 - 1.5 / 2), rel=1e-6)
    assert squared == pytest.approx(0.25 * math.log(2) + 0.75 * (1 - 3 / 3.5), rel=1e-6)


def uniform_batch(entropy):
    """Logits and a target whose binary cross entropy is `entropy` at each pixel."""
    probability = math.exp(-entropy)
    logit = math.log(probability / (1 - probability))
    return torch.full((4, 1, 8, 8), logit, dtype=torch.float64), torch.ones(4, 1, 8, 8)


def test_published_focal_value_is_the_batch_mean_form():
    entropy = 0.19
    logits, target = uniform_batch(entropy)
    value = losses.build("focal")(logits, target).item()
    assert value == pytest.approx(0.8 * (1 - math.exp(-entropy)) ** 2 * entropy, rel=1e-12)
    assert round(value, 4) == pytest.approx(0.0045, abs=1.01e-4)


def test_published_dice_and_iou_agree():
    """Dice loss .0539 means IoU loss 1 - D/(2 - D) = .1023 on the same prediction (printed .1007)."""
    pixels, errors = 10**6, 53900
    target = torch.ones(1, 1, 1, pixels, dtype=torch.float64)
    target[..., :errors] = 0
    prediction = torch.ones_like(target)
    prediction[..., errors : 2 * errors] = 0
    logits = (prediction * 2 - 1) * 200
    dice, iou = (losses.build(name)(logits, target).item() for name in ("dice", "iou"))
    overlap = (pixels - 2 * errors) / (pixels - errors)
    assert dice == pytest.approx(1 - overlap, abs=1e-5)
    assert iou == pytest.approx(2 * dice / (1 + dice), abs=1e-5)
    published = 0.0539
    assert 2 * published / (1 + published) == pytest.approx(0.1023, abs=5e-5)


def test_predicting_all_cells_has_the_dice_loss_of_the_prevalence():
    target = torch.ones(1, 1, 100, 100)
    target[..., :22] = 0
    assert losses.build("dice")(torch.full_like(target, 100.0), target).item() == pytest.approx(
        0.1236, abs=1e-4
    )


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), smooth=st.floats(0.01, 10))
def test_tversky_halves_are_dice_and_ones_are_iou(seed, smooth):
    logits, target, valid = random_case(seed)

    def value(name, **options):
        return losses.build(name, **options)(logits, target, valid).item()

    half = value("tversky", alpha=0.5, beta=0.5, smooth=smooth / 2)
    assert half == pytest.approx(value("dice", smooth=smooth), rel=1e-12)
    assert value("tversky", alpha=1.0, beta=1.0, smooth=smooth) == pytest.approx(
        value("iou", smooth=smooth), rel=1e-12
    )
    assert 0 <= half < 1


def test_tversky_weighs_missed_pixels_more():
    target = torch.zeros(1, 1, 10, 10)
    target[..., :5] = 1
    loss = losses.build("tversky")
    fewer, more = target * 200 - 100, target * 200 - 100
    fewer[..., 4], more[..., 5] = -100, 100
    assert loss(fewer, target) > loss(more, target)
