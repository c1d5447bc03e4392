# Stacks: slices with their neighbours as further channels, as runs with `input.neighbours` see them.


wildcard_constraints:
    neighbours=r"\d+(-beyond)?",


rule stack_neighbours:
    input:
        images=neighbouring,
    output:
        folder=directory(at.study("stacked/{split}/{neighbours}/{batch}")),
    log:
        at.log("stack_neighbours", "study", "split", "neighbours", "batch"),
    benchmark:
        at.times("stack_neighbours", "study", "split", "neighbours", "batch")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.stacks.stack_neighbours(
            plan(wildcards), wildcards.split, wildcards.neighbours, wildcards.batch
        ),
    message:
        "{wildcards.study}: slices of {wildcards.batch} with {wildcards.neighbours} neighbours on each side"
    script:
        "../scripts/stack_neighbours.py"
