# SPDX-License-Identifier: MIT
"""What to run: `config/config.yaml` and `snakemake --config`."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator

from microtome.config.section import Probability, Section, option
from microtome.config.training import IMAGES_MB, ON_GPU

WHOLE = ("full", "paper")
"""Two words for one scale: the study file as it stands. A study that follows a paper may say `paper`."""


def _as_text(value: Any) -> Any:
    """A number as text: Snakemake makes numbers of names such as 7 on the command line."""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_as_text)]


READERS = 4
"""Threads that read batches for a GPU: a compressed tile can take longer to decode than to train on."""


class Threads(Section):
    """CPU threads of one job; results are identical for identical numbers."""

    train: PositiveInt | Literal["auto"] = option(
        "auto",
        f"of a training job, for each of its GPUs, for which as many read batches; auto: {READERS} "
        "with a GPU, 1 on a CPU",
    )
    predict: PositiveInt = option(1, "of a prediction job")
    read: PositiveInt = option(
        1, "that decode images beside those, where they are read by windows; results are the same"
    )


class Memory(Section):
    """What jobs may hold in memory; results do not depend on it."""

    images: PositiveInt = option(
        IMAGES_MB,
        "MB of images that each process of a training job asks for and holds, at most; the others are read "
        "by windows, which takes longer",
    )
    on_gpu: Probability = option(
        ON_GPU,
        "share of a GPU's memory that the images of a training job may take; if all of them fit, they lie "
        "there, and batches are cut there; 0: they stay on the host",
    )


class Cluster(Section):
    """What differs from cluster to cluster; jobs that run elsewhere do not look at it."""

    gpu_request: Literal["gpus", "gres"] = option(
        "gpus", "how SLURM is asked for GPUs: `--gpus=1`, or `--gres=gpu:1`"
    )
    gpu_model: str | None = option(
        None, "type of GPU as the site calls it, such as a100", pattern=r"^[A-Za-z0-9_.]+$"
    )
    longest: PositiveInt = option(1440, "minutes that the site lets a job run; walltimes grow up to it")


class Workflow(Section):
    """The whole workflow."""

    scale: Literal["demo", "local", "full", "paper"] = option(
        "demo",
        "demo: phantoms, minutes; local: real data, two cores; full: the study file as it stands, which "
        "`paper` means, too, where the study follows a paper",
    )
    studies: tuple[Text, ...] = option(
        ("membranes",), "names of files in config/studies: a list, one name, or a,b", min_length=1
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = option(
        "auto", "where networks run; auto: a GPU if there is one"
    )
    gpus: PositiveInt = option(
        1,
        "GPUs of one training job (its resource `gpu`); above 1 they share each batch, and "
        "results differ only by rounding",
    )
    threads: Threads = option(Threads(), "CPU threads of one job")
    memory: Memory = option(Memory(), "what jobs may hold in memory")
    checkpoint_every: NonNegativeFloat = option(
        60.0,
        "seconds between two checkpoints of a training, which a killed job goes on from, to the same "
        "weights; 0: one after each epoch",
    )
    cluster: Cluster = option(Cluster(), "what differs from cluster to cluster")
    mirror: str | None = option(
        None, "folder that holds public data sets, tried before downloading; default: $MICROTOME_DATA"
    )
    container: str | None = option(
        None,
        "with `--sdm apptainer`: the image that all jobs run in, a file made from "
        "containers/microtome.def or a docker:// address; ignored otherwise",
    )
    results: str = option("results", "folder of everything computed")
    resources: str = option("resources", "folder of fetched data sets")
    study: Text | None = option(
        None, "`apply`, `evaluate_folder`, `export_model`: the study of the run; `new_study`: its name"
    )
    run: Text | None = option(None, "likewise: the run")
    seed: int = option(0, "likewise: its seed", ge=0)
    split: Text = option("main", "likewise: the split it was trained on")
    images: Text | None = option(
        None,
        "`apply`, `evaluate_folder`: a folder of new images of any format that the study reads, or one; "
        "`new_study`: the folder of its images",
    )
    name: str | None = option(
        None,
        "likewise: what their results are called; null: the folder's name and a digest of its place",
        pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,79}$",
    )
    mpp: PositiveFloat | None = option(
        None, "likewise: their pixel size, micrometres, where the files do not say it, or say it wrongly"
    )
    model: str | None = option(
        None, "likewise: a packed model (`export_model`) instead of study, run, split and seed"
    )
    phantom_model: bool = option(
        False, "likewise: whether a run that was trained on simulated images may be used on these"
    )
    labels: Text | None = option(
        None,
        "`evaluate_folder`: folder with a label of each image's name: PNG, TIFF, NRRD, MATLAB, XML, GeoJSON; "
        "`new_study`: the folder of its labels, if they have one",
    )
    export: Text | None = option(None, "`export_model`: the folder that gets the packed model")
    offline: bool = option(False, "never download")
    forks: bool = option(
        True,
        "on Linux, jobs of one thread on this machine begin at once, as forks of a process that has read "
        "their libraries; false: each as a program of its own. Results are the same",
    )

    @field_validator("studies", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        """One name, or several with commas between, where a list would need quotes in some shells."""
        return [name.strip() for name in value.split(",")] if isinstance(value, str) else value

    def training_threads(self, *, on_cpu: bool) -> int:
        """CPU threads of a training job, of all its processes.

        Example:
            >>> [Workflow(gpus=2).training_threads(on_cpu=on_cpu) for on_cpu in (False, True)]
            [8, 2]
            >>> Workflow(threads={"train": 3}).training_threads(on_cpu=False)
            3
        """
        chosen = self.threads.train
        return self.gpus * ((1 if on_cpu else READERS) if chosen == "auto" else chosen)

    @property
    def place(self) -> str:
        """Name of the scale's folder of results: `full` for `paper`, too.

        Example:
            >>> Workflow(scale="paper").place, Workflow(scale="demo").place
            ('full', 'demo')
        """
        return WHOLE[0] if self.scale in WHOLE else self.scale
