# Input functions of cubes, of tables and figures, and of what is asked for by name (apply, evaluate_folder, export_model).
def entry_inputs(section, name):
    """An input function: what a table or a figure is made of, in files or batch folders called `name`."""

    def inputs(wildcards):
        found = plan(wildcards)
        runs = found.entry_runs(section, wildcards.name)
        keys = [(s, r, i) for s, r, i in found.evaluated() if r in runs]
        if name == "history.tsv":
            keys = [key for key in keys if not found.study.runs[key[1]].is_ensemble]
        return [
            expand(at.run(name), study=wildcards.study, split=s, run=r, seed=i)[0]
            for s, r, i in keys
        ]

    return inputs


def entry_data(section):
    """An input function: the sample sheet and the splits behind a table or a figure, to be named in its sidecar.

    They are ancient: what depends on them depends on the runs and images made from them.
    """

    def inputs(wildcards):
        found = plan(wildcards)
        entry = getattr(found.study, section)[wildcards.name]
        if not (entry.runs or entry.images or entry.stains or entry.cubes):
            return []
        names = ["samples.tsv", *(f"splits/{split}.tsv" for split in found.splits)]
        return ancient([at.study(name).format(study=wildcards.study) for name in names])

    return inputs


def entry_images(section, kind):
    """An input function: batch folders of the evaluated parts, if the table or figure shows images."""

    def inputs(wildcards):
        found = plan(wildcards)
        if not getattr(found.study, section)[wildcards.name].images:
            return []
        batches = {
            b
            for split in found.splits
            for b in found.batches_of(split, *found.study.evaluate.parts)
        }
        if kind == "targets":
            batches = found.labelled(batches)
        return expand(
            at.study(f"{kind}/{{batch}}"), study=wildcards.study, batch=sorted(batches)
        )

    return inputs


def entry_maps(section):
    """An input function: predictions and segmentations of the runs, if the table or figure shows images."""

    def inputs(wildcards):
        found = plan(wildcards)
        if not getattr(found.study, section)[wildcards.name].images:
            return []
        runs = found.entry_runs(section, wildcards.name)
        return [
            at.run(name).format(study=wildcards.study, split=split, run=run, seed=seed)
            for split, run, seed in found.evaluated()
            if run in runs
            for name in found.map_files(split, run)
        ]

    return inputs


def entry_stains(section, name=""):
    """An input function: folders of stain-normalized images, or files, if the table or figure shows stains."""

    def inputs(wildcards):
        found = plan(wildcards)
        if not getattr(found.study, section)[wildcards.name].stains:
            return []
        pattern = at.study("stains/{stain}/" + (name or "images/{batch}"))
        keys = {"study": wildcards.study, "stain": found.study.stains}
        return expand(pattern, **keys, batch=found.batches)

    return inputs


def entry_cubes(name):
    """An input function: calibrated cubes, raw cubes or chosen bands, if the figure shows cubes."""

    def inputs(wildcards):
        found = plan(wildcards)
        if not found.study.figures[wildcards.name].cubes:
            return []
        parts = found.study.evaluate.parts
        batches = {b for split in found.splits for b in found.batches_of(split, *parts)}
        keys = {
            "study": wildcards.study,
            "split": found.splits,
            "batch": sorted(batches),
        }
        return expand(at.study(name), **keys)

    return inputs


def entry_objects(section):
    """An input function: folders of measured objects, if the table or figure is made of them."""

    def inputs(wildcards):
        found = plan(wildcards)
        if not getattr(found.study, section)[wildcards.name].objects:
            return []
        runs = found.entry_runs(section, wildcards.name)
        return [
            at.run(f"objects/{batch}").format(
                study=wildcards.study, split=split, run=run, seed=seed
            )
            for split, run, seed in found.evaluated()
            if run in runs
            for batch in found.batches_of(split, *found.study.evaluate.parts)
        ]

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
