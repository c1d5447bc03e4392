# Training. The checkpoint lies outside the declared outputs, so that a killed job resumes.
rule train:
    input:
        images=seen_images("train", "val"),
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
    threads: OPTIONS.threads.train
    resources:
        mem_mb=grow(4000),
        runtime=24 * 60,
        gpu=lambda wildcards: 1,
    params:
        state=lambda wildcards: plan(wildcards).train(
            wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: train {wildcards.run} (split {wildcards.split}, seed {wildcards.seed})"
    script:
        "../scripts/train.py"
