# SPDX-License-Identifier: MIT
"""Tables and figures that could not be made: they fail alone, are told at the end, and run again next time.

Such a job leaves a picture or a text that says so in place of its files, so that the report is written. How
often each has failed stands beside them (`paths.failure_count`) and among its parameters: after a failure it
is another number, which is why the job runs again, and after that the same one.
"""

import json
from collections.abc import Mapping

from microtome.config import kinds
from microtome.study.plan import StudyPlan
from microtome.workflow.paths import Layout, failure_count, stem_of

Counts = Mapping[tuple[str, str, str], str]
"""How often the table or the figure of a study, a section and a name has failed."""


def counts(at: Layout, plans: Mapping[str, StudyPlan]) -> Counts:
    """How often each table and figure of some studies has failed; those that never did are left out."""
    stems = {
        (study, section, name): stem_of(at, study, section, name)
        for study, plan in plans.items()
        for section in kinds.MAKERS
        for name in getattr(plan.study, section)
    }
    files = {key: failure_count(stem) for key, stem in stems.items()}
    return {key: file.read_text(encoding="utf-8") for key, file in files.items() if file.is_file()}


def told(at: Layout, plans: Mapping[str, StudyPlan], before: Counts) -> str:
    """What could not be made since the numbers were `before`, a line each; empty if all was."""
    lines = []
    for key, count in counts(at, plans).items():
        if count != before.get(key):
            sidecar = stem_of(at, *key).with_suffix(".json")
            failed = json.loads(sidecar.read_text(encoding="utf-8")).get("failed") or {}
            study, section, name = key
            found = f"  {study}: {section[:-1]} '{name}': {failed.get('message')} (log: {failed.get('log')})"
            lines.append(found)
    if not lines:
        return ""
    count = f"{len(lines)} of the tables and figures" if len(lines) > 1 else "a table or a figure"
    head = f"{count} could not be made. A report that is asked for shows why in a red box; all else is made:"
    return "\n".join([head, *lines, "Mend the cause; the same command then makes only what is missing."])
