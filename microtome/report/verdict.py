# SPDX-License-Identifier: MIT
"""The verdict on a study: which run is best by its metric, and whether that can be told from its samples."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from microtome.config.evaluated import lower_is_better
from microtome.metrics.names import metric_name
from microtome.metrics.paired import exchange_test, least_p, seeded_p
from microtome.metrics.resampling import CONFIDENCE, drawn, ends
from microtome.metrics.summary import holm
from microtome.report.arrange import singular
from microtome.report.inputs import RunInput, StudyMeta
from microtome.report.scored import Scored, UnscoredError, scored

ALPHA = 1 - CONFIDENCE
LOOKS = "No runs: this study only looks at its data."
SMALLEST_P = 0.001
DIGITS = 3
PLAIN = (0.01, 1000.0)
"""Sizes that are printed with `DIGITS` decimals."""


@dataclass(frozen=True)
class Verdict:
    """One sentence, the main number: what it is, and its text (both empty where there is none), and how.

    `note` says how number, interval and tests were made.
    """

    sentence: str
    number: tuple[str, str] = ("", "")
    note: str = ""


def judge(runs: Sequence[RunInput], meta: StudyMeta, units: Mapping[str, str]) -> Verdict:
    """Say which run is best, with the uncertainty of its score, and whether others are told apart from it.

    Groups of samples (patients) are drawn for the interval, and exchanged between runs for the tests: of the
    best run against every other, corrected by Holm's procedure, as the same samples chose which is best. Of
    several seeds the interval draws those, too, and so must the difference be told by draws of both.
    Where there are too few groups for any such test to succeed, there is no claim.

    Args:
        runs: Runs of the study, read.
        meta: The study: metric, part, splits and runs that are compared.
        units: Group by sample; a sample that is not there is a group of its own.

    Returns:
        The sentence says why where there is no number.
    """
    if not meta.runs:
        return Verdict(LOOKS)
    try:
        told = _Told(scored(runs, meta, units), meta)
    except UnscoredError as error:
        return Verdict(f"No verdict: {error}.")
    return Verdict(told.sentence + told.left_out, told.number, told.note)


@dataclass(frozen=True)
class _Told:
    """Scores of runs in words."""

    found: Scored
    meta: StudyMeta

    @cached_property
    def ranked(self) -> list[str]:
        """The runs, the best first."""
        return self.found.ranked(higher_is_better=not lower_is_better(self.found.metric))

    @property
    def number(self) -> tuple[str, str]:
        """What the main number is, and the number with its interval."""
        best = self.ranked[0]
        ends = f" [{self._ends.replace(' to ', ', ')}]" if self._ends else ""
        return f"{self._metric}, {self.found.names[best]}", shown(self.found.scores[best]) + ends

    @property
    def sentence(self) -> str:
        """The verdict."""
        best, *others = self.ranked
        if not others:
            return f"{self._name(best)}: {self._metric} {self._value(best)} ({self._spread})."
        if not self._is_able:
            inside = f" ({self._interval})" if self._ends else ""
            few = f"{self._samples} cannot tell {len(others) + 1} runs apart, whatever their scores"
            return f"No claim: {self._best(best)}{inside}, but {few}."
        return self._compared(best, others)

    @property
    def left_out(self) -> str:
        """What does not count, as it has no value; empty if all does."""
        parts = []
        if self.found.lacking:
            parts.append(f"{plural(self.found.lacking, self.meta.samples_are)} of which a run has no value")
        if self.found.without:
            parts.append(f"{', '.join(map(self._name, self.found.without))}, without any value")
        return f" Left out: {'; '.join(parts)}." if parts else ""

    @property
    def note(self) -> str:
        """How the number, its interval and the tests were made."""
        alike = self.meta.samples_are if self.meta.unit == "sample" else f"{self.meta.unit}s"
        of = "of all {} together" if self.meta.pooled else "the mean over {}"
        of = "the mean over splits of all {} of each together" if self.found.splits > 1 else of
        told = [f"The number is {of.format(self.meta.samples_are)}{self._where}, seeds averaged first."]
        if least_p(self.found.groups) >= ALPHA:
            told.append(f"No interval is drawn of so few {alike} ({self.found.groups}).")
        several = self.found.seeds > 1
        if self._ends:
            seeds = f" and, independently, the {self.found.seeds} seeds" if several else ""
            alone = "" if several else " Each run has one seed, so nothing is said of other trainings."
            told.append(f"Interval: percentile bootstrap that draws {alike}{seeds} with replacement.{alone}")
        if others := len(self.ranked) - 1 if self._is_able else 0:
            drawn = f", and not below that of the bootstrap that draws {alike} and seeds" if several else ""
            told.append(
                f"Tests: two-sided, exchanging {alike} between two runs{drawn}; p corrected by Holm’s method "
                f"over {plural(others, 'comparisons')} with the best run. Tables of tests compare every two "
                "runs, so their corrections differ."
            )
        return " ".join(told)

    @property
    def _where(self) -> str:
        """The splits that count, where a study divides its samples in several ways."""
        used = self.meta.compared_splits or self.meta.case_splits
        if not used or set(used) >= set(self.meta.splits):
            return ""
        return f" of the split{'s' * (len(used) > 1)} {', '.join(f'“{name}”' for name in used)}"

    @property
    def _is_able(self) -> bool:
        """Whether any test of the best run against the others can succeed."""
        return least_p(self.found.groups) * (len(self.ranked) - 1) < ALPHA

    def _compared(self, best: str, others: Sequence[str]) -> str:
        """What the tests of the best run against every other say."""
        p_values = holm([self._p_against(best, other) for other in others])
        same = [(other, p) for other, p in zip(others, p_values, strict=True) if p >= ALPHA]
        if not same:
            every = f"the {len(others)} others" if len(others) > 1 else self._name(others[0])
            value = f"{self._metric} {self._value(best)} ({self._spread})"
            return f"{self._name(best)} is best: {value}, told apart from {every} ({_p(max(p_values))})."
        (near, p), *more = same
        beside = f"{self._name(near)} ({self._value(near)}, {_p(p)})"
        rest = f", nor from {len(more)} more" if more else ""
        return f"{self._best(best)} ({self._spread}), but is not told apart from {beside}{rest}."

    def _p_against(self, best: str, other: str) -> float:
        """The p-value of two runs."""
        totals, trainings, score = self.found.totals, self.found.trainings, self.found.score
        p_value = exchange_test(totals[best], totals[other], score)
        return seeded_p(p_value, trainings[best], trainings[other], score)

    def _best(self, run: str) -> str:
        return f"{self._name(run)} has the best {self._metric}, {self._value(run)}"

    def _name(self, run: str) -> str:
        return f"“{self.found.names[run]}”"

    def _value(self, run: str) -> str:
        return shown(self.found.scores[run])

    @property
    def _metric(self) -> str:
        return metric_name(self.found.metric)

    @cached_property
    def _ends(self) -> str:
        """The interval of the best run; empty where it has no width, or no test of two runs could succeed."""
        if least_p(self.found.groups) >= ALPHA:
            return ""
        best = self.ranked[0]
        low, high = ends(drawn(self.found.trainings[best], self.found.score, of=best))
        return "" if math.isnan(low) or math.isclose(low, high) else f"{shown(low)} to {shown(high)}"

    @property
    def _interval(self) -> str:
        if self._ends:
            return f"95 % interval {self._ends}"
        is_few = least_p(self.found.groups) >= ALPHA
        return "too few for an interval" if is_few else "too much alike for an interval"

    @property
    def _spread(self) -> str:
        """The interval, and of what."""
        parts = (self._interval, self._samples) if self._ends else (self._samples, self._interval)
        return ", ".join(parts)

    @property
    def _samples(self) -> str:
        """How many samples and groups there are."""
        samples = plural(self.found.samples, self.meta.samples_are)
        if self.meta.unit == "sample":
            return samples
        return f"{samples} of {plural(self.found.groups, f'{self.meta.unit}s')}"


def shown(value: float) -> str:
    """A score as text.

    Example:
        >>> shown(0.91249), shown(0.00012)
        ('0.912', '0.00012')
    """
    return f"{value:.{DIGITS}f}" if value == 0 or PLAIN[0] <= abs(value) < PLAIN[1] else f"{value:.{DIGITS}g}"


def _p(value: float) -> str:
    return f"p < {SMALLEST_P}" if value < SMALLEST_P else f"p = {value:.2g}"


def plural(count: int, names: str) -> str:
    """A number of things, named in the plural.

    Example:
        >>> plural(1, "biopsies"), plural(2000, "images")
        ('1 biopsy', '2,000 images')
    """
    return f"{count:,} {singular(names) if count == 1 else names}"
