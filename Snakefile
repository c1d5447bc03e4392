# Microtome: studies are data (config/studies/*.yaml), the DAG is code (rules/*.smk). See README.md and docs/.
include: "rules/main.smk"


rule all:
    default_target: True
    input:
        at.page,
        at.crate,
