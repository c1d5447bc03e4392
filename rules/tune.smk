# Options of segmentation that are chosen on held-out images.
from microtome.study.tuning import held_out_batches


def tuned_values(wildcards):
    """The options of a run's segmentation that are chosen on held-out images; none where none are tuned."""
    is_tuned = plan(wildcards).study.runs[wildcards.run].tune is not None
    return [at.run("tuned.json").format(**wildcards)] if is_tuned else []


def tuning_maps(wildcards):
    """The maps on which a run is tuned, of the network that did not see their images."""
    held_out = held_out_batches(plan(wildcards), wildcards.split, wildcards.run)
    return [
        at.run("predictions/{batch}").format(
            **{**wildcards, "split": split}, batch=batch
        )
        for split, batch in held_out
    ]


def tuning_targets(wildcards):
    """The targets of these images."""
    held_out = held_out_batches(plan(wildcards), wildcards.split, wildcards.run)
    return [
        at.study("targets/{batch}").format(study=wildcards.study, batch=batch)
        for _, batch in held_out
    ]


rule tune:
    input:
        maps=tuning_maps,
        targets=tuning_targets,
    output:
        chosen=at.run("tuned.json"),
        table=at.run("tuned.tsv"),
    log:
        at.log("tune", "study", "split", "run", "seed"),
    benchmark:
        at.times("tune", "study", "split", "run", "seed")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(240),
    params:
        state=lambda wildcards: states.runs.tune(
            plan(wildcards), wildcards.split, wildcards.run
        ),
    message:
        "{wildcards.study}: tune the segmentation of {wildcards.run} on held-out images"
    script:
        "../scripts/tune.py"
