# Stain normalization: the target is fitted once, then each image is given its stain.


wildcard_constraints:
    stain="[A-Za-z0-9_@.-]+",


rule fit_stain:
    input:
        images=stain_source,
    output:
        profile=at.study("stains/{stain}/target.json"),
    log:
        at.log("fit_stain", "study", "stain"),
    benchmark:
        at.times("fit_stain", "study", "stain")
    conda:
        environment("../envs/imaging.yaml", lambda wildcards: [wildcards.stain])
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.stains.fit_stain(
            plan(wildcards), wildcards.stain
        ),
    message:
        "{wildcards.study}: fit the stain of the target of {wildcards.stain}"
    script:
        "../scripts/fit_stain.py"


rule normalize_stain:
    input:
        target=at.study("stains/{stain}/target.json"),
        images=at.study("images/{batch}"),
    output:
        folder=directory(at.study("stains/{stain}/images/{batch}")),
    log:
        at.log("normalize_stain", "study", "stain", "batch"),
    benchmark:
        at.times("normalize_stain", "study", "stain", "batch")
    conda:
        environment("../envs/imaging.yaml", lambda wildcards: [wildcards.stain])
    threads: 1
    resources:
        mem_mb=grow(3000),
        runtime=lasting(120),
    params:
        state=lambda wildcards: states.stains.normalize_stain(
            plan(wildcards), wildcards.stain
        ),
    message:
        "{wildcards.study}: normalize the stain of {wildcards.batch} ({wildcards.stain})"
    script:
        "../scripts/normalize_stain.py"
