# Where images come from: a phantom, a public data set, or the user's own files.
PUBLIC = {
    str(p.study.data.dataset) for p in PLANS.values() if p.study.data.source == "public"
}
DATASETS = load_catalogue(project.find(project.DATASETS)) if PUBLIC else {}

for key in sorted(PUBLIC):

    rule:
        name:
            f"fetch_{key}"
        output:
            files=[
                f"{OPTIONS.resources}/{key}/{file.path}"
                for file in DATASETS[key].files
            ],
        log:
            at.log(f"fetch_{key}"),
        benchmark:
            at.times(f"fetch_{key}")
        localrule: True
        conda:
            "../envs/imaging.yaml"
        threads: 1
        resources:
            mem_mb=grow(500),
            runtime=lasting(240),
        params:
            state=code.state("scripts/fetch.py", DATASETS[key].model_dump(mode="json")),
        message:
            f"fetch data set {key}"
        script:
            "../scripts/fetch.py"


rule simulate:
    output:
        folder=directory(at.study("raw")),
    log:
        at.log("simulate", "study"),
    benchmark:
        at.times("simulate", "study")
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(30),
    params:
        state=lambda wildcards: states.data.simulate(plan(wildcards)),
    message:
        "{wildcards.study}: simulate the phantom"
    script:
        "../scripts/simulate.py"
