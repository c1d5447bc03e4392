# Input functions that only one sort of data needs: its rules are in the file of its name.
import microtome.study.modalities.cubes
import microtome.study.modalities.stacks
import microtome.study.modalities.stains
import microtome.workflow.states.cubes
import microtome.workflow.states.slides
import microtome.workflow.states.stacks
import microtome.workflow.states.stains


def scored_batches(wildcards):
    """The band scores that the choice of bands goes by."""
    found = plan(wildcards)
    samples = modalities.cubes.scored(found, wildcards.split)
    batches = found.batches_with(wildcards.split, samples)
    return expand(
        at.study("bands/scores/{batch}.tsv"), study=wildcards.study, batch=batches
    )


def environment(otherwise, stains):
    """The environment of a job: StainTools has packages that nothing else needs."""

    def found(wildcards):
        of = plan(wildcards) if hasattr(wildcards, "study") else asked("images").plan
        methods = modalities.stains.methods(of, stains(wildcards))
        return "../envs/stain.yaml" if "staintools" in methods else otherwise

    return found


def stain_source(wildcards):
    """What the stain of all images is fitted on: the batch of a sample, or a file outside the sheet."""
    found = plan(wildcards)
    outside = modalities.stains.fitted_on(found, wildcards.stain)
    if outside:
        return own(outside)
    _, sample = modalities.stains.of_folder(found, wildcards.stain)
    return at.study("images/{batch}").format(
        study=wildcards.study, batch=found.batch_of[sample]
    )


def neighbouring(wildcards):
    """The images of a batch of slices and of their neighbours."""
    found, split = plan(wildcards), wildcards.split
    stacked = modalities.stacks.stacked(
        found, split, wildcards.neighbours, wildcards.batch
    )
    samples = [name for slices in stacked.values() for name in slices]
    return expand(
        at.study("images/{batch}"),
        study=wildcards.study,
        batch=found.batches_with(split, samples),
    )


def applied_bands(wildcards):
    """The table of the bands that the runs whose maps `apply` needs see, if they see any."""
    is_needed = modalities.cubes.applied(
        plan(wildcards), wildcards.run, int(wildcards.seed)
    )
    table = at.study("bands/{split}/bands.tsv")
    return [table.format(**wildcards)] if is_needed else []


def applied_stains(wildcards):
    """The stain targets of the runs whose maps `apply` needs, as their split has them."""
    found = plan(wildcards)
    stains = [
        modalities.stains.folder(found, name, wildcards.split)
        for name in modalities.stains.applied(found, wildcards.run)
    ]
    return expand(
        at.study("stains/{stain}/target.json"), study=wildcards.study, stain=stains
    )


def packed_stains(wildcards):
    """The normalizations of a packed model."""
    found = asked("images")
    return modalities.stains.applied(found.plan, found.run)


def slide_studies():
    """A regular expression of the studies of slides."""
    names = (name for name, found in PLANS.items() if found.study.slides is not None)
    return "|".join(names) or "(?!)"
