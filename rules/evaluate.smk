# Metrics of each run, tables and figures of each study.
rule evaluate:
    input:
        maps=of_run("predictions/{batch}"),
        segmentations=of_run("segmentations/{batch}"),
        targets=lambda wildcards: folders(
            "targets", *plan(wildcards).study.evaluate.parts
        )(wildcards),
    output:
        metrics=at.run("metrics.tsv"),
    log:
        at.log("evaluate", "study", "split", "run", "seed"),
    benchmark:
        at.times("evaluate", "study", "split", "run", "seed")
    wildcard_constraints:
        study=served("evaluate"),
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.runs.evaluate(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: evaluate {wildcards.run} (split {wildcards.split}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate.py"


# Segmentations of other tools (`external`), against the targets of the study.
rule score_external:
    input:
        predictions=lambda wildcards: own(
            list(plan(wildcards).external_files(wildcards.external).values())
        ),
        values=lambda wildcards: own(
            plan(wildcards).external_values(wildcards.external)
        ),
        targets=evaluated_targets,
    output:
        metrics=at.study("external/{external}/metrics.tsv"),
    log:
        at.log("score_external", "study", "external"),
    benchmark:
        at.times("score_external", "study", "external")
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.runs.score_external(
            plan(wildcards), wildcards.external
        ),
    message:
        "{wildcards.study}: evaluate {wildcards.external}, made elsewhere"
    script:
        "../scripts/score_external.py"


rule tabulate:
    input:
        unpack(entry_files("tables")),
        data=entry_data("tables"),
        published=shipped(project.PUBLISHED),
    output:
        sidecar=at.study("tables/{name}.json"),
        tsv=report(
            at.study("tables/{name}.tsv"),
            category="{study}",
            subcategory="tables",
            caption="../report/table.rst",
        ),
        md=at.study("tables/{name}.md"),
        tex=at.study("tables/{name}.tex"),
    log:
        at.log("tabulate", "study", "name"),
    benchmark:
        at.times("tabulate", "study", "name")
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(1500),
        runtime=lasting(15),
    params:
        state=lambda wildcards: products.entry(
            plan(wildcards), "tables", wildcards.name
        ),
        failed=times_failed("tables"),
        fails_alone=FAILS_ALONE,
    message:
        "{wildcards.study}: table {wildcards.name}"
    script:
        "../scripts/tabulate.py"


rule draw:
    input:
        unpack(entry_files("figures")),
        data=entry_data("figures"),
        published=shipped(project.PUBLISHED),
    output:
        sidecar=at.study("figures/{name}.json"),
        svg=report(
            at.study("figures/{name}.svg"),
            category="{study}",
            subcategory="figures",
            caption="../report/figure.rst",
        ),
        png=at.study("figures/{name}.png"),
        pdf=at.study("figures/{name}.pdf"),
        tsv=at.study("figures/{name}.tsv"),
    log:
        at.log("draw", "study", "name"),
    benchmark:
        at.times("draw", "study", "name")
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(15),
    params:
        state=lambda wildcards: products.entry(
            plan(wildcards), "figures", wildcards.name
        ),
        failed=times_failed("figures"),
        fails_alone=FAILS_ALONE,
    message:
        "{wildcards.study}: figure {wildcards.name}"
    script:
        "../scripts/draw.py"
