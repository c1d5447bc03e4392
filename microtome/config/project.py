# SPDX-License-Identifier: MIT
"""Where the files of a project are found: in its own folder first, then among those that the workflow ships.

A project is the folder that Snakemake works in (`--directory`, else the current one). It may be the clone of
the workflow itself; then both places are one.
"""

from pathlib import Path

WORKFLOW = Path(__file__).resolve().parents[2]
"""The folder of the workflow, with the studies, sheets and tables that it ships."""
CONFIG = Path("config/config.yaml")
PUBLISHED = Path("config/published.yaml")
DATASETS = Path("config/datasets.yaml")


def find(name: Path | str) -> Path:
    """A file as the project has it, by its path from there; one that it lacks as the workflow ships it.

    Example:
        >>> find("config/nothing.yaml").as_posix()
        'config/nothing.yaml'
    """
    here, shipped = Path(name), WORKFLOW / name
    return here if here.exists() or not shipped.exists() else shipped


def table(name: Path, study: Path) -> Path:
    """A table as it lies above the folder of a study file; one that is not there, as `find` has it."""
    beside = study.parent.parent / name.name
    return beside if beside.is_file() else find(name)


def names_in(folder: Path) -> set[str]:
    """Names of the YAML files of a folder, without their ending, in the project and in the workflow."""
    return {path.stem for place in (folder, WORKFLOW / folder) for path in place.glob("[!.]*.yaml")}


def searched(name: Path | str) -> str:
    """Say where `find` looked, for messages; empty where the project is the workflow's own folder.

    Example:
        >>> searched("/data/a.tsv")
        ''
    """
    if Path(name).is_absolute() or Path.cwd() == WORKFLOW:
        return ""
    return f", neither in the project {Path.cwd()} nor in the workflow {WORKFLOW}"
