# SPDX-License-Identifier: MIT
"""Stages: what each rule does, from files to files. One module per rule or pair of rules."""
