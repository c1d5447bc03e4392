# A trained run on other images than the study's, and out of the repository.
#   snakemake apply           --config study=nuclei run=exp_9 images=FOLDER
#   snakemake evaluate_folder --config study=nuclei run=exp_9 images=FOLDER labels=FOLDER
#   snakemake export_model    --config study=nuclei run=exp_9 export=FOLDER
#   snakemake apply           --config model=FILE.zip images=FOLDER
rule apply_run:
    input:
        images=new_files,
        weights=lambda wildcards: applied_files(wildcards, "model.safetensors"),
        calibrations=lambda wildcards: applied_files(wildcards, "calibration.json"),
        selections=lambda wildcards: applied_files(wildcards, "selection.json"),
        stains=applied_stains,
        bands=applied_bands,
        tuned=tuned_values,
    output:
        folder=directory(at.run("applied/{folder}")),
    log:
        at.log("apply_run", "study", "split", "run", "seed", "folder"),
    benchmark:
        at.times("apply_run", "study", "split", "run", "seed", "folder")
    conda:
        environment(
            "../envs/torch.yaml",
            lambda wildcards: modalities.stains.applied(
                plan(wildcards), wildcards.run
            ),
        )
    threads: OPTIONS.threads.predict
    resources:
        **on_gpu(),
        mem_mb=grow(4000),
        runtime=lasting(240),
    params:
        state=applied_state,
    message:
        "{wildcards.study}: apply {wildcards.run} to the images in {wildcards.folder}"
    script:
        "../scripts/apply_run.py"


use rule apply_run as apply_model with:
    input:
        images=new_files,
        archive=lambda wildcards: own([OPTIONS.model]) if OPTIONS.model else [],
    output:
        folder=directory(at.model("applied/{folder}")),
    log:
        at.log("apply_model", "model", "folder"),
    benchmark:
        at.times("apply_model", "model", "folder")
    conda:
        environment("../envs/torch.yaml", packed_stains)
    message:
        "{wildcards.model}: apply it to the images in {wildcards.folder}"


rule evaluate_applied:
    input:
        applied=at.run("applied/{folder}"),
        labels=new_labels,
    output:
        folder=directory(at.run("evaluated/{folder}")),
    log:
        at.log("evaluate_applied", "study", "split", "run", "seed", "folder"),
    benchmark:
        at.times("evaluate_applied", "study", "split", "run", "seed", "folder")
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(3000),
        runtime=lasting(120),
    params:
        state=evaluated_state,
    message:
        "{wildcards.study}: evaluate {wildcards.run} on the images in {wildcards.folder}"
    script:
        "../scripts/evaluate_applied.py"


use rule evaluate_applied as evaluate_model with:
    input:
        applied=at.model("applied/{folder}"),
        labels=new_labels,
    output:
        folder=directory(at.model("evaluated/{folder}")),
    log:
        at.log("evaluate_model", "model", "folder"),
    benchmark:
        at.times("evaluate_model", "model", "folder")
    message:
        "{wildcards.model}: evaluate it on the images in {wildcards.folder}"


PACKED = f"{OPTIONS.export or 'exports'}/{{study}}-{{run}}-{{split}}-seed{{seed}}.zip"
"""The archive of a run; `rules.export_run.output` names a job's copy of it, where files lie in a store."""


rule export_run:
    input:
        weights=lambda wildcards: applied_files(wildcards, "model.safetensors"),
        cards=lambda wildcards: applied_files(wildcards, "card.json"),
        calibrations=lambda wildcards: applied_files(wildcards, "calibration.json"),
        selections=lambda wildcards: applied_files(wildcards, "selection.json"),
        stains=applied_stains,
        bands=applied_bands,
        tuned=tuned_values,
        metrics=measured_metrics,
    output:
        archive=PACKED,
    log:
        at.log("export_run", "study", "split", "run", "seed"),
    benchmark:
        at.times("export_run", "study", "split", "run", "seed")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.applied.export_run(
            plan(wildcards),
            wildcards.run,
            DATASETS.get(str(plan(wildcards).study.data.dataset)),
            wildcards.split,
            int(wildcards.seed),
        ),
    message:
        "{wildcards.study}: pack {wildcards.run} for use elsewhere"
    script:
        "../scripts/export_run.py"


rule apply:
    input:
        lambda wildcards: asked_for("applied/{folder}", "images"),
    log:
        "logs/apply.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=said_state,
    message:
        "say where the results are"
    script:
        "../scripts/apply.py"


rule evaluate_folder:
    input:
        lambda wildcards: asked_for("evaluated/{folder}", "images", "labels"),
    log:
        "logs/evaluate_folder.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=states.state_of("evaluate_folder", {}),
    message:
        "say how good the run is"
    script:
        "../scripts/evaluate_folder.py"


rule export_model:
    input:
        lambda wildcards: packed_for(PACKED),
