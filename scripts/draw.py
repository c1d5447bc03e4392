# SPDX-License-Identifier: MIT
"""Draw a figure of a study."""

import json
from pathlib import Path

from microtome.stages.figures import make_figure
from microtome.stages.folders import by_stain
from microtome.workflow.job import job

with job(snakemake.params.state, snakemake.log[0]) as options:
    make_figure(
        options,
        runs=[Path(card).parent for card in snakemake.input.cards],
        images=[Path(path) for path in snakemake.input.images],
        targets=[Path(path) for path in snakemake.input.targets],
        stains=by_stain(snakemake.input.stains),
        cubes=[Path(path) for path in snakemake.input.cubes],
        raw_cubes={name: Path(path) for name, path in options.get("raw_cubes", {}).items()},
        bands=next(map(Path, snakemake.input.bands), None),
        published=Path(snakemake.input.published),
        inputs=[Path(path) for path in snakemake.input],
        code=json.loads(snakemake.params.state)["code"],
        stem=Path(snakemake.output.sidecar).with_suffix(""),
    )
