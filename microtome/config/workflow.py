# SPDX-License-Identifier: MIT
"""What to run: `config/config.yaml` and `snakemake --config`."""

from typing import Literal

from pydantic import Field, PositiveInt

from microtome.config.base import Section


class Threads(Section):
    """CPU threads of one job; results are identical for identical numbers."""

    train: PositiveInt = 1
    predict: PositiveInt = 1


class Workflow(Section):
    """The whole workflow."""

    scale: Literal["demo", "local", "paper"] = Field(
        "demo",
        description="demo: phantoms, minutes; local: real data, two cores; paper: published settings",
    )
    studies: tuple[str, ...] = Field(
        ("membranes",), min_length=1, description="names of files in config/studies"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: Threads = Threads()
    mirror: str | None = Field(
        None,
        description="folder that holds public data sets, tried before downloading; default: $MICROTOME_DATA",
    )
    results: str = Field("results", description="folder of everything computed")
    resources: str = Field("resources", description="folder of fetched data sets")
    offline: bool = Field(False, description="never download")
