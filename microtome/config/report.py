# SPDX-License-Identifier: MIT
"""What the overview of the report shows of a study, in a section of the study file."""

from microtome.config.section import Section, option


class Report(Section):
    """What the overview of the report shows of the study; what is left out is found by a rule."""

    what: str = option("", "one sentence: what the data show, and what is looked for in them", max_length=300)
    samples: str = option(
        "", "what samples are called, such as slices; empty: as their modality calls them, or images"
    )
    table: str = option("", "the table; empty: the first that has a column of the metric")
    figure: str = option("", "the figure; empty: the first that shows results")
    metric: str = option("", "metric of the verdict and of the main number; empty: `evaluate.rank_by`")
    pooled: bool = option(
        False,
        "take the metric of all samples together, as if they were one, not the mean over samples: of "
        "overlap and of calls",
    )
