"""Pages as HTML: the templates, and how they write numbers, names and times."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup
from starlette.responses import HTMLResponse

from app.domain.elapsed import ago_in_words, span_in_words
from app.domain.task import Status
from app.domain.timestamp import utc_in_words, utc_second
from app.domain.visible import make_visible
from app.ui.charts import SMALL, Bar, draw_bars

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from app.ui.charts import Run

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
"""Of every page: nothing that a name or a log line holds can become a script, and no other site can frame it."""


def render(template: str, values: Mapping[str, Any], *, status: int = 200) -> HTMLResponse:
    """The page of a template."""
    return HTMLResponse(_environment().get_template(template).render(values), status_code=status, headers=HEADERS)


def render_part(name: str, *values: Any) -> str:
    """A part of a page: a macro of `parts.html`."""
    part: Callable[..., str] = getattr(_environment().get_template("parts.html").module, name)
    return part(*values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("app.ui"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "visible": make_visible,
        # As the filter field reads it.
        "quoted": shlex.quote,
        "number": lambda number: f"{number:,}",
        "span": span_in_words,
        "ago": _ago,
        "clock": lambda at: f"{at:%H:%M:%S}",
        "field": lambda at: f"{at:%Y-%m-%dT%H:%M:%S}",
        "utc": utc_second,
        "in_words": utc_in_words,
        "day_and_time": lambda at: f"{at:%a %d %b} {_time(at)}",
        "local": lambda at: f"{_time(at)} {at:%Z}",
        "sparkline": _sparkline,
    }
    return environment


def _time(at: datetime) -> str:
    return f"{at:%H:%M:%S}" if at.second else f"{at:%H:%M}"


def _ago(at: datetime, now: datetime | None = None) -> Markup:
    """A time in words from now; the page's script adds the local time to what is shown on hover."""
    words = ago_in_words(at, now or datetime.now(UTC))
    return Markup('<time datetime="{0}" title="{0}">{1}</time>').format(utc_second(at), words)


def _sparkline(runs: Sequence[Run], most: int) -> Markup:
    """Bars of the rows of the last runs, oldest first; how each has ended is its class, and said in words beside it."""
    if not runs:
        return Markup('<span class="quiet">–</span>')
    failed = sum(run.status == Status.FAILED for run in runs)
    words = f"The last {len(runs)} runs: {failed} failed, up to {max(run.rows for run in runs):,} rows"
    return draw_bars([Bar(run.rows, run.status.lower()) for run in runs], words, SMALL, most=most)
