# SPDX-License-Identifier: MIT
"""The state of each rule: functions that name exactly the options which its jobs use."""
