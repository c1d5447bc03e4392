# SPDX-License-Identifier: MIT
"""One self-contained HTML page for a scale: `collect.collect` reads, `page.build_report` writes the page."""
