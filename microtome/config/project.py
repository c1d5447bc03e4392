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
    """A file as the project has it; one that it lacks as the workflow ships it.

    Args:
        name: A path from the project's folder, such as `config/datasets.yaml`.

    Returns:
        `name` itself, or the file of the workflow; `name` where neither is there.

    Example:
        >>> find("config/nothing.yaml").as_posix()
        'config/nothing.yaml'
    """
    here, shipped = Path(name), WORKFLOW / name
    return here if here.exists() or not shipped.exists() else shipped


def is_apart() -> bool:
    """Whether the project lies elsewhere than the workflow."""
    return Path.cwd() != WORKFLOW


def names_in(folder: Path) -> set[str]:
    """Names of the YAML files of a folder, without their ending, in the project and in the workflow."""
    return {path.stem for place in (folder, WORKFLOW / folder) for path in place.glob("*.yaml")}


def searched(name: Path | str) -> str:
    """Say where `find` looked, for messages; empty where the project is the workflow's own folder.

    Example:
        >>> searched("/data/a.tsv")
        ''
    """
    if Path(name).is_absolute() or not is_apart():
        return ""
    return f", neither in the project {Path.cwd()} nor in the workflow {WORKFLOW}"
