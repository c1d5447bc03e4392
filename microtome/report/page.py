# SPDX-License-Identifier: MIT
"""Writing the report: one HTML page that needs no other file, no network and no script."""

import logging
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from microtome import formats
from microtome.report import arrange
from microtome.report.addresses import home, slug
from microtome.report.inputs import STATUS_ORDER, CaseInput, ReportInputs, StudyInputs
from microtome.report.limits import CASE_ROWS, DETAIL_ROWS, PAGE_BYTES, PREVIEW_ROWS, RUN_DETAILS, TABLE_ROWS
from microtome.report.runs import flatten
from microtome.report.thumbnails import preview

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "page.html.j2"
WEB = ("https://", "http://")
SHADES = 5

log = logging.getLogger(__name__)


def build_report(inputs: ReportInputs) -> str:
    """Write the report of a scale as one self-contained HTML page.

    Smaller than `limits.PAGE_BYTES` for what `collect` reads; the same for the same inputs.
    """
    called = {"titles": arrange.titles(inputs.studies), "short": arrange.short_titles(inputs.studies)}
    page = render(PAGE, report=inputs, limits=_limits(), totals=totals(inputs), **called)
    count = len(page.encode("utf-8"))
    if count >= PAGE_BYTES:
        log.warning("the report has %s bytes, more than %s; report fewer studies at once", count, PAGE_BYTES)
    return page


def render(template: str, **values: Any) -> str:
    """Fill a template of the report in; every text is escaped."""
    return _environment().get_template(template).render(**values)


def totals(inputs: ReportInputs) -> dict[str, Any]:
    """Count what the head of the page shows: runs by status, products, jobs, seconds, peak memory."""
    products = [item for study in inputs.studies for item in (*study.tables, *study.figures)]
    peaks = [rule.peak_mb for rule in inputs.rules if rule.peak_mb is not None]
    return {
        "runs": {
            status: sum(count_status(study)[status] for study in inputs.studies) for status in STATUS_ORDER
        },
        "products_made": sum(1 for item in products if item.expected and arrange.is_made(item)),
        "products_asked": sum(1 for item in products if item.expected),
        "jobs": sum(rule.jobs for rule in inputs.rules),
        "seconds": sum(rule.total_seconds for rule in inputs.rules),
        "peak_mb": max(peaks, default=None),
        "unread": sum(rule.unread for rule in inputs.rules),
    }


def count_status(study: StudyInputs) -> dict[str, int]:
    """Count the runs of a study by how far they got."""
    return {status: sum(1 for run in study.runs if run.status == status) for status in STATUS_ORDER}


def shade(cases: CaseInput, value: float | None) -> int:
    """Rank a value among those shown, 0 (worst) to `SHADES` - 1 (best); -1 without a value."""
    values = [other for row in cases.rows for other in row.values if other is not None]
    if value is None or not values or min(values) == max(values):
        return -1
    place = (value - min(values)) / (max(values) - min(values))
    good = place if cases.higher_is_better else 1 - place
    return min(int(good * SHADES), SHADES - 1)


def is_web(address: str) -> bool:
    """Whether an address may be linked: only the web, no script."""
    return address.startswith(WEB)


def _limits() -> Mapping[str, int]:
    return {
        "tables": TABLE_ROWS,
        "preview": PREVIEW_ROWS,
        "cases": CASE_ROWS,
        "detail": DETAIL_ROWS,
        "cards": RUN_DETAILS,
    }


@cache
def _environment() -> Environment:
    """Templates that escape everything and refuse unknown names."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters = (formats.number, formats.duration, formats.size, formats.mebibytes, formats.digest)
    environment.filters.update({function.__name__: function for function in filters})
    environment.filters.update(moment=formats.moment, data_uri=formats.data_uri, slug=slug, flatten=flatten)
    environment.filters.update(of_group=arrange.of_group)
    environment.filters.update(singular=arrange.singular)
    environment.tests["made"] = arrange.is_made
    environment.globals.update(
        arrange=arrange,
        count_status=count_status,
        home=home,
        is_web=is_web,
        preview=preview,
        shade=shade,
        slug=slug,
        inline=_inline,
    )
    return environment


def _inline(*names: str) -> Markup:
    """The text of template files of our own, as it stands."""
    return Markup("\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in names))
