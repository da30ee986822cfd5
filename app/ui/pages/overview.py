"""The first page: is everything all right, and if not, what needs somebody?"""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode

from app.domain.condition import Condition
from app.domain.counts import count
from app.ui.charts import Run
from app.ui.collection_states import QUALIFIERS
from app.ui.filters import read_filter
from app.ui.pages.bulk import count_actions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.responses import Response

    from app.ui.collection_states import CollectionState
    from app.ui.page import View
    from app.ui.snapshot import Snapshot

MOST_ROWS: Final = 50
RUNS: Final = 20
_RUNS_SINCE: Final = timedelta(weeks=10)
_TILES: Final = (
    Condition.FAILING,
    Condition.RUNNING,
    Condition.WAITING,
    Condition.PAUSED,
    Condition.FINE,
)


async def show_overview(view: View) -> Response:
    """Show the collections that the filter takes, those that need somebody first, page by page."""
    query = view.request.query_params
    typed = query.get("q", "")
    wanted = read_filter(typed, QUALIFIERS)
    snapshot = await view.snapshots.get(view.moment)
    found = snapshot.matching(wanted)
    first = _number(query.get("from", "0"), len(found))
    rows = found[first : first + MOST_ROWS]
    return view.render(
        "overview.html",
        current="overview",
        title=_title(snapshot, is_past=view.is_past),
        summary=f"{count(len(snapshot.collections), 'collection')} of {count(snapshot.sources, 'source')}",
        tiles=[(each.value, snapshot.counts.get(each, 0)) for each in _TILES],
        state=wanted.qualifiers.get("state", "").lower(),
        typed=typed,
        problem=wanted.problem,
        rows=rows,
        runs=await _runs_of(view, rows),
        most_runs=RUNS,
        shown=_shown(first, len(rows), len(found)),
        pages=_pages(typed, first, len(found)),
        has_any=bool(snapshot.collections),
        bulk=[] if wanted.problem else [(each, number) for each, number in count_actions(found) if number],
    )


def _title(snapshot: Snapshot, *, is_past: bool) -> str:
    """The answer to the page's question."""
    if is_past:
        return "How it was"
    match snapshot.counts.get(Condition.FAILING, 0):
        case 0:
            return "Everything is fine" if snapshot.collections else "Nothing to copy yet"
        case 1:
            return "One collection needs attention"
        case failing:
            return f"{failing:,} collections need attention"


async def _runs_of(view: View, rows: Sequence[CollectionState]) -> dict[tuple[str, str], list[Run]]:
    """The last runs of the collections that are shown, oldest first."""
    names = tuple((each.source, each.collection) for each in rows)
    runs: dict[tuple[str, str], list[Run]] = defaultdict(list)
    since = view.now.replace(minute=0, second=0, microsecond=0) - _RUNS_SINCE
    for row in reversed(await view.read(view.services.reader.list_last_runs, names, RUNS, since, view.moment)):
        runs[row["source"], row["collection"]].append(Run(row["status"], row["rows"]))
    return runs


def _number(text: str, most: int) -> int:
    """Where the page begins; the beginning, if that is not understood."""
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 - no huge number
    return number if number < most else 0


def _shown(first: int, rows: int, found: int) -> str:
    return count(found, "collection") if rows == found else f"{first + 1:,} to {first + rows:,} of {found:,}"


def _pages(typed: str, first: int, found: int) -> dict[str, str]:
    """The queries of the pages before and after this one."""
    pages = {}
    if first:
        pages["previous"] = urlencode({"q": typed, "from": max(0, first - MOST_ROWS)})
    if first + MOST_ROWS < found:
        pages["next"] = urlencode({"q": typed, "from": first + MOST_ROWS})
    return pages
