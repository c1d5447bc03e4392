# Input functions of batches and of runs: images, targets, patches, predictions, members of ensembles.
def folders(kind, *parts):
    """An input function: the batch folders of `kind` that hold samples of these parts of the split."""

    def inputs(wildcards):
        found = plan(wildcards)
        batches = found.batches_of(wildcards.split, *parts)
        if kind in ("targets", "patches"):
            batches = found.labelled(batches)
        return expand(
            at.study(f"{kind}/{{batch}}"), study=wildcards.study, batch=batches
        )

    return inputs


def images_of(wildcards):
    """The folder name of the images that a run sees, with a {batch}."""
    return plan(wildcards).seen(wildcards.split, wildcards.run)


def seen_images(*parts):
    """An input function: the images that a run sees, of one batch or of all batches of these parts with labels."""

    def inputs(wildcards):
        name = at.study(images_of(wildcards))
        if not parts:
            return name.format(study=wildcards.study, batch=wildcards.batch)
        found = plan(wildcards)
        batches = found.labelled(found.batches_of(wildcards.split, *parts))
        return expand(name, study=wildcards.study, batch=batches)

    return inputs


def of_run(name, *parts):
    """An input function: files of a run, one for each batch of these parts if the name has a {batch}."""

    def inputs(wildcards):
        parts_here = parts or plan(wildcards).study.evaluate.parts
        batches = plan(wildcards).batches_of(wildcards.split, *parts_here)
        return expand(at.run(name), **wildcards, batch=batches)

    return inputs


def held_out_maps(wildcards):
    """The uncalibrated maps of the validation part of all runs that a calibration is fitted to, run by run."""
    found = plan(wildcards)
    batches = found.batches_of(wildcards.split, "val")
    return [
        at.run("raw_predictions/{batch}").format(
            **{**wildcards, "run": run}, batch=batch
        )
        for run in found.study.runs[wildcards.run].calibration.pooled
        or (wildcards.run,)
        for batch in batches
    ]


def members_of(name):
    """An input function: the same file of every member of an ensemble."""

    def inputs(wildcards):
        trained = plan(wildcards).trained(wildcards.run, int(wildcards.seed))
        keys = {
            key: value for key, value in wildcards.items() if key not in ("run", "seed")
        }
        return [
            at.run(name).format(run=run, seed=seed, **keys) for run, seed in trained
        ]

    return inputs


def raw_files(column):
    """An input function: the files of a batch, or the phantom's folder."""

    def inputs(wildcards):
        found = plan(wildcards)
        return (
            [str(found.root)]
            if found.data_kind == "phantom"
            else found.files(wildcards.batch, column)
        )

    return inputs


def pictures(wildcards):
    """Folders of pictures of a batch that are made from other files, in place of images."""
    found = (
        make(plan(wildcards), wildcards.batch) for make in modalities.ask("pictures")
    )
    return [
        at.study(folder).format(study=wildcards.study) for folder in found if folder
    ]


def outlined_images(wildcards):
    """The images whose sizes are those of outlines; a phantom's lie in its folder."""
    found = plan(wildcards)
    drawn = found.has_outlines and found.data_kind != "phantom"
    return found.files(wildcards.batch, "image") if drawn else []


def borrowed(name):
    """An input function: a file of the run whose weights are borrowed."""

    def inputs(wildcards):
        source = plan(wildcards).study.runs[wildcards.run].weights_of
        keys = {key: wildcards[key] for key in ("study", "split", "seed")}
        return at.run(name).format(run=source, **keys)

    return inputs


def evaluated_targets(wildcards):
    """The targets of all evaluated batches of a study."""
    found = plan(wildcards)
    return expand(
        at.study("targets/{batch}"),
        study=wildcards.study,
        batch=found.labelled(found.evaluated_batches),
    )


def of_study(section, *suffixes):
    """An input function: the files of these endings of every table or figure of a study."""

    def inputs(wildcards):
        return [
            at.study(f"{section}/{name}.{suffix}")
            for name in getattr(plan(wildcards).study, section)
            for suffix in suffixes
        ]

    return inputs


def all_of(section):
    """Every table or figure of every study."""
    return [
        at.study(f"{section}/{name}.json").format(study=study)
        for study, found in PLANS.items()
        for name in getattr(found.study, section)
    ]
