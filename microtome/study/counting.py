# SPDX-License-Identifier: MIT
"""Which labels of which study a sample sheet names, where pixels are counted and nothing is run."""

from pathlib import Path

from microtome.config import project
from microtome.config.load import STUDY_FOLDER, read_draft
from microtome.config.study import Study
from microtome.faults import ConfigurationError, Fault, nearest, raise_faults
from microtome.study import modalities
from microtome.study.plan import StudyPlan
from microtome.study.sheet import inspect_sheet, sheet_root

WHOLE = "full"


def labels_of(sheet: Path, study: str | None = None, folder: Path = STUDY_FOLDER) -> StudyPlan:
    """The samples of a sheet, with the classes of a study.

    Args:
        sheet: The sample sheet.
        study: The study; None: the only one that names the sheet.
        folder: Holds the study files.

    Returns:
        A plan without splits.

    Raises:
        ConfigurationError: No study or several name the sheet, its labels are objects or of slides, or the
            study or the sheet has faults. That folds cannot be balanced yet is none.
    """
    found = _study(study or _naming(sheet, folder), folder)
    reader = modalities.reader(dict(found))
    if found.targets.kind != "semantic" or reader is not None:
        expected = "a study of classes in images; folds of others are balanced by `group`, or by counts"
        raise ConfigurationError([Fault(f"--study {found.name}", "objects or slides as targets", expected)])
    columns = [split.column for split in found.named_splits.values() if split.kind == "column"]
    samples, faults = inspect_sheet(sheet, found.data, reader, columns)
    raise_faults(faults)
    by_name = {sample.sample: sample for sample in samples}
    return StudyPlan(found, WHOLE, by_name, sheet_root(sheet, found.data), {}, {})


def _study(name: str, folder: Path) -> Study:
    """A study file without faults, as it is without a scale."""
    draft = read_draft(name, WHOLE, folder)
    raise_faults(draft.faults)
    return draft.study


def _naming(sheet: Path, folder: Path) -> str:
    """The only study that names a sheet."""
    known = sorted(project.names_in(folder))
    drafts = {name: read_draft(name, WHOLE, folder) for name in known}
    of = {name: draft.study.data.samples for name, draft in drafts.items() if draft.study}
    places = {name: project.find(str(path)).resolve() for name, path in of.items() if path}
    naming = [name for name, place in places.items() if place == sheet.resolve()]
    if len(naming) == 1:
        return naming[0]
    listing = ", ".join(naming) or "none"
    expected = f"the study whose classes its labels have, by --study: {nearest('', naming or known)}"
    raise ConfigurationError([Fault(str(sheet), f"studies that name it: {listing}", expected)])
