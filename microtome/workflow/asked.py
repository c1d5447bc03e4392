# SPDX-License-Identifier: MIT
"""What `snakemake apply`, `evaluate_folder` and `export_model` are asked for."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from microtome.config.workflow import Workflow
from microtome.faults import Fault, nearest, raise_faults
from microtome.study.plan import StudyPlan

IMAGE_SUFFIXES = frozenset({".png", ".tif", ".tiff", ".jpg", ".jpeg"})
LABEL_SUFFIXES = (".png", ".tif", ".tiff", ".xml", ".geojson", ".json")
SHOWN = 5
"""Names listed in a message."""


def check_asked(workflow: Workflow, plans: Mapping[str, StudyPlan], needed: Sequence[str]) -> None:
    """Check the options that name a trained run and what is to be done with it.

    Args:
        workflow: The options.
        plans: The studies that run.
        needed: Which of `images`, `labels` and `export` the target needs.

    Raises:
        ConfigurationError: An option is missing, or names nothing that exists.
    """
    faults = [*_run_faults(workflow, plans)]
    images = list_images(Path(workflow.images)) if workflow.images else []
    if "images" in needed:
        faults += _image_faults(workflow.images, images)
    if "labels" in needed and images:
        faults += _label_faults(workflow.labels, images)
    if "export" in needed and not workflow.export:
        faults.append(Fault("--config export", "nothing", "the folder that gets the packed model"))
    raise_faults(faults)


def list_images(folder: Path) -> list[str]:
    """The image files of a folder (not of its subfolders), sorted; none where there is no such folder."""
    if not folder.is_dir():
        return []
    return [path.as_posix() for path in sorted(folder.iterdir()) if path.suffix.lower() in IMAGE_SUFFIXES]


def pair_labels(images: Iterable[str], folder: Path) -> dict[str, str]:
    """The label file in a folder of each image that has one: the same name, a suffix of `LABEL_SUFFIXES`.

    Of several labels it is the one whose suffix stands first there; an image is no label, should both be in
    one folder.
    """
    names = list(images)
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    labels = {
        path.stem: path.as_posix()
        for suffix in reversed(LABEL_SUFFIXES)
        for path in there
        if path.suffix.lower() == suffix and path.as_posix() not in names
    }
    return {image: labels[Path(image).stem] for image in names if Path(image).stem in labels}


def _run_faults(workflow: Workflow, plans: Mapping[str, StudyPlan]) -> list[Fault]:
    study = plans.get(str(workflow.study))
    if study is None:
        return [_unknown("study", workflow.study, plans)]
    if workflow.run not in study.study.runs:
        return [_unknown("run", workflow.run, study.study.runs)]
    if (workflow.split, workflow.run, workflow.seed) not in study.evaluated():
        found = f"split '{workflow.split}', seed {workflow.seed}"
        return [Fault("--config split, seed", found, f"a trained one of run '{workflow.run}'")]
    return []


def _unknown(option: str, value: str | None, known: Iterable[str]) -> Fault:
    """An option that names nothing, or is not there at all."""
    if value is None:
        return Fault(f"--config {option}", "nothing", f"one of: {', '.join(sorted(known))}")
    return Fault(f"--config {option}", repr(value), nearest(value, known))


def _quoted(folder: str | None) -> str:
    return repr(folder) if folder else "nothing"


def _image_faults(folder: str | None, images: Sequence[str]) -> list[Fault]:
    if not images:
        return [Fault("--config images", _quoted(folder), "a folder with PNG, TIFF or JPEG images")]
    stems = [Path(image).stem for image in images]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if not twice:
        return []
    found = f"several images called {', '.join(twice[:SHOWN])}"
    return [Fault("--config images", found, "one image of each name, whatever its suffix")]


def _label_faults(folder: str | None, images: Sequence[str]) -> list[Fault]:
    expected = f"a folder with a label of each image's name ({', '.join(LABEL_SUFFIXES)})"
    if not folder or not Path(folder).is_dir():
        return [Fault("--config labels", _quoted(folder), expected)]
    paired = pair_labels(images, Path(folder))
    missing = [Path(image).stem for image in images if image not in paired]
    if not missing:
        return []
    more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
    found = f"{folder!r} without a label for {', '.join(missing[:SHOWN])}{more}"
    return [Fault("--config labels", found, expected)]
