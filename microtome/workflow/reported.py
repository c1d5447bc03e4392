# SPDX-License-Identifier: MIT
"""What the report and the RO-Crate of some studies are made of, as inputs of their rules."""

from collections.abc import Iterator, Mapping

from microtome.study import modalities
from microtome.study.plan import StudyPlan
from microtome.workflow.paths import Layout

SUFFIXES = {"tables": ("json", "tsv", "md", "tex"), "figures": ("json", "svg", "png", "pdf", "tsv")}
"""Endings of the files of a table and of a figure, the sidecar first."""
RECORDS = ("images", "tissue", "sections")
"""Folders of a study of slides with a record of each slide that could not be read."""


def files(plans: Mapping[str, StudyPlan], at: Layout, *, pictures: bool) -> dict[str, list[str]]:
    """The files and folders that a report of some studies reads, by the names of inputs.

    Args:
        plans: The plans of the studies, by name.
        at: Where the workflow keeps its files.
        pictures: Whether to name the images and maps, too, of which the page shows the worst: where jobs have
            nothing but copies of their inputs. On a shared disk they are looked up, so that a report can be
            written anew after they were deleted.
    """
    found: dict[str, list[str]] = {}
    for name, plan in plans.items():
        told = _told(plan) | (_pictured(plan) if pictures else {})
        for key, paths in told.items():
            found.setdefault(key, []).extend(at.study(path).format(study=name) for path in paths)
    return found


def _told(plan: StudyPlan) -> dict[str, list[str]]:
    """What the page tells in words and numbers."""
    study, folders = plan.study, [*_folders(plan)]
    trained = [folder for run, folder in folders if study.runs[run].has_history]
    calling = [folder for run, folder in folders if study.runs[run].calls is not None]
    tuned = [folder for run, folder in folders if study.runs[run].tune is not None]
    return {
        **{section: _products(plan, section) for section in SUFFIXES},
        "sheets": ["samples.tsv"],
        "splits": [f"splits/{split}.tsv" for split in plan.splits],
        "metrics": [f"{folder}/metrics.tsv" for _, folder in folders],
        "cards": [f"{folder}/card.json" for _, folder in folders],
        "histories": [f"{folder}/history.tsv" for folder in trained],
        "tuned": [f"{folder}/{name}" for folder in tuned for name in ("tuned.json", "tuned.tsv")],
        "calls": [f"{folder}/{name}" for folder in calling for name in ("sections.tsv", "selection.json")],
    }


def _products(plan: StudyPlan, section: str) -> list[str]:
    names = getattr(plan.study, section)
    return [f"{section}/{name}.{suffix}" for name in names for suffix in SUFFIXES[section]]


def _folders(plan: StudyPlan) -> Iterator[tuple[str, str]]:
    """The name and the folder of each evaluated run."""
    for split, run, seed in plan.evaluated():
        yield run, f"runs/{split}/{run}/seed-{seed}"


def _pictured(plan: StudyPlan) -> dict[str, list[str]]:
    """The folders of what is shown of evaluated images; of slides also records of what was not read."""
    parts, batches = plan.study.evaluate.parts, plan.evaluated_batches
    maps = ["predictions", *["segmentations"] * ("segment" not in modalities.replaced(plan.study))]
    kinds = RECORDS if plan.study.slides else RECORDS[:1]
    return {
        "images": [f"{kind}/{batch}" for kind in kinds for batch in batches],
        "targets": [f"targets/{batch}" for batch in plan.labelled(batches)],
        "maps": [
            f"runs/{split}/{run}/seed-{seed}/{kind}/{batch}"
            for split, run, seed in plan.evaluated()
            for kind in maps
            for batch in plan.batches_of(split, *parts)
        ],
    }
