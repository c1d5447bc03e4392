# SPDX-License-Identifier: MIT
"""What kills, full disks and damaged files may do to a workflow: `python -m tests.recovery`."""
