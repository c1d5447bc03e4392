# Input functions of tables and figures, of what is asked for by name (apply, evaluate_folder, export_model), and of
# options that are tuned.
NOTES = 20


def entry_files(section):
    """An input function: what a table or a figure is made of, as its kind declares, by the name of the input."""

    def inputs(wildcards):
        found = plan(wildcards)
        recorded = needs.given(found, section, wildcards.name)
        made = needs.files(found, at, section, wildcards.name)
        made |= {name: whose(found, files) for name, files in recorded.items()}
        shown = (
            of_references(found, found.evaluated_batches) if "images" in made else []
        )
        return made | ({"referred": shown} if shown else {})

    return inputs


def entry_data(section):
    """An input function: the sample sheet and the splits behind a table or a figure, to be named in its sidecar.

    They are ancient: what depends on them depends on the runs and images made from them.
    """

    def inputs(wildcards):
        return ancient(needs.origins(plan(wildcards), at, section, wildcards.name))

    return inputs


def times_failed(section):
    """A parameter: how often a table or a figure had failed when the workflow was read, so that it runs again."""

    def times(wildcards):
        return FAILED.get((wildcards.study, section, wildcards.name), "0")

    return times


@cache
def asked(*needed):
    """What the options study, run, split, seed, images, labels ask for; a message where one is missing or wrong."""
    try:
        return ask(OPTIONS, PLANS, needed, at=at)
    except (ValueError, OSError) as error:
        raise WorkflowError(str(error)) from None


def targets():
    """The targets of the command line."""
    return get_argument_parser().parse_known_args(sys.argv[1:])[0].targets


def look_at_what_is_asked():
    """Say what is wrong with what tables, figures and the command line ask for, and which files it leaves out.

    This is done before there is a DAG, where a message stands alone, without the program's own calls.
    """
    try:
        needs.check(PLANS.values())
        check_unasked(workflow.config_settings.config, targets)
    except ConfigurationError as error:
        raise SystemExit(str(error)) from None
    said = NEEDED.keys() & set(sys.argv[1:])
    for target in said and said & set(targets()):  # the word may also name a folder
        try:
            notes = asked(*NEEDED[target]).newcomers.notes
        except WorkflowError as error:
            raise SystemExit(str(error)) from None
        for name, text in notes[:NOTES]:
            logger.warning(f"{target}: {OPTIONS.images}/{name}: {text}")
        if len(notes) > NOTES:
            logger.warning(f"{target}: {len(notes) - NOTES} more files are left out")


def new_files(wildcards):
    """The files of the images that a run is applied to."""
    return own(asked("images").newcomers.files)


def new_labels(wildcards):
    """The files of their labels."""
    return own(asked("images", "labels").label_files)


def applied_files(wildcards, name):
    """A file of each run whose maps `apply` needs; those that not all runs have, of those that have them."""
    found = plan(wildcards)
    has = {
        "calibration.json": lambda run: run.is_calibrated,
        "selection.json": lambda run: run.calls is not None,
    }
    return [
        at.run(name).format(
            study=wildcards.study, split=wildcards.split, run=run, seed=seed
        )
        for run, seed in found.trained(wildcards.run, int(wildcards.seed))
        if name not in has or has[name](found.study.runs[run])
    ]


def measured_metrics(wildcards):
    """The metrics that tell how good a run is: its own, or those of its folds if it learnt from every sample."""
    splits = plan(wildcards).measured_on(wildcards.split, wildcards.run)
    return [
        at.run("metrics.tsv").format(**{**wildcards, "split": split})
        for split in splits
    ]


def applied_state(wildcards):
    """The state of `apply_run`, or of `apply_model`."""
    found = asked("images")
    identity, files = (found.plan, found.run, found.seed), found.newcomers.state
    return states.applied.apply(*identity, found.rows(), files=files)


def evaluated_state(wildcards):
    """The state of `evaluate_applied`, or of `evaluate_model`."""
    found = asked("images", "labels")
    identity = (found.plan, found.split, found.run, found.seed)
    rows, files = found.rows(labelled=True), stamps(found.label_files)
    return states.applied.evaluate_applied(*identity, rows, files=files)


def said_state(wildcards):
    """The state of `apply`."""
    found = asked("images")
    return states.applied.say(found.plan, found.run, found.seed)


def asked_for(name, *needed):
    """The file or folder that the options ask for, of a run or of a packed model."""
    found = asked(*needed)
    pattern = at.model(name) if found.model else at.run(name)
    of = {"study": found.plan.study.name, "split": found.split, "run": found.run}
    return pattern.format(**of, seed=found.seed, model=found.model, folder=found.folder)


def packed_for(pattern):
    """The archive that the options ask for."""
    found = asked("export")
    of = {"study": found.plan.study.name, "split": found.split, "run": found.run}
    return pattern.format(**of, seed=found.seed)


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
