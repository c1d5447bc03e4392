# A trained run on new images: snakemake apply --config study=membranes run=bce images=FOLDER
rule apply_run:
    input:
        images=new_images,
        weights=lambda wildcards: applied_files(wildcards, "model.safetensors"),
        calibrations=lambda wildcards: applied_files(wildcards, "calibration.json"),
    output:
        folder=directory(at.run("applied/{folder}")),
    log:
        at.log("apply_run", "study", "split", "run", "seed", "folder"),
    benchmark:
        at.times("apply_run", "study", "split", "run", "seed", "folder")
    conda:
        "../envs/torch.yaml"
    threads: OPTIONS.threads.predict
    resources:
        mem_mb=grow(4000),
        runtime=240,
        gpu=lambda wildcards: 1,
    params:
        state=lambda wildcards: plan(wildcards).apply(wildcards.run),
    message:
        "{wildcards.study}: apply {wildcards.run} to the images in {wildcards.folder}"
    script:
        "../scripts/apply_run.py"


rule apply:
    input:
        applied_folder,
