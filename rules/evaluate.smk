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
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: plan(wildcards).evaluate(
            wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: evaluate {wildcards.run} (split {wildcards.split}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate.py"


rule tabulate:
    input:
        cards=entry_inputs("tables", "card.json"),
        histories=entry_inputs("tables", "history.tsv"),
        metrics=entry_inputs("tables", "metrics.tsv"),
        splits=lambda wildcards: expand(
            at.study("splits/{split}.tsv"),
            study=wildcards.study,
            split=plan(wildcards).splits,
        ),
        targets=lambda wildcards: (
            expand(
                at.study("targets/{batch}"),
                study=wildcards.study,
                batch=plan(wildcards).labelled(plan(wildcards).batches),
            )
            if plan(wildcards).study.tables[wildcards.name].images
            else []
        ),
        data=entry_data("tables"),
        stains=entry_stains("tables"),
        objects=entry_objects("tables"),
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
        state=lambda wildcards: plan(wildcards).entry("tables", wildcards.name),
    message:
        "{wildcards.study}: table {wildcards.name}"
    script:
        "../scripts/tabulate.py"


rule draw:
    input:
        cards=entry_inputs("figures", "card.json"),
        histories=entry_inputs("figures", "history.tsv"),
        metrics=entry_inputs("figures", "metrics.tsv"),
        images=entry_images("figures", "images"),
        targets=entry_images("figures", "targets"),
        maps=entry_maps("figures"),
        stains=entry_stains("figures"),
        stain_targets=entry_stains("figures", "target.json"),
        data=entry_data("figures"),
        cubes=entry_cubes("cubes/{batch}"),
        bands=entry_cubes("bands/{split}/bands.tsv"),
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
        state=lambda wildcards: plan(wildcards).entry("figures", wildcards.name),
    message:
        "{wildcards.study}: figure {wildcards.name}"
    script:
        "../scripts/draw.py"
