# Hyperspectral cubes: calibration, band scores, the choice of bands, and the images that networks see.


rule calibrate:
    input:
        files=raw_files(*modalities.cubes.COLUMNS),
    output:
        folder=directory(at.study("cubes/{batch}")),
    log:
        at.log("calibrate", "study", "batch"),
    benchmark:
        at.times("calibrate", "study", "batch")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(120),
    params:
        state=lambda wildcards: states.cubes.calibrate(plan(wildcards), wildcards.batch),
    message:
        "{wildcards.study}: calibrate the cubes of {wildcards.batch}"
    script:
        "../scripts/calibrate.py"


rule score_bands:
    input:
        cubes=at.study("cubes/{batch}"),
    output:
        scores=at.study("bands/scores/{batch}.tsv"),
    log:
        at.log("score_bands", "study", "batch"),
    benchmark:
        at.times("score_bands", "study", "batch")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(4000),
        runtime=lasting(120),
    params:
        state=lambda wildcards: states.cubes.score_bands(plan(wildcards)),
    message:
        "{wildcards.study}: score the bands of {wildcards.batch}"
    script:
        "../scripts/score_bands.py"


rule select_bands:
    input:
        scores=scored_batches,
    output:
        bands=at.study("bands/{split}/bands.tsv"),
    log:
        at.log("select_bands", "study", "split"),
    benchmark:
        at.times("select_bands", "study", "split")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.cubes.select_bands(
            plan(wildcards), wildcards.split
        ),
    message:
        "{wildcards.study}: select the bands of split {wildcards.split}"
    script:
        "../scripts/select_bands.py"


rule cut_bands:
    input:
        bands=at.study("bands/{split}/bands.tsv"),
        cubes=at.study("cubes/{batch}"),
    output:
        folder=directory(at.study("bands/{split}/images/{batch}")),
    log:
        at.log("cut_bands", "study", "split", "batch"),
    benchmark:
        at.times("cut_bands", "study", "split", "batch")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.cubes.cut_bands(plan(wildcards)),
    message:
        "{wildcards.study}: the chosen bands of {wildcards.batch}"
    script:
        "../scripts/cut_bands.py"


rule cut_raw:
    input:
        bands=at.study("bands/{split}/bands.tsv"),
        files=raw_files("cube"),
    output:
        folder=directory(at.study("bands/{split}/raw/{batch}")),
    log:
        at.log("cut_raw", "study", "split", "batch"),
    benchmark:
        at.times("cut_raw", "study", "split", "batch")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.cubes.cut_raw(plan(wildcards), wildcards.batch),
    message:
        "{wildcards.study}: the chosen bands of the raw cubes of {wildcards.batch}"
    script:
        "../scripts/cut_raw.py"
