# Prediction: overlap-tile or dense, calibration, ensembles.
rule predict:
    input:
        weights=at.run("model.safetensors"),
        images=seen_images(),
    output:
        folder=directory(at.run("predictions/{batch}")),
    log:
        at.log("predict", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("predict", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=served("predict"),
        run=runs_of("plain", "borrowed"),
    conda:
        "../envs/torch.yaml"
    threads: OPTIONS.threads.predict
    resources:
        **on_gpu(),
        mem_mb=grow(4000),
        runtime=lasting(120),
    params:
        state=lambda wildcards: states.runs.predict(plan(wildcards), wildcards.run),
    message:
        "{wildcards.study}: predict {wildcards.batch} with {wildcards.run}"
    script:
        "../scripts/predict.py"


use rule predict as predict_raw with:
    output:
        folder=directory(at.run("raw_predictions/{batch}")),
    log:
        at.log("predict_raw", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("predict_raw", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        run=runs_of("calibrated", "recalibrated"),


rule classify:
    input:
        weights=at.run("model.safetensors"),
        images=seen_images(),
    output:
        folder=directory(at.run("predictions/{batch}")),
    log:
        at.log("classify", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("classify", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=served("predict"),
        run=runs_of("classifier"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(120),
    params:
        state=lambda wildcards: states.runs.classify(plan(wildcards), wildcards.run),
    message:
        "{wildcards.study}: classify the pixels of {wildcards.batch} with {wildcards.run}"
    script:
        "../scripts/classify.py"


rule fit_calibration:
    input:
        maps=held_out_maps,
        targets=folders("targets", "val"),
    output:
        calibration=at.run("calibration.json"),
    log:
        at.log("fit_calibration", "study", "split", "run", "seed"),
    benchmark:
        at.times("fit_calibration", "study", "split", "run", "seed")
    wildcard_constraints:
        run=runs_of("calibrated", "recalibrated"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.runs.fit_calibration(
            plan(wildcards), wildcards.split, wildcards.run
        ),
    message:
        "{wildcards.study}: fit the calibration of {wildcards.run}"
    script:
        "../scripts/fit_calibration.py"


rule calibrate_predictions:
    input:
        calibration=at.run("calibration.json"),
        maps=at.run("raw_predictions/{batch}"),
    output:
        folder=directory(at.run("predictions/{batch}")),
    log:
        at.log("calibrate_predictions", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("calibrate_predictions", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        run=runs_of("calibrated", "recalibrated"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.runs.calibrate_predictions(
            plan(wildcards), wildcards.run
        ),
    message:
        "{wildcards.study}: calibrate {wildcards.run} on {wildcards.batch}"
    script:
        "../scripts/calibrate_predictions.py"


rule average:
    input:
        maps=members_of("predictions/{batch}"),
    output:
        folder=directory(at.run("predictions/{batch}")),
    log:
        at.log("average", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("average", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        run=runs_of("ensemble"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.runs.average(plan(wildcards), wildcards.run),
    message:
        "{wildcards.study}: average the members of {wildcards.run} on {wildcards.batch}"
    script:
        "../scripts/average.py"


rule uncertainty:
    input:
        maps=members_of("predictions/{batch}"),
    output:
        folder=directory(at.run("uncertainty/{batch}")),
    log:
        at.log("uncertainty", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("uncertainty", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        run=runs_of("ensemble"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.runs.uncertainty(plan(wildcards), wildcards.run),
    message:
        "{wildcards.study}: where the members of {wildcards.run} doubt on {wildcards.batch}"
    script:
        "../scripts/uncertainty.py"


rule ensemble:
    input:
        cards=members_of("card.json"),
    output:
        card=at.run("card.json"),
    log:
        at.log("ensemble", "study", "split", "run", "seed"),
    benchmark:
        at.times("ensemble", "study", "split", "run", "seed")
    wildcard_constraints:
        run=runs_of("ensemble"),
    localrule: True
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(500),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.runs.ensemble(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: card of {wildcards.run}"
    script:
        "../scripts/ensemble.py"
