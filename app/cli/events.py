"""`syncline events`: shows the feed of all events, and follows it."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from app.cli.running import reports_errors, with_pool
from app.cli.values import EVENT_TYPES, NAME, PLACE
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.domain.feed import FeedEvent, Place, Selection
    from app.store.feed import Feed

Write: TypeAlias = "Callable[[str, FeedEvent], None]"

_STATEMENT_SECONDS: Final = 60.0
_PAGE: Final = 1000
_LOOK_SECONDS: Final = 0.5


@click.command(short_help="Show what has happened, and follow it.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new events until Ctrl-C; without --after, only these.")
@click.option(
    "--after", metavar="ID", type=PLACE, help="Only events after this one, after a position, or from now on (now)."
)
@click.option(
    "--types", metavar="TYPES", type=EVENT_TYPES, help="Only these types, such as task.failed,task.succeeded."
)
@click.option("--source", type=NAME, help="Only events of this source.")
@click.option("--collection", type=NAME, help="Only events of this collection.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON, in CloudEvents' envelope.")
@reports_errors
def events(
    after: Place | None,
    types: frozenset[str] | None,
    source: str | None,
    collection: str | None,
    *,
    follow: bool,
    as_json: bool,
) -> None:
    """Show every event, oldest first: what was requested, started, loaded, failed and so on.

    The database is the one in DATABASE_URL or, if that is not set, that of the 'syncline dev' on SYNCLINE_DATA_DIR
    (default: .syncline).
    """
    from app.domain.feed import Selection

    selection = Selection(types, source, collection)
    show = partial(_follow if follow else _show, selection=selection, write=_json_line if as_json else _write_line)
    try:
        with_pool(lambda pool: show(pool, after), name="syncline events", statement_seconds=_STATEMENT_SECONDS)
    except KeyboardInterrupt:
        if not follow:
            raise


async def _show(pool: Any, after: Place | None, *, selection: Selection, write: Write) -> None:
    from app.store.feed import Feed

    feed, more = Feed(pool), True
    installation = await feed.get_installation()
    reached = await feed.find_place(after)
    while more:
        reached, more = await _write_page(feed, reached, selection, partial(write, installation))


async def _follow(pool: Any, after: Place | None, *, selection: Selection, write: Write) -> None:
    import asyncio

    from app.domain.feed import NOW
    from app.store.database import UNREACHABLE
    from app.store.feed import Feed

    feed = Feed(pool)
    installation = await feed.get_installation()
    reached = await feed.find_place(NOW if after is None else after)
    click.echo("Following; Ctrl-C ends it.", err=True)
    is_away = False
    while True:
        more = False
        try:
            reached, more = await _write_page(feed, reached, selection, partial(write, installation))
            is_away = False
        except UNREACHABLE as error:
            if not is_away:
                click.echo(f"syncline: {make_visible(str(error) or type(error).__name__)}; trying again", err=True)
            is_away = True
        if not more:
            await asyncio.sleep(_LOOK_SECONDS)


async def _write_page(
    feed: Feed, after: Place, selection: Selection, write: Callable[[FeedEvent], None]
) -> tuple[Place, bool]:
    page = await feed.read(after, limit=_PAGE, selection=selection)
    for event in page.events:
        write(event)
    sys.stdout.flush()
    return page.reached, page.more


def _json_line(installation: str, event: FeedEvent) -> None:
    import orjson

    text = orjson.dumps(event.envelope(installation), option=orjson.OPT_UTC_Z).decode()
    # Without characters that a terminal would obey.
    click.echo(text if text.isprintable() else json.dumps(json.loads(text)))


def _write_line(_installation: str, event: FeedEvent) -> None:
    from app.domain.feed import public_type

    of_attempt = f"  attempt {event.attempt}" if event.attempt else ""
    at = f"{event.at:%Y-%m-%dT%H:%M:%S}.{event.at.microsecond // 1000:03}Z"
    line = f"{at}  {public_type(event.type):<20}  {event.subject}{of_attempt}"
    click.echo(make_visible(f"{line}  {event.details}"))
