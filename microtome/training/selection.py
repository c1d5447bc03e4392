# SPDX-License-Identifier: MIT
"""Which epoch is the best: that of the lowest validation loss, of the highest value of a metric, the last."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from microtome.config.training import Training

LOSS = "val_loss"
LAST = "last"
Row = Mapping[str, float]


class ConfusionCounts:
    """Labelled pixels by true (rows) and predicted class (columns), counted on the device batch by batch.

    Attributes:
        table: (K, K) int64.
    """

    def __init__(self, classes: int, device: torch.device) -> None:
        self.table = torch.zeros((classes, classes), dtype=torch.int64, device=device)

    def add(self, logits: Tensor, target: Tensor, valid: Tensor | None) -> None:
        """Count a batch; no number is read from the device.

        Args:
            logits: (N, K, *S) of classes, of which the largest is predicted; or (N, T, *S), of which the
                first, where it is above 0, says the second class.
            target: (N, *S) class numbers, or (N, T, *S) with values 0 and 1.
            valid: bool, as the target; None: all pixels are labelled.
        """
        classes = len(self.table)
        if target.is_floating_point():
            predicted, target = logits[:, 0] > 0, target[:, 0]
            valid = None if valid is None else valid[:, 0]
        else:
            predicted = logits.argmax(1)
        pairs = target.long() * classes + predicted.long()
        if valid is not None:
            pairs = torch.where(valid, pairs, classes**2)  # a place of their own, which is left out
        counts = self.table.new_zeros(classes**2 + 1)
        counts.scatter_add_(0, pairs.flatten(), counts.new_ones(1).expand(pairs.numel()))
        self.table += counts[:-1].reshape(classes, classes)


@dataclass(frozen=True)
class Criterion:
    """How epochs are compared.

    Attributes:
        metric: `iou` or `dice`; None: the validation loss; `last`: none, the last epoch is taken.
        class_name: The class whose metric it is; None: the mean over classes that truth or prediction has.
        classes: Names of the classes, in order.
        keep: How many of the best epochs are kept beside the best one; 0: none.
        averages: Whether epochs are those of the averaged weights.
    """

    metric: str | None = None
    class_name: str | None = None
    classes: tuple[str, ...] = ()
    keep: int = 0
    averages: bool = False

    @property
    def column(self) -> str:
        """What the value of an epoch is called in the history."""
        return f"val_{self.metric}" if self.counts_pixels else LOSS

    @property
    def counts_pixels(self) -> bool:
        """Whether validation counts pixels by class."""
        return self.metric not in (None, LAST)

    @property
    def compares(self) -> bool:
        """Whether epochs are compared, by what validation says of them."""
        return self.metric != LAST or self.keep > 0

    def counts(self, device: torch.device) -> ConfusionCounts | None:
        """What validation has to count; None for the loss alone."""
        return ConfusionCounts(len(self.classes), device) if self.counts_pixels else None

    def values(self, counts: ConfusionCounts | None) -> dict[str, float]:
        """The metric by its column; nothing where the loss decides.

        Raises:
            ValueError: No labelled pixel is of the class.
        """
        if counts is None:
            return {}
        table = counts.table.double().cpu()
        hits, truth = table.diagonal(), table.sum(1)
        wrong = truth + table.sum(0) - 2 * hits
        if self.class_name is None:
            return {self.column: self._overlap(hits, wrong)[hits + wrong > 0].mean().item()}
        number = self.classes.index(self.class_name)
        if not truth[number]:
            found = f"no labelled pixel of the validation windows is of '{self.class_name}'"
            remedy = "label some, or choose another class"
            msg = f"{found}, whose {self.metric} training.select chooses by; {remedy}"
            raise ValueError(msg)
        return {self.column: self._overlap(hits, wrong)[number].item()}

    def best(self, history: Sequence[Row]) -> int:
        """The best epoch, from 1; the last one while none was validated, or if that is the criterion.

        Of equals it is the one with the lower validation loss (a class that is not found yet has an IoU of 0
        in many epochs), then the first.
        """
        return len(history) if self.metric == LAST else next(iter(self._ordered(history)), len(history))

    def kept(self, history: Sequence[Row]) -> list[int]:
        """The epochs that are kept, best first."""
        return self._ordered(history)[: self.keep]

    def _ordered(self, history: Sequence[Row]) -> list[int]:
        """The epochs that were validated, best first."""
        known = [row for row in history if not math.isnan(row[self.column])]
        if self.metric == LAST:
            return sorted((int(row["epoch"]) for row in known), reverse=True)
        sign = -1 if self.metric else 1
        ordered = sorted(known, key=lambda row: (sign * row[self.column], row[LOSS], row["epoch"]))
        return [int(row["epoch"]) for row in ordered]

    def _overlap(self, hits: Tensor, wrong: Tensor) -> Tensor:
        """IoU or Dice of each class, from true positives, and from false positives and negatives together."""
        factor = 2 if self.metric == "dice" else 1
        return factor * hits / (factor * hits + wrong)


BY_LOSS = Criterion()
"""The lowest validation loss."""


def criterion_of(settings: Training, classes: Sequence[str]) -> Criterion:
    """How the epochs of a training are compared.

    Args:
        settings: Its options.
        classes: Names of the classes, in order.

    Example:
        >>> select = {"metric": "dice", "class": "tumour", "keep": 5}
        >>> criterion_of(Training.model_validate({"select": select}), ["normal", "tumour"]).column
        'val_dice'
        >>> criterion_of(Training(), []).column
        'val_loss'
    """
    select = settings.select
    if select is None:
        return BY_LOSS
    metric = None if select.metric == "loss" else select.metric
    return Criterion(metric, select.of, tuple(classes), select.keep or 0, select.weights == "ema")
