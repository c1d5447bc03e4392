# SPDX-License-Identifier: MIT
"""Labels that are complete, beside those that a study works with: from files to counts."""

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from microtome.config.modalities.objects import Targets
from microtome.io import images
from microtome.metrics.fragmentation import fragmentation
from microtome.stages.evaluate import evaluate_run
from microtome.stages.targets import rasterize_targets

CLASSES = {"background": 0, "nest": 5, "ring": 9}
UNLABELLED = 7


@pytest.fixture
def study(tmp_path):
    """Two images, of which the first has complete labels, too; what was made of both."""
    rng, rows, truths = np.random.default_rng(0), [], {}
    for name in ("a", "b"):
        full = np.repeat(np.repeat(rng.integers(0, 3, (5, 6)), 4, 0), 4, 1)
        known = rng.random(full.shape) < 0.58
        found = np.where(rng.random(full.shape) < 0.8, full, rng.integers(0, 3, full.shape)).astype(np.uint8)
        values = np.array(list(CLASSES.values()), np.uint8)[full]
        for path, array in (("label", np.where(known, values, UNLABELLED)), ("full", values)):
            Image.fromarray(array.astype(np.uint8)).save(tmp_path / f"{name}-{path}.png")
        Image.fromarray(np.zeros(full.shape, np.uint8)).save(tmp_path / f"{name}.png")
        maps = np.stack([found == index for index in range(3)]).astype(np.float32)
        images.write(tmp_path / f"maps/{name}.tif", maps, mpp=2.0)
        images.write(tmp_path / f"segmentations/{name}.tif", found, mpp=2.0)
        row = {"sample": name, "image": f"{name}.png", "label": f"{name}-label.png", "page": None, "mpp": 2.0}
        rows.append(row | {"full": f"{name}-full.png" if name == "a" else None})
        truths[name] = (known, full, found)
    targets = Targets().model_dump() | {"classes": list(CLASSES.items()), "ignore": [UNLABELLED]}
    rasterize_targets(rows, tmp_path, tmp_path / "targets", targets=targets)
    return tmp_path, truths


def test_they_are_written_beside_the_targets_that_are_learnt_from(study):
    folder, truths = study
    assert [path.name for path in (folder / "targets/full").iterdir()] == ["a.tif"]
    known, full, _ = truths["a"]
    assert np.array_equal(images.read(folder / "targets/full/a.tif"), full)
    assert np.array_equal(images.read(folder / "targets/a.tif"), np.where(known, full, 255))


def test_runs_are_measured_against_both(study):
    folder, truths = study
    options = {"study": "s", "split": "main", "run": "r", "seed": 0, "metrics": ["counts", "fragmentation"]}
    options |= {"samples": dict.fromkeys("ab", "test"), "groups": dict.fromkeys("ab", ""), "losses": {}}
    options |= {"classes": list(CLASSES), "thresholds": [], "activation": "softmax"}
    folders = {name: [folder / name] for name in ("maps", "segmentations", "targets")}
    evaluate_run(options, folders, folder / "metrics.tsv")
    frame = pd.read_csv(folder / "metrics.tsv", sep="\t").set_index(["sample", "class", "metric"])["value"]
    for sample, (known, full, found) in truths.items():
        assert frame[sample, "ring", "tp"] == np.sum((full == 2) & (found == 2) & known)
        assert frame[sample, "ring", "fp"] == np.sum((full != 2) & (found == 2) & known)
        whole = fragmentation(found, np.ones_like(known), mpp=2.0).regions_per_mm2
        assert frame[sample, "all", "regions_per_mm2"] == pytest.approx(whole)
        assert frame[sample, "all", "mm2_unlabelled"] == pytest.approx(np.sum(~known) * 4e-6)
    _, full, found = truths["a"]
    assert frame["a", "ring", "full_fn"] == np.sum((full == 2) & (found != 2))
    assert ("b", "ring", "full_fn") not in frame.index
    assert np.isnan(frame["b", "all", "full_regions_per_mm2"])
