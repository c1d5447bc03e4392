# What runs make of whole slides: kept epochs and the choice among them, heat-maps, calls of sections, metrics.
rule predict_kept:
    input:
        kept=at.run("kept"),
        images=at.study("images/{batch}"),
        referred=referred(),
        tissue=at.study("tissue/{batch}"),
        sections=at.study("sections/{batch}"),
    output:
        folder=directory(at.run("candidates/{batch}")),
    log:
        at.log("predict_kept", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("predict_kept", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=SLIDES,
        run=runs_of("kept"),
    conda:
        "../envs/torch.yaml"
    threads: OPTIONS.threads.predict
    resources:
        **on_gpu(),
        mem_mb=grow(4000),
        runtime=lasting(480),
    params:
        state=lambda wildcards: states.slides.predict_kept(
            plan(wildcards), wildcards.run
        ),
    message:
        "{wildcards.study}: areas in {wildcards.batch} by the kept epochs of {wildcards.run}"
    script:
        "../scripts/predict_kept.py"


rule select:
    input:
        kept=at.run("kept"),
        candidates=of_run("candidates/{batch}", "val"),
        sections=folders("sections", "val"),
    output:
        selection=at.run("selection.json"),
        weights=at.run("model.safetensors"),
        card=at.run("card.json"),
    log:
        at.log("select", "study", "split", "run", "seed"),
    benchmark:
        at.times("select", "study", "split", "run", "seed")
    wildcard_constraints:
        study=SLIDES,
        run=runs_of("kept"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.slides.select(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: choose epoch, threshold and area of {wildcards.run}"
    script:
        "../scripts/select.py"


rule borrow_selection:
    input:
        selection=borrowed("selection.json"),
    output:
        selection=at.run("selection.json"),
    log:
        at.log("borrow_selection", "study", "split", "run", "seed"),
    benchmark:
        at.times("borrow_selection", "study", "split", "run", "seed")
    wildcard_constraints:
        study=SLIDES,
        run=runs_of("borrowed"),
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.slides.borrow_selection(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: threshold and area for {wildcards.run}"
    script:
        "../scripts/borrow_selection.py"


rule predict_slides:
    input:
        weights=at.run("model.safetensors"),
        images=at.study("images/{batch}"),
        referred=referred(),
        tissue=at.study("tissue/{batch}"),
        sections=at.study("sections/{batch}"),
    output:
        folder=directory(at.run("predictions/{batch}")),
    log:
        at.log("predict_slides", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("predict_slides", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/torch.yaml"
    threads: OPTIONS.threads.predict
    resources:
        **on_gpu(),
        mem_mb=grow(4000),
        runtime=lasting(480),
    params:
        state=lambda wildcards: states.slides.predict_slides(
            plan(wildcards), wildcards.run, wildcards.batch
        ),
    message:
        "{wildcards.study}: heat-maps of {wildcards.batch} by {wildcards.run}"
    script:
        "../scripts/predict_slides.py"


rule call_sections:
    input:
        selection=at.run("selection.json"),
        maps=at.run("predictions/{batch}"),
        sections=at.study("sections/{batch}"),
    output:
        folder=directory(at.run("calls/{batch}")),
    log:
        at.log("call_sections", "study", "split", "run", "seed", "batch"),
    benchmark:
        at.times("call_sections", "study", "split", "run", "seed", "batch")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/imaging.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.slides.call_sections(
            plan(wildcards), wildcards.run
        ),
    message:
        "{wildcards.study}: call the sections of {wildcards.batch} by {wildcards.run}"
    script:
        "../scripts/call_sections.py"


rule evaluate_slides:
    input:
        calls=of_run("calls/{batch}"),
        predictions=of_run("predictions/{batch}"),
        targets=lambda wildcards: folders(
            "targets", *plan(wildcards).study.evaluate.parts
        )(wildcards),
    output:
        metrics=at.run("metrics.tsv"),
        sections=at.run("sections.tsv"),
    log:
        at.log("evaluate_slides", "study", "split", "run", "seed"),
    benchmark:
        at.times("evaluate_slides", "study", "split", "run", "seed")
    wildcard_constraints:
        study=SLIDES,
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(2000),
        runtime=lasting(60),
    params:
        state=lambda wildcards: states.slides.evaluate_slides(
            plan(wildcards), wildcards.split, wildcards.run, int(wildcards.seed)
        ),
    message:
        "{wildcards.study}: evaluate {wildcards.run} (split {wildcards.split}, seed {wildcards.seed})"
    script:
        "../scripts/evaluate_slides.py"
