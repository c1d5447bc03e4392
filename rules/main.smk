# The whole workflow but its first target, for Snakefile and workflow/Snakefile. A project elsewhere
# (`snakemake -s CLONE/Snakefile --directory FOLDER`) may do without a configuration of its own.
import os

from snakemake.utils import min_version

min_version("9.0")

OWN = "config/config.yaml"
SHIPPED = workflow.source_path("../config/config.yaml")


configfile: OWN if os.path.exists(OWN) else SHIPPED


report: "../report/workflow.rst"


include: "common.smk"
include: "gpus.smk"
include: "progress.smk"
include: "forks.smk"
include: "inputs.smk"
include: "modalities.smk"
include: "data.smk"
include: "preprocess.smk"
include: "cubes.smk"
include: "stain.smk"
include: "stacks.smk"
include: "slides.smk"
include: "train.smk"
include: "predict.smk"
include: "postprocess.smk"
include: "slides_runs.smk"
include: "evaluate.smk"
include: "report.smk"
include: "typeset.smk"
include: "apply.smk"
include: "plugins.smk"
include: "limits.smk"


if workflow.is_main_process:
    look_at_what_is_asked()


onstart:
    begin()


onsuccess:
    end()


onerror:
    WATCH and WATCH.end(is_complete=False)


rule tables:
    input:
        all_of("tables"),


rule figures:
    input:
        all_of("figures"),
