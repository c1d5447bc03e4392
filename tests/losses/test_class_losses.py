# SPDX-License-Identifier: MIT
"""Losses of several classes: contract, independent formulas, and two classes as one output by itself."""

import numpy as np
import pytest
import torch

from microtome import losses
from microtome.class_maps import class_counts, inverse_frequency
from tests.losses.contract import random_case
from tests.losses.test_softmax_losses import SoftmaxContract
from tests.reference import class_losses as oracle
from tests.reference import lovasz, region_losses

SOFTMAX = {"activation": "softmax"}
MEANS = [
    {},
    {"include_background": False},
    {"average": "present"},
    {"average": "micro", "include_background": False},
    {"batch": False},
    {"batch": False, "average": "present"},
]


class Regions(SoftmaxContract):
    """Contract of the losses of soft counts; subclasses say the weights of these."""

    classes, chosen = 4, {}
    alpha, beta, smooth = 0.5, 0.5, 0.5

    def of(self, changes):
        return losses.build(self.name, **SOFTMAX, **self.chosen, **changes)

    @pytest.fixture
    def loss(self):
        return self.of({})

    def expected(self, logits, target, valid, **changes):
        weights = {"alpha": self.alpha, "beta": self.beta, "smooth": self.smooth}
        return oracle.regions(logits, target, valid, **weights, **changes)

    @pytest.mark.parametrize("changes", MEANS, ids=str)
    def test_equals_formula_of_each_mean(self, changes):
        logits, target, valid = self.case(1)
        target = torch.where(target == 3, 2, target)  # a class that is not there
        valid[0] = False  # nor is anything of the first image
        means = {("background" if k == "include_background" else k): v for k, v in changes.items()}
        want = self.expected(logits.numpy(), target.numpy(), valid.numpy(), **means)
        value = self.of(changes)
        assert value(logits, target, valid).item() == pytest.approx(want, rel=1e-10)
        assert value(logits, target, torch.zeros_like(valid)).item() == 0
        few = logits[:, :, :2, :3].clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda x: value(x, target[:, :2, :3], valid[:, :2, :3]), few)

    def test_large_batches_stay_accurate_in_float32(self, loss):
        logits, target, _ = self.case(3, (2, 30, 30))
        logits = logits * 0.05 + self.perfect(target) / 25  # nearly perfect: 1 - (almost 1) would cancel
        want = self.expected(logits.numpy(), target.numpy(), None)
        assert loss(logits.float(), target).item() == pytest.approx(want, rel=1e-4)

    def test_two_classes_are_one_output_by_itself(self):
        """Logits 0 and z without the background give what z gives by sigmoid."""
        z, truth, valid = random_case(2, (3, 1, 6, 5))
        both = torch.cat([torch.zeros_like(z), z], 1)
        single = losses.build(self.name, **self.chosen)(z, truth, valid).item()
        two = self.of({"include_background": False})
        assert two(both, truth[:, 0].long(), valid[:, 0]).item() == pytest.approx(single, rel=1e-12)


class TestDice(Regions):
    name = "dice"


class TestIoU(Regions):
    name = "iou"
    alpha, beta, smooth = 1, 1, 1


class TestTversky(Regions):
    name, chosen = "tversky", {"alpha": 0.2, "beta": 0.9, "smooth": 2}
    alpha, beta, smooth = 0.2, 0.9, 2


