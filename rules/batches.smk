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


def raw_files(*columns):
    """An input function: the files of a batch in some columns of the sheet, or the phantom's folder."""

    def inputs(wildcards):
        return given(plan(wildcards), wildcards.batch, *columns)

    return inputs


def given(found, batch, *columns):
    """What is given of a batch: the user's own files, those of a public data set, or the phantom's folder."""
    if found.data_kind == "phantom":
        return [str(found.root)]
    return whose(
        found, [file for column in columns for file in found.files(batch, column)]
    )


def referred(*parts):
    """An input function: files that the images of a batch, or of all of these parts, refer to and do not hold.

    Only where jobs have nothing but copies of their inputs; the user's own lie where every job finds them.
    """

    def inputs(wildcards):
        found = plan(wildcards)
        batches = [] if parts else [wildcards.batch]
        for part in parts:
            batches += found.batches_of(wildcards.split, part)
        return of_references(found, batches)

    return inputs


def of_references(found, batches):
    """The files that the images of these batches refer to, where they are inputs (`referred`)."""
    is_whole = "import_images" not in modalities.replaced(found.study)
    if not IS_STORED or is_whole or found.study.data.source == "files":
        return []
    return sorted({file for batch in batches for file in given(found, batch, "image")})


def whose(found, files):
    """Files that are given of a study, marked where they are the user's own."""
    return own(files) if found.study.data.source == "files" else files


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
    return given(found, wildcards.batch, "image") if drawn else []


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
