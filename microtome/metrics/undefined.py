# SPDX-License-Identifier: MIT
"""An image on which a metric has no value, whatever was predicted."""


class UndefinedMetricError(ValueError):
    """The truth of an image lacks what a metric counts: no pixel is labelled, or there is no cell."""
