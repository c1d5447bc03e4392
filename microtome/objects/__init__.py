# SPDX-License-Identifier: MIT
"""Objects of an image: labels, markers, watershed, measurements."""
