# Whole slides, which stay where they are: references, tissue, sections, annotations, windows.
SLIDES = slide_studies()


rule reference_slides:
    input:
        files=raw_files("image"),
    output:
        folder=directory(at.study("images/{batch}")),
    log:
        at.log("reference_slides", "study", "batch"),
    benchmark:
        at.times("reference_slides", "study", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.slides.reference_slides(
            plan(wildcards), wildcards.batch
        ),
    message:
        "{wildcards.study}: look at the slides of {wildcards.batch}"
    script:
        "../scripts/reference_slides.py"


rule find_tissue:
    input:
        images=at.study("images/{batch}"),
        referred=referred(),
    output:
        folder=directory(at.study("tissue/{batch}")),
    log:
        at.log("find_tissue", "study", "batch"),
    benchmark:
        at.times("find_tissue", "study", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.slides.find_tissue(
            plan(wildcards), wildcards.batch
        ),
    message:
        "{wildcards.study}: tissue of {wildcards.batch}"
    script:
        "../scripts/find_tissue.py"


rule find_sections:
    input:
        files=raw_files("sections"),
        images=at.study("images/{batch}"),
        tissue=at.study("tissue/{batch}"),
    output:
        folder=directory(at.study("sections/{batch}")),
    log:
        at.log("find_sections", "study", "batch"),
    benchmark:
        at.times("find_sections", "study", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.slides.find_sections(
            plan(wildcards), wildcards.batch
        ),
    message:
        "{wildcards.study}: sections of {wildcards.batch}"
    script:
        "../scripts/find_sections.py"


rule annotate_slides:
    input:
        files=raw_files("label"),
        images=at.study("images/{batch}"),
    output:
        folder=directory(at.study("targets/{batch}")),
    log:
        at.log("annotate_slides", "study", "batch"),
    benchmark:
        at.times("annotate_slides", "study", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.slides.annotate_slides(
            plan(wildcards), wildcards.batch
        ),
    message:
        "{wildcards.study}: annotations of {wildcards.batch}"
    script:
        "../scripts/annotate_slides.py"


rule index_tissue:
    input:
        targets=at.study("targets/{batch}"),
        tissue=at.study("tissue/{batch}"),
    output:
        index=at.study("patches/{batch}.parquet"),
    log:
        at.log("index_tissue", "study", "batch"),
    benchmark:
        at.times("index_tissue", "study", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.slides.index_tissue(plan(wildcards)),
    message:
        "{wildcards.study}: patch index of {wildcards.batch}"
    script:
        "../scripts/index_tissue.py"
