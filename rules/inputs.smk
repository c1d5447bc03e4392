# Input functions of cubes, of tables and figures, and of what is asked for by name (apply, evaluate_folder, export_model).
def entry_files(section):
    """An input function: what a table or a figure is made of, as its kind declares, by the name of the input."""

    def inputs(wildcards):
        return needs.files(plan(wildcards), at, section, wildcards.name)

    return inputs


def entry_data(section):
    """An input function: the sample sheet and the splits behind a table or a figure, to be named in its sidecar.

    They are ancient: what depends on them depends on the runs and images made from them.
    """

    def inputs(wildcards):
        return ancient(needs.origins(plan(wildcards), at, section, wildcards.name))

    return inputs


def scored_batches(wildcards):
    """The band scores that the choice of bands goes by."""
    found = plan(wildcards)
    samples = found.scored(wildcards.split)
    batches = dict.fromkeys(found.batch_of(sample) for sample in samples)
    return expand(
        at.study("bands/scores/{batch}.tsv"), study=wildcards.study, batch=batches
    )


def rendered_cubes(wildcards):
    """The calibrated cubes of a batch, if pictures of it are rendered from them."""
    cubes = at.study("cubes/{batch}").format(**wildcards)
    return [cubes] if plan(wildcards).rendered(wildcards.batch) else []


def cube_files(*columns):
    """An input function: the raw cubes and references of a batch, or the phantom's folder."""

    def inputs(wildcards):
        found = plan(wildcards)
        if found.data_kind == "phantom":
            return [str(found.root)]
        return [
            file for column in columns for file in found.files(wildcards.batch, column)
        ]

    return inputs


def new_images(wildcards):
    """The images that a run is applied to."""
    return list_images(Path(str(OPTIONS.images)))


def new_labels(wildcards):
    """Their labels, in the same order."""
    return list(pair_labels(new_images(wildcards), Path(str(OPTIONS.labels))).values())


def applied_files(wildcards, name):
    """A file of each run whose maps `apply` needs; calibrations only of calibrated runs."""
    found = plan(wildcards)
    return [
        at.run(name).format(
            study=wildcards.study, split=wildcards.split, run=run, seed=seed
        )
        for run, seed in found.trained(wildcards.run, int(wildcards.seed))
        if name != "calibration.json" or run_kind(found.study.runs[run]) == "calibrated"
    ]


def applied_stains(wildcards):
    """The stain targets of the runs whose maps `apply` needs."""
    stains = plan(wildcards).applied_stains(wildcards.run)
    return expand(
        at.study("stains/{stain}/target.json"), study=wildcards.study, stain=stains
    )


def asked_for(pattern, *needed):
    """What the options study, run, split and seed ask for; stops with a message where one is missing or wrong."""
    try:
        check_asked(OPTIONS, PLANS, needed)
    except ConfigurationError as error:
        raise WorkflowError(str(error)) from None
    return pattern.format(
        study=OPTIONS.study,
        split=OPTIONS.split,
        run=OPTIONS.run,
        seed=OPTIONS.seed,
        folder=Path(str(OPTIONS.images)).resolve().name,
    )
