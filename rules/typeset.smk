# All tables and figures of each study as one LaTeX document, and as PDF by the TeX of the system (target `paper`).
rule write_document:
    input:
        tables=of_study("tables", "json", "tex"),
        figures=of_study("figures", "json", "pdf"),
    output:
        tex=at.study("paper.tex"),
    log:
        at.log("write_document", "study"),
    benchmark:
        at.times("write_document", "study")
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: products.paper(plan(wildcards)),
    message:
        "{wildcards.study}: write {output.tex}"
    script:
        "../scripts/write_document.py"


rule typeset:
    input:
        tex=at.study("paper.tex"),
        tables=of_study("tables", "tex"),
        figures=of_study("figures", "pdf"),
    output:
        pdf=at.study("paper.pdf"),
    log:
        at.log("typeset", "study"),
    benchmark:
        at.times("typeset", "study")
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        state=lambda wildcards: states.state_of("typeset", {}),
    message:
        "{wildcards.study}: set {output.pdf}"
    script:
        "../scripts/typeset.py"


rule paper:
    input:
        [at.study("paper.pdf").format(study=study) for study in PLANS],
