# SPDX-License-Identifier: MIT
"""Metrics of one image and of many.

`boundaries` (V_Rand, V_Info of a membrane map), `instances` (AJI, AJI+, PQ, object F1 of label maps) and
`overlap` (Dice, IoU, sensitivity, ... of class maps) measure one image; `summary` turns the tidy rows of many
images into means, intervals and paired tests; `contingency` counts the overlaps that the first two share.
What a study may ask for are the `families`.
"""
