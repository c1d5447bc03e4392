# Input functions of tables and figures, and of what is asked for by name (apply, evaluate_folder, export_model).
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
        if name != "calibration.json" or found.study.runs[run].kind == "calibrated"
    ]


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
