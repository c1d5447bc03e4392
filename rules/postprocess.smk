# From probability maps to segmentations.
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