class TestBCE(SoftmaxContract):
    name, classes, options = "bce", 4, SOFTMAX

    def expected(self, logits, target, valid):
        valid = np.ones(target.shape, bool) if valid is None else valid
        p = np.exp(logits - logits.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        truth = np.moveaxis(np.eye(p.shape[1])[np.where(valid, target, 0)], -1, 1)
        return -np.log(np.where(truth > 0, p, 1 - p)).mean(1)[valid].mean()

    def test_two_classes_are_one_output_by_itself(self):
        z, truth, valid = random_case(2, (3, 1, 6, 5))
        both = torch.cat([torch.zeros_like(z), z], 1)
        single = losses.build("bce")(z, truth, valid).item()
        two = losses.build("bce", activation="softmax")(both, truth[:, 0].long(), valid[:, 0]).item()
        assert two == pytest.approx(single, rel=1e-12)


class TestFocalOfPixels(SoftmaxContract):
    name, classes, form = "focal", 4, "per_pixel"
    options = SOFTMAX | {"form": "per_pixel", "alpha": 0.7, "gamma": 1.5}

    def expected(self, logits, target, valid):
        return oracle.focal(logits, target, valid, form=self.form, alpha=0.7, gamma=1.5)

    def test_two_classes_are_one_output_by_itself(self):
        z, truth, valid = random_case(2, (3, 1, 6, 5))
        both = torch.cat([torch.zeros_like(z), z], 1)
        single = losses.build("focal", **self.options | {"activation": "sigmoid"})(z, truth, valid).item()
        two = losses.build("focal", **self.options)(both, truth[:, 0].long(), valid[:, 0]).item()
        assert two == pytest.approx(single, rel=1e-12)


class TestFocalOfTheBatch(TestFocalOfPixels):
    form = "batch_mean"
    options = TestFocalOfPixels.options | {"form": "batch_mean"}


class TestSoftmaxFocal(SoftmaxContract):
    name, classes = "softmax_focal", 4
    options = {"gamma": 1.5}

    def expected(self, logits, target, valid):
        """Both weights are ½ of what they are here."""
        return 2 * oracle.focal(logits, target, valid, form="per_pixel", alpha=0.5, gamma=1.5)

    def test_gamma_0_leaves_the_entropy(self):
        logits, target, valid = self.case(3)
        entropy = losses.build("cross_entropy")(logits, target, valid).item()
        found = losses.build("softmax_focal", gamma=0)(logits, target, valid).item()
        assert found == pytest.approx(entropy, rel=1e-12)

    def test_published_options(self):
        """γ = 2: a quarter of ln 2 where both classes are as likely."""
        found = losses.build("softmax_focal")(torch.zeros(1, 2, 3, 3), torch.ones(1, 3, 3, dtype=torch.long))
        assert found.item() == pytest.approx(np.log(2) / 4)


class TestCEDice(SoftmaxContract):
    name, classes = "ce_dice", 4
    options = {"weight": 0.3, "class_weight": [1.0, 0.5, 4.0, 2.0], "average": "present"}

    def expected(self, logits, target, valid):
        entropy = region_losses.cross_entropy(logits, target, valid, self.options["class_weight"])
        dice = oracle.regions(logits, target, valid, alpha=0.5, beta=0.5, smooth=0.5, average="present")
        return 0.3 * entropy + 0.7 * dice

    def test_two_classes_are_bce_dice(self):
        z, truth, valid = random_case(2, (3, 1, 6, 5))
        single = losses.build("bce_dice", weight=0.3)(z, truth, valid).item()
        chosen = {"weight": 0.3, "include_background": False, "batch": False, "smooth": 2}
        both = torch.cat([torch.zeros_like(z), z], 1)
        two = losses.build("ce_dice", **chosen)(both, truth[:, 0].long(), valid[:, 0]).item()
        assert two == pytest.approx(single, rel=1e-12)


class TestLovaszWithoutBackground(SoftmaxContract):
    name, classes, options = "lovasz", 4, {"include_background": False}

    def expected(self, logits, target, valid):
        p, labels = lovasz._rows(logits, target, valid)
        classes = sorted(set(labels.tolist()) - {0})
        return np.mean(
            [lovasz.extension_by_thresholds(labels == c, np.abs((labels == c) - p[:, c])) for c in classes]
        )


class TestAdaptiveWeightsOfTheForeground(SoftmaxContract):
    name, classes, positive = "weighted_cross_entropy", 4, (1, 2, 3)

    def expected(self, logits, target, valid):
        return oracle.adaptive(logits, target, valid, positive=self.positive)[0]

    def test_each_weight_is_said(self, loss):
        logits, target, valid = self.case(2)
        loss(logits, target, valid)
        _, alpha = oracle.adaptive(logits.numpy(), target.numpy(), valid.numpy(), positive=self.positive)
        names = [f"alpha_{number}" for number in self.positive]
        assert loss.logged() == pytest.approx(dict(zip(names, alpha, strict=True)))
        assert len(set(alpha)) > 1


class TestAdaptiveWeightsOfAll(TestAdaptiveWeightsOfTheForeground):
    options, positive = {"positive": "all"}, (0, 1, 2, 3)


class TestCompoundOfSeveral(SoftmaxContract):
    name, classes = "compound", 4

    def expected(self, logits, target, valid):
        entropy, _ = oracle.adaptive(logits, target, valid, positive=(1, 2, 3))
        return entropy + lovasz.lovasz(logits, target, valid)


@pytest.mark.parametrize("name", ["weighted_cross_entropy", "compound"])
@pytest.mark.parametrize("counts", ["hard", "soft"])
def test_of_two_classes_the_foreground_is_the_second_class(name, counts):
    case = TestCompoundOfSeveral()
    case.classes = 2
    logits, target, valid = case.case(5)
    one, foreground = (losses.build(name, counts=counts, **more) for more in ({"positive": 1}, {}))
    assert one(logits, target, valid).item() == foreground(logits, target, valid).item()
    assert one.logged() == foreground.logged()


def test_running_means_of_several_classes_are_saved_and_loaded():
    logits, target, valid = TestCompoundOfSeveral().case(1)
    loss = losses.build("compound", momentum=0.5)
    loss(logits, target, valid)
    loss(logits.flip(0), target, valid)
    again = losses.build("compound", momentum=0.5)
    again.load_state_dict(loss.state_dict())
    assert again.eval()(logits, target).item() == loss.eval()(logits, target).item()
    assert again.logged() == loss.logged()


def test_weights_by_inverse_frequency_give_each_class_the_same_share():
    target = np.array([[0, 0, 0, 1, 255], [0, 0, 0, 1, 3]], np.uint8)
    weights = inverse_frequency(class_counts(target, 4))
    assert weights.tolist() == pytest.approx([9 / 18, 9 / 6, 0, 9 / 3])
    logits = torch.zeros(1, 4, 2, 5, dtype=torch.float64, requires_grad=True)
    loss = losses.build("cross_entropy", class_weight=weights.tolist())
    loss(logits, torch.from_numpy(target)[None].long()).backward()
    labelled = torch.from_numpy(target)[None]
    pull = [-logits.grad[:, c][labelled == c].sum().item() for c in (0, 1, 3)]
    assert pull == pytest.approx([pull[0]] * 3)


def test_weights_that_training_counts_are_no_numbers_yet():
    with pytest.raises(ValueError, match="'inverse_frequency', expected numbers"):
        losses.build("cross_entropy", class_weight="inverse_frequency")
    with pytest.raises(ValueError, match="no training label holds a labelled pixel"):
        inverse_frequency(np.zeros(3, int))
