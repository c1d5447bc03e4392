# The report of the studies that run, in a folder of its own for each set of studies; and a look at the machine.
from microtome.workflow import reported
from microtome.workflow.paths import remember_profiles

# Jobs inherit the names of profiles, by which the report tells the command that makes it; no result depends on it.
if workflow.is_main_process:
    remember_profiles(get_argument_parser().parse_known_args(sys.argv[1:])[0].profile)


rule report_page:
    input:
        **reported.files(PLANS, at, pictures=IS_STORED),
        referred=[
            file
            for found in PLANS.values()
            for file in of_references(found, found.evaluated_batches)
        ],
        published=shipped(project.PUBLISHED),
        catalogue=shipped(project.DATASETS),
    output:
        page=report(at.page, category="report", caption="../report/html.rst"),
    log:
        at.log(f"report_page/{set_name(PLANS)}"),
    conda:
        "../envs/report.yaml"
    threads: 2
    resources:
        mem_mb=grow(2000),
        runtime=lasting(30),
    params:
        state=products.report(PLANS),
    message:
        "write {output.page}"
    script:
        "../scripts/report_page.py"


# The same results as an RO-Crate: what every file is and what made it from what. Written after the report.
rule crate:
    input:
        **reported.files(PLANS, at, pictures=False),
        page=at.page,
        published=shipped(project.PUBLISHED),
        catalogue=shipped(project.DATASETS),
    output:
        metadata=at.crate,
        workflow=directory(f"{at.report}/workflow"),
    log:
        at.log(f"crate/{set_name(PLANS)}"),
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(30),
    params:
        state=products.crate(PLANS),
    message:
        "write {output.metadata}"
    script:
        "../scripts/crate.py"


rule report:
    input:
        at.page,


rule doctor:
    log:
        "logs/doctor.log",
    localrule: True
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        mem_mb=grow(1000),
        runtime=lasting(10),
    params:
        results=OPTIONS.results,
    message:
        "look at this machine"
    script:
        "../scripts/doctor.py"


# snakemake new_study --config study=NAME images=FOLDER labels=FOLDER
rule new_study:
    log:
        "logs/new_study.log",
    localrule: True
    conda:
        "../envs/report.yaml"
    threads: 1
    resources:
        mem_mb=grow(4000),
        runtime=lasting(60),
    params:
        name=OPTIONS.study,
        images=OPTIONS.images,
        labels=OPTIONS.labels,
    message:
        "make a study of the images in {params.images}"
    script:
        "../scripts/new_study.py"


# Before trainings queue: does a job that asks for GPUs get some that compute, and how fast? It makes no file, so it
# runs whenever it is asked for.
rule gpu_check:
    log:
        "logs/gpu_check.log",
    conda:
        "../envs/torch.yaml"
    threads: 1
    resources:
        **on_gpu(OPTIONS.gpus),
        mem_mb=grow(4000),
        runtime=lasting(15),
    params:
        gpus=count_gpus(on_gpu(OPTIONS.gpus)),
    message:
        "look at the GPUs that a job gets: logs/gpu_check.log"
    script:
        "../scripts/gpu_check.py"
