# SPDX-License-Identifier: MIT
"""States of the rules in `rules/data.smk` and `rules/preprocess.smk`: images, targets, splits, windows."""

from functools import cache
from typing import Any

from microtome.files import digest_of_options
from microtome.study import modalities
from microtome.study.plan import StudyPlan
from microtome.study.sample import FULL, PIXELS, as_rows
from microtome.workflow.states import state_of

NOT_READ = ("part", "unit", "group")
"""Columns that say nothing of what an image or its label holds."""


def simulate(plan: StudyPlan) -> str:
    """State of `simulate`."""
    phantom = plan.study.data.phantom
    return state_of("simulate", phantom.model_dump(mode="json"), [f"microtome.phantoms.{phantom.kind}"])


@cache
def import_images(plan: StudyPlan, batch: str) -> str:
    """State of `import_images`."""
    dtype = {"dtype": plan.study.data.dtype} if plan.study.data.dtype else {}
    counts = [PIXELS + name for name in plan.classes]
    options = _read(plan, batch, "label", FULL, *counts) | dtype | _mpp_from(plan) | downsample(plan)
    return state_of("import_images", options)


@cache
def rasterize_targets(plan: StudyPlan, batch: str) -> str:
    """State of `rasterize_targets`; the images give outlines their size."""
    unused = "" if plan.has_outlines else "image"
    read = _read(plan, batch, unused) | _mpp_from(plan)
    return state_of("rasterize_targets", read | {"targets": target_options(plan)})


def _mpp_from(plan: StudyPlan) -> dict[str, Any]:
    return {"mpp_from": plan.study.data.mpp_from} if plan.study.data.mpp_from else {}


def downsample(plan: StudyPlan) -> dict[str, int]:
    """The side of the squares of pixels that become one, where there are fewer pixels than the files have."""
    factor = plan.study.data.downsample
    return {"downsample": factor} if factor > 1 else {}


def target_options(plan: StudyPlan) -> dict[str, Any]:
    """What labels are turned into."""
    data, targets = plan.study.data, plan.study.targets
    known = targets.used | {"classes": list(data.classes.items())} | downsample(plan)
    if targets.regions:  # in pairs, as their order is that of bits, and a state sorts the keys of objects
        known["regions"] = list(targets.regions.items())
    if targets.kind != "semantic":
        return known
    if data.colors:
        colors = [(name, data.colors[name]) for name in data.classes]
        return known | {"colors": colors, "ignore_colors": data.ignore_colors}
    return known | {"ignore": data.ignore}


@cache
def extract_patches(plan: StudyPlan) -> str:
    """State of `extract_patches`."""
    regions = {"regions": list(plan.study.targets.regions)} if plan.study.targets.regions else {}
    options = plan.study.patches.model_dump() | {"classes": plan.classes}
    return state_of("extract_patches", options | regions)


@cache
def split(plan: StudyPlan, split: str) -> str:
    """State of `split`."""
    parts = plan.splits[split]
    samples = plan.samples.values()
    rows = [{"sample": s.sample, "unit": s.unit, "group": s.group, "part": parts[s.sample]} for s in samples]
    return state_of("split", {"rows": rows, "digest": digest_of_options(parts)})


def sheet(plan: StudyPlan) -> str:
    """State of `write_sheet`."""
    return state_of("write_sheet", {"rows": as_rows(plan.samples.values())})


def _read(plan: StudyPlan, batch: str, *others: str) -> dict[str, Any]:
    """What reading the images or labels of a batch depends on: the rows, without the `others` of columns."""
    columns = {split.column for split in plan.study.named_splits.values()}
    unread = {*others, *NOT_READ, *modalities.unread_columns(), *columns}
    rows = [{key: value for key, value in row.items() if key not in unread} for row in plan.rows(batch)]
    return {"root": plan.root.as_posix(), "samples": rows}
