"""`syncline events`: shows the feed of all events and follows it, verifies their seals, and redacts fields of them."""

from __future__ import annotations

import json
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import click

from app.cli.causes import cause_of_command, note_option
from app.cli.running import config_option, reports_errors, run_loop, start, with_pool
from app.cli.values import ARCHIVE, COLLECTION, EVENT_TYPES, LOG_LINE, NAME, PLACE, SEAL, SOURCE
from app.domain.errors import ConfigurationError
from app.domain.timestamp import utc_millisecond
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from app.domain.feed import FeedEvent, Place, Selection
    from app.seals.archive import Archive
    from app.store.feed import Feed
    from app.store.redactions import Redaction

Write: TypeAlias = "Callable[[str, FeedEvent], None]"

_STATEMENT_SECONDS: Final = 60.0
_PAGE: Final = 1000
_LOOK_SECONDS: Final = 0.5


@click.group(invoke_without_command=True, short_help="Show what has happened, and follow it.")
@click.option("-f", "--follow", is_flag=True, help="Go on with new events until Ctrl-C; without --after, only these.")
@click.option(
    "--after", metavar="ID", type=PLACE, help="Only events after this one, after a position, or from now on (now)."
)
@click.option(
    "--types", metavar="TYPES", type=EVENT_TYPES, help="Only these types, such as task.failed,task.succeeded."
)
@click.option("--source", type=SOURCE, help="Only events of this source.")
@click.option("--collection", type=COLLECTION, help="Only events of this collection.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON, in CloudEvents' envelope.")
@click.pass_context
@reports_errors
def events(
    context: click.Context,
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
    if context.invoked_subcommand is not None:
        _refuse_options(context)
        return
    from app.domain.feed import Selection

    selection = Selection(types, source, collection)
    show = partial(_follow if follow else _show, selection=selection, write=_json_line if as_json else _write_line)
    try:
        with_pool(lambda pool: show(pool, after), name="syncline events", statement_seconds=_STATEMENT_SECONDS)
    except KeyboardInterrupt:
        if not follow:
            raise


def _refuse_options(context: click.Context) -> None:
    """Of the list; before a subcommand they would be ignored."""
    given = [parameter for parameter in context.command.params if context.params[parameter.name or ""]]
    if given:
        raise click.UsageError(f"{given[0].opts[-1]} cannot be used with '{context.invoked_subcommand}'", context)


@events.command(short_help="Compare the events with their seals.")
@click.option(
    "--seal", "noted", metavar="HEX", type=SEAL, help="A seal that was noted elsewhere; it must still be in the chain."
)
@click.option(
    "--archive",
    "address",
    metavar="ADDRESS",
    type=ARCHIVE,
    help="Where weeks are archived.  [default: the catalogue's server.archive]",
)
@config_option
@reports_errors
def verify(noted: bytes | None, address: str | None, config: Path | None) -> None:
    """Hash every event anew, in the database and in the archive, and compare weeks with their seals.

    There is a line for each week. Exits with 1 if something is wrong. See docs/history.md for what this proves.
    """
    from app.seals.verification import verify as compare

    archive = _find_archive(address, config)

    async def show(pool: Any) -> bool:
        is_wrong = False
        async for finding in compare(pool, archive=archive, noted=noted):
            click.echo(make_visible(str(finding)))
            is_wrong |= finding.is_wrong
        return is_wrong

    if with_pool(show, name="syncline events", statement_seconds=_STATEMENT_SECONDS):
        sys.exit(1)


def _find_archive(given: str | None, config: Path | None) -> Archive | None:
    """The given archive, or else that of the catalogue, if there is one."""
    address = given or _configured_archive(config)
    if not address:
        return None
    from app.seals.archive import Archive

    archive = Archive(address)
    if given and not archive.exists:
        raise ConfigurationError(
            f"there is no directory {given}; --archive is the address in the catalogue's server.archive"
        )
    return archive


def _configured_archive(config: Path | None) -> str:
    from app.bootstrap.environment import find_config, substitution_environment
    from app.config.reader import load_catalogue
    from app.config.settings import read_settings

    settings = read_settings()
    path = find_config(settings, config)
    if path is None:
        return ""
    return load_catalogue(path, substitution_environment(settings)).server.archive


@events.command(short_help="Remove what somebody has written from an event.")
@click.argument("task", metavar="TASK_ID", type=NAME)
@click.argument("version", type=click.IntRange(1, 2**31 - 1))
@click.option(
    "--field",
    "fields",
    metavar="NAME",
    type=NAME,
    multiple=True,
    required=True,
    help="A field to redact, such as error; repeat it for several.",
)
@click.option(
    "--line",
    "lines",
    metavar="ATTEMPT:LINE",
    type=LOG_LINE,
    multiple=True,
    help="A line of the task's log to redact as well; repeat it for several.",
)
@note_option
@reports_errors
def redact(
    task: str, version: int, fields: tuple[str, ...], lines: tuple[tuple[int, int], ...], note: str | None
) -> None:
    """Replace fields of an event by '[redacted]', for good; its week still has the same seal.

    Event VERSION of a task is the one that 'syncline events --json' shows with this version. An event tells who has
    redacted what. Lines of the log stay, unless they are given.
    """
    from app.bootstrap.owner import owner_connection
    from app.store.redactions import LogLine, Redactions

    cause = cause_of_command(note)

    async def change() -> Redaction:
        settings = start()
        async with owner_connection(
            settings, name="syncline events", things="redactions", do="redact events"
        ) as connection:
            return await Redactions(connection).redact(
                task, version, fields, cause, lines=[LogLine(*line) for line in lines]
            )

    done = run_loop(change())
    of = "/".join(name for name in (done.source, done.collection) if name) or "no source"
    click.echo(make_visible(f"Redacted {', '.join(sorted(set(fields)))} of event {version} ({done.type}) of {of}."))
    for copy in done.copies:
        click.echo(
            make_visible(
                f"Also in {copy.field!r} of event {copy.version} ({copy.type}) of {copy.task}: redact it too."
            ),
            err=True,
        )
    if done.archived:
        click.echo("The archive has this week as well, with the value: see Redaction in docs/history.md.", err=True)


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
    text = event.document(installation)
    # Without characters that a terminal would obey.
    click.echo(text if text.isprintable() else json.dumps(json.loads(text)))


def _write_line(_installation: str, event: FeedEvent) -> None:
    from app.domain.feed import public_type

    of_attempt = f"  attempt {event.attempt}" if event.attempt else ""
    line = f"{utc_millisecond(event.at)}  {public_type(event.type):<20}  {event.subject}{of_attempt}"
    click.echo(make_visible(f"{line}  {event.details}"))
