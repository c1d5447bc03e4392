# From raw images to the workflow's own format, targets, splits and patch indices.
rule import_images:
    input:
        files=raw_files("image"),
        pictures=pictures,
    output:
        folder=directory(at.study("images/{batch}")),
    log:
        at.log("import_images", "study", "batch"),
    benchmark:
        at.times("import_images", "study", "batch")
    wildcard_constraints:
        study=served("import_images"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(20),
    params:
        state=lambda wildcards: states.data.import_images(
            plan(wildcards), wildcards.batch
        ),
    message:
        "{wildcards.study}: import images of {wildcards.batch}"
    script:
        "../scripts/import_images.py"


rule rasterize_targets:
    input:
        files=raw_files("label"),
        full=raw_files("full"),
        types=raw_files("types"),
        images=ancient(outlined_images),
    output:
        folder=directory(at.study("targets/{batch}")),
    log:
        at.log("rasterize_targets", "study", "batch"),
    benchmark:
        at.times("rasterize_targets", "study", "batch")
    wildcard_constraints:
        study=served("rasterize_targets"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(20),
    params:
        state=lambda wildcards: states.data.rasterize_targets(
            plan(wildcards), wildcards.batch
        ),
    message:
        "{wildcards.study}: targets of {wildcards.batch}"
    script:
        "../scripts/rasterize_targets.py"


rule write_sheet:
    output:
        sheet=at.study("samples.tsv"),
    log:
        at.log("write_sheet", "study"),
    benchmark:
        at.times("write_sheet", "study")
    localrule: True
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.data.sheet(plan(wildcards)),
    message:
        "{wildcards.study}: write the sample sheet as understood"
    script:
        "../scripts/write_sheet.py"


rule split:
    output:
        table=at.study("splits/{split}.tsv"),
    log:
        at.log("split", "study", "split"),
    benchmark:
        at.times("split", "study", "split")
    localrule: True
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.data.split(plan(wildcards), wildcards.split),
    message:
        "{wildcards.study}: write split {wildcards.split}"
    script:
        "../scripts/split.py"


rule extract_patches:
    input:
        targets=at.study("targets/{batch}"),
    output:
        index=at.study("patches/{batch}.parquet"),
    log:
        at.log("extract_patches", "study", "batch"),
    benchmark:
        at.times("extract_patches", "study", "batch")
    wildcard_constraints:
        study=served("extract_patches"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.data.extract_patches(plan(wildcards)),
    message:
        "{wildcards.study}: patch index of {wildcards.batch}"
    script:
        "../scripts/extract_patches.py"
