# SPDX-License-Identifier: MIT
"""Loading one study at one scale."""

from microtome.config.load import STUDY_FOLDER, read_draft
from microtome.faults import raise_faults


def load_study(name, scale, *, folder=STUDY_FOLDER):
    draft = read_draft(name, scale, folder)
    raise_faults(draft.faults)
    return draft.study
