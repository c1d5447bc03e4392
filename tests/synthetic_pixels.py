# SPDX-License-Identifier: MIT
"""Small class maps of runs on the test images of several splits, and their records as after evaluation."""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from microtome.metrics.families import counts, fragmentation
from microtome.metrics.families._context import Context
from microtome.provenance.runs import RunRecord
from tests.synthetic_study import card, metrics

CLASSES = ("background", "nest", "ring")
IGNORE = 255
MPP = 50.0
"""So large that regions of some pixels are on both sides of the limit of small ones."""


@dataclass
class Pixels:
    """What runs made of test images: (run, seed, split, sample) to (truth, complete truth, segmentation)."""

    patients: dict[str, str] = field(default_factory=dict)
    clinics: dict[str, str] = field(default_factory=dict)
    maps: dict[tuple[str, int, str, str], tuple[np.ndarray, np.ndarray, np.ndarray]] = field(
        default_factory=dict
    )

    def of(self, **which):
        """The maps of some keys: those of a run, a split, a seed, a patient, a clinic."""
        for (run, seed, split, sample), found in self.maps.items():
            about = {"run": run, "seed": seed, "split": split, "sample": sample}
            about |= {"patient": self.patients[sample], "clinic": self.clinics[sample]}
            if all(about[name] == value for name, value in which.items()):
                yield found


def draw(runs=("a", "b"), splits=("fold-0", "fold-1"), seeds=(0,), *, images=5, shape=(9, 11), seed=0):
    """Random maps: images of a split are of other patients than those of the next, one patient of two."""
    rng, pixels = np.random.default_rng(seed), Pixels()
    for fold, split in enumerate(splits):
        for number in range(images):
            sample = f"m{fold}{number}"
            pixels.patients[sample] = f"p{fold}{number // 2}"
            pixels.clinics[sample] = ("Modena", "New York")[number % 2]
            full = np.repeat(np.repeat(rng.integers(0, 3, (3, 4)), 3, 0), 3, 1)[: shape[0], : shape[1]]
            truth = np.where(rng.random(shape) < 0.6, full, IGNORE).astype(np.uint8)
            for level, run in enumerate(runs):
                for one in seeds:
                    wrong = rng.random(shape) < 0.25 + 0.2 * level
                    found = np.where(wrong, rng.integers(0, 3, shape), full).astype(np.uint8)
                    pixels.maps[run, one, split, sample] = (truth, full.astype(np.uint8), found)
    return pixels


def records(pixels, *, with_full=True):
    """The records of the runs, measured by the families `counts` and `fragmentation`."""
    found = {}
    for (run, seed, split, sample), (truth, full, segmentation) in pixels.maps.items():
        nothing = np.zeros((3, *truth.shape), np.float32)
        context = Context(truth, nothing, segmentation, CLASSES, full=full if with_full else None, mpp=MPP)
        values = {
            (sample, m.class_name, m.metric): m.value
            for family in (counts, fragmentation)
            for m in family.measure(context)
        }
        found.setdefault((run, seed, split), {}).update(values)
    return [_record(pixels, *key, values) for key, values in found.items()]


def _record(pixels, run, seed, split, values):
    frame = metrics(run, values, seed=seed, split=split)
    frame = frame.assign(group=frame["sample"].map(pixels.clinics))
    own = {**card(run, seed=seed), "split": split}
    return RunRecord(run, run.upper(), seed, split, own, None, frame, Path("nowhere"))
