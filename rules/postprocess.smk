# From probability maps to segmentations, with options that are configured or tuned on held-out images.
rule tune:
    input:
        maps=tuning_maps,
        targets=tuning_targets,
    output:
        chosen=at.run("tuned.json"),
        table=at.run("tuned.tsv"),
    log:
        at.log("tune", "study", "split", "run", "seed"),
    benchmark:
        at.times("tune", "study", "split", "run", "seed")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(240),
    params:
        state=lambda wildcards: states.runs.tune(
            plan(wildcards), wildcards.split, wildcards.run
        ),
    message:
        "{wildcards.study}: tune the segmentation of {wildcards.run} on held-out images"
    script:
        "../scripts/tune.py"


rule segment:
    input:
        maps=at.run("predictions/{batch}"),
        tuned=tuned_values,
    output:
        folder=directory(at.run("segmentations/{batch}")),
    log:
        at.log("segment", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("segment", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=served("segment"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(20),
    params:
        state=lambda wildcards: states.runs.segment(plan(wildcards), wildcards.run),
    message:
        "{wildcards.study}: segment {wildcards.batch} of {wildcards.run}"
    script:
        "../scripts/segment.py"


rule export_objects:
    input:
        segmentations=at.run("segmentations/{batch}"),
        images=at.study("images/{batch}"),
    output:
        folder=directory(at.run("objects/{batch}")),
    log:
        at.log("export_objects", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("export_objects", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=served("export_objects"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(15),
    params:
        state=lambda wildcards: states.applied.export_objects(
            plan(wildcards), wildcards.run
        ),
    message:
        "{wildcards.study}: objects of {wildcards.batch} found by {wildcards.run}"
    script:
        "../scripts/export_objects.py"
