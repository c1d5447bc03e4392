# Microtome: studies are data (config/studies/*.yaml), the DAG is code (rules/*.smk). See README.md and docs/.
import os

from snakemake.utils import min_version

min_version("9.0")


# A project elsewhere (`snakemake -s CLONE/Snakefile --directory FOLDER`) may do without a configuration of its own.
OWN = "config/config.yaml"


configfile: OWN if os.path.exists(OWN) else workflow.source_path("config/config.yaml")


report: "report/workflow.rst"


include: "rules/common.smk"
include: "rules/inputs.smk"
include: "rules/data.smk"
include: "rules/preprocess.smk"
include: "rules/cubes.smk"
include: "rules/stain.smk"
include: "rules/train.smk"
include: "rules/predict.smk"
include: "rules/postprocess.smk"
include: "rules/evaluate.smk"
include: "rules/report.smk"
include: "rules/apply.smk"


onstart:
    begin()


rule all:
    default_target: True
    input:
        at.page,
        at.crate,


rule tables:
    input:
        all_of("tables"),


rule figures:
    input:
        all_of("figures"),
