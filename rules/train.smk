# Training. The checkpoint lies outside the declared outputs, so that a killed job resumes.
rule train:
    input:
        images=seen_images("train", "val"),
        referred=referred("train", "val"),
        targets=folders("targets", "train", "val"),
        patches=lambda wildcards: [
            f"{path}.parquet" for path in folders("patches", "train", "val")(wildcards)
        ],
    output:
        weights=at.run("model.safetensors"),
        history=at.run("history.tsv"),
        card=at.run("card.json"),
    log:
        at.log("train", "study", "split", "run", "seed"),
    benchmark:
        at.times("train", "study", "split", "run", "seed")
    wildcard_constraints:
        run=runs_of("calibrated", "plain"),
    priority: 10
    conda:
        "../envs/torch.yaml"
    threads: lambda wildcards: OPTIONS.training_threads(on_cpu=trains_on_cpu())
    resources:
        **on_gpu(OPTIONS.gpus),
        mem_mb=training_memory,
        runtime=lasting(480),
    params:
        state=lambda wildcards: states.runs.train(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: train {wildcards.run} (split {wildcards.split}, seed {wildcards.seed})"
    script:
        "../scripts/train.py"


# Training that keeps several epochs, of which a later rule makes one the model.
use rule train as train_kept with:
    output:
        kept=directory(at.run("kept")),
        history=at.run("history.tsv"),
    log:
        at.log("train_kept", "study", "split", "run", "seed"),
    benchmark:
        at.times("train_kept", "study", "split", "run", "seed")
    wildcard_constraints:
        run=runs_of("kept"),


# A run without a network: its classifier is fitted to training pixels at once.
rule fit_classifier:
    input:
        images=seen_images("train"),
        referred=referred("train"),
        targets=folders("targets", "train"),
    output:
        weights=at.run("model.safetensors"),
        card=at.run("card.json"),
    log:
        at.log("fit_classifier", "study", "split", "run", "seed"),
    benchmark:
        at.times("fit_classifier", "study", "split", "run", "seed")
    wildcard_constraints:
        run=runs_of("classifier"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(4000),
        runtime=lasting(120),
    params:
        state=lambda wildcards: states.runs.fit_classifier(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: fit {wildcards.run} (split {wildcards.split}, seed {wildcards.seed})"
    script:
        "../scripts/fit_classifier.py"


# A run that is not trained: the weights of another run, for another view of the images.
rule borrow_weights:
    input:
        weights=borrowed("model.safetensors"),
        history=borrowed("history.tsv"),
        card=borrowed("card.json"),
    output:
        weights=at.run("model.safetensors"),
        history=at.run("history.tsv"),
        card=at.run("card.json"),
    log:
        at.log("borrow_weights", "study", "split", "run", "seed"),
    benchmark:
        at.times("borrow_weights", "study", "split", "run", "seed")
    wildcard_constraints:
        run=runs_of("borrowed", "recalibrated"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.runs.borrow_weights(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: weights for {wildcards.run}"
    script:
        "../scripts/borrow_weights.py"
