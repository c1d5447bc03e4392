# SPDX-License-Identifier: MIT
"""What to run: `config/config.yaml` and `snakemake --config`."""

from typing import Literal

from pydantic import Field, PositiveInt

from microtome.config.section import Section


class Threads(Section):
    """CPU threads of one job; results are identical for identical numbers."""

    train: PositiveInt = Field(1, description="of a training job, for each of its GPUs")
    predict: PositiveInt = Field(1, description="of a prediction job")


class Cluster(Section):
    """What differs from cluster to cluster; jobs that run elsewhere do not look at it."""

    gpu_request: Literal["gpus", "gres"] = Field(
        "gpus", description="how SLURM is asked for GPUs: `--gpus=1`, or `--gres=gpu:1`"
    )
    gpu_model: str | None = Field(
        None, pattern=r"^[A-Za-z0-9_.]+$", description="type of GPU as the site calls it, such as a100"
    )
    longest: PositiveInt = Field(
        1440, description="minutes that the site lets a job run at most; walltimes grow up to it"
    )


class Workflow(Section):
    """The whole workflow."""

    scale: Literal["demo", "local", "paper"] = Field(
        "demo",
        description="demo: phantoms, minutes; local: real data, two cores; paper: published settings",
    )
    studies: tuple[str, ...] = Field(
        ("membranes",), min_length=1, description="names of files in config/studies"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where networks run; auto: a GPU if there is one"
    )
    gpus: PositiveInt = Field(
        1,
        description="GPUs of one training job (its resource `gpu`); above 1 they share each batch, and "
        "results differ only by rounding",
    )
    threads: Threads = Field(Threads(), description="CPU threads of one job")
    cluster: Cluster = Field(Cluster(), description="what differs from cluster to cluster")
    mirror: str | None = Field(
        None,
        description="folder that holds public data sets, tried before downloading; default: $MICROTOME_DATA",
    )
    container: str | None = Field(
        None,
        description="with `--sdm apptainer`: the image that all jobs run in, a file made from "
        "containers/microtome.def or a docker:// address; ignored otherwise",
    )
    results: str = Field("results", description="folder of everything computed")
    resources: str = Field("resources", description="folder of fetched data sets")
    study: str | None = Field(
        None, description="`apply`, `evaluate_folder`, `export_model`: the study of the run"
    )
    run: str | None = Field(None, description="likewise: the run")
    seed: int = Field(0, ge=0, description="likewise: its seed")
    split: str = Field("main", description="likewise: the split it was trained on")
    images: str | None = Field(
        None, description="`apply`, `evaluate_folder`: a folder of new images (PNG, TIFF, JPEG)"
    )
    labels: str | None = Field(
        None,
        description="`evaluate_folder`: a folder with a label of each image's name (PNG, TIFF, XML, GeoJSON)",
    )
    export: str | None = Field(None, description="`export_model`: the folder that gets the packed model")
    offline: bool = Field(False, description="never download")
