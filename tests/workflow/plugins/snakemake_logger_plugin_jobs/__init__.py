# SPDX-License-Identifier: MIT
"""A Snakemake logger plugin that writes each job of a run or a dry run as one line of JSON, for the tests."""

import json
import os
from logging import LogRecord
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

FIELDS = ("rule_name", "wildcards", "reason", "threads", "input", "output")


class LogHandler(LogHandlerBase):
    """Appends to the file named by MICROTOME_TEST_JOBS."""

    writes_to_stream = False
    writes_to_file = False
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def emit(self, record: LogRecord) -> None:
        if getattr(record, "event", None) != LogEvent.JOB_INFO:
            return
        content = {field: getattr(record, field) for field in FIELDS}
        with Path(os.environ["MICROTOME_TEST_JOBS"]).open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(content, default=str) + "\n")
