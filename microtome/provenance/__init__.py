# SPDX-License-Identifier: MIT
"""Where a result comes from: code digests, cards, records, sidecars."""
