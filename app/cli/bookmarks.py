"""`syncline bookmarks`: shows how far a collection's destinations are, and sets another place to go on from."""

from __future__ import annotations

import json
import re
import shlex
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

import click

from app.cli.causes import cause_of_command, note_option
from app.cli.running import align, config_option, reports_errors, start, with_pool
from app.cli.values import COLLECTION, NAME, PLACE, SOURCE
from app.domain.events import COLLECTION_RESET
from app.domain.shortening import shortened
from app.domain.timestamp import utc_second
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from app.bookmarks import Change
    from app.config.catalogue import Catalogue
    from app.domain.cause import Cause
    from app.domain.feed import Place
    from app.store.bookmarks import Bookmarks

_SHOWN: Final = 200
_NUMBER: Final = re.compile(r"[0-9]+")

_position_help = "The bookmarks as they were after this event, or after everything at this position."
_value_help = "This JSON value; null loads everything again, as after a reset."


@click.group(short_help="Look at bookmarks, and set them.")
def bookmarks() -> None:
    """Show how far the destinations of a collection are, and set a bookmark from which the next task reads.

    Positions are the ids of events in the feed. The database is the one in DATABASE_URL or, if that is not set, that of
    the 'syncline dev' on SYNCLINE_DATA_DIR (default: .syncline).
    """


@bookmarks.command(name="list", short_help="Show a collection's bookmarks and their history.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", type=COLLECTION)
@click.option("--limit", type=click.IntRange(1, 10_000), default=20, show_default=True, help="How much of the history.")
@click.option("--destination", type=NAME, help="Only this destination.")
@reports_errors
def list_(config: Path | None, source: str, collection: str, limit: int, destination: str | None) -> None:
    """Show the bookmarks of SOURCE's COLLECTION at each destination, then what has changed them, newest first.

    Secrets of the catalogue are masked.
    """
    from app.bookmarks import list_changes
    from app.store.bookmarks import Bookmarks

    catalogue = _catalogue(config, source, collection)
    show = shower(catalogue)

    async def look(pool: Any) -> tuple[list[Any], list[Change]]:
        kept = Bookmarks(pool)
        current = await kept.list_current(source, collection)
        return current, await list_changes(kept, source, collection, limit=limit, destination=destination)

    current, changes = with_pool(look, name="syncline bookmarks")
    rows = [
        (row["destination"], utc_second(row["at"]), _place_of(row), show(row["bookmark"]))
        for row in current
        if destination in (None, row["destination"])
    ]
    if not rows and not changes:
        click.echo(f"{make_visible(f'{source}.{collection}')} has no bookmark yet.")
        return
    for line in align([("DESTINATION", "SINCE", "POSITION", "BOOKMARK"), *rows]):
        click.echo(line)
    click.echo()
    head = ("POSITION", "TIME", "BY", "DESTINATION", "ROWS", "BOOKMARK")
    for line in align([head, *(row for change in changes for row in _history_rows(change, show, destination))]):
        click.echo(line)


@bookmarks.command(short_help="Show what changed between two positions.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", type=COLLECTION)
@click.argument("position", type=PLACE)
@click.argument("other", metavar="[POSITION]", type=PLACE, default="now")
@reports_errors
def diff(config: Path | None, source: str, collection: str, position: Place, other: Place) -> None:
    """Show what is different in the bookmarks of SOURCE's COLLECTION between two positions; the second is now.

    Each line is a key: '+' if it was added, '-' if it was removed, '~' if its value has changed. Secrets of the
    catalogue are masked.
    """
    from app.bookmarks import find_bookmarks
    from app.store.bookmarks import Bookmarks

    catalogue = _catalogue(config, source, collection)
    show = shower(catalogue, shown=None)

    async def look(pool: Any) -> tuple[dict[str, str | None], dict[str, str | None]]:
        kept = Bookmarks(pool)
        return (
            await find_bookmarks(kept, source, collection, position),
            await find_bookmarks(kept, source, collection, other),
        )

    before, now = with_pool(look, name="syncline bookmarks")
    lines = [*_difference(before, now, show)]
    for line in lines or ["Nothing is different."]:
        click.echo(make_visible(line))


@bookmarks.command(name="set", short_help="Set the bookmark from which the next task reads.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", type=COLLECTION)
@click.option("--to", "to", metavar="POSITION|VALUE", type=NAME, help="Either of the two, if it is clear which.")
@click.option("--to-position", "position", metavar="POSITION", type=PLACE, help=_position_help)
@click.option("--to-value", "value", metavar="JSON", type=NAME, help=_value_help)
@click.option("--destination", "destinations", type=NAME, multiple=True, help="Only this destination; can be repeated.")
@note_option
@reports_errors
def set_(  # noqa: PLR0917 -- one for each argument and option
    config: Path | None,
    source: str,
    collection: str,
    to: str | None,
    position: Place | None,
    value: str | None,
    destinations: tuple[str, ...],
    note: str | None,
) -> None:
    """Set the bookmark of SOURCE's COLLECTION at all destinations, or at some (POST /sources/bookmark).

    The next task reads from there; no rows are removed. Other destinations keep their bookmarks. --to takes an id such
    as 4711.0192f7c2-….7 for a position, and other JSON for a value; a number alone may be either. Undo it by setting
    the position before.
    """
    from app.store.bookmarks import Bookmarks

    target = _read_target(to, position, value)
    catalogue = _catalogue(config, source, collection)
    keeping = _keeping(catalogue, source, destinations)

    async def work(pool: Any) -> _Setting:
        setting = _Setting(Bookmarks(pool), catalogue, source, collection, cause_of_command(note))
        await setting.set(target, destinations)
        return setting

    with_pool(work, name="syncline bookmarks").report(keeping)


class _Setting:
    """Bookmarks that are set, and what can be said afterwards."""

    def __init__(self, bookmarks: Bookmarks, catalogue: Catalogue, source: str, collection: str, cause: Cause) -> None:
        self._bookmarks = bookmarks
        self._cause = cause
        self._catalogue = catalogue
        self._names = source, collection
        self._given: dict[str, str | None] = {}
        self._before: list[Change] = []
        self._place: Place | None = None

    async def set(self, target: Place | str, destinations: Sequence[str]) -> None:
        from app.bookmarks import list_changes, set_bookmarks

        self._before = await list_changes(self._bookmarks, *self._names, limit=1)
        self._given = await self._values(target, destinations)
        done = await set_bookmarks(self._bookmarks, self._catalogue, *self._names, self._given, cause=self._cause)
        self._place = done.place

    async def _values(self, target: Place | str, destinations: Sequence[str]) -> dict[str, str | None]:
        from app.bookmarks import find_settable, keeping_destinations
        from app.domain.errors import ConfigurationError

        source, _ = self._names
        if isinstance(target, str):
            value = None if target.strip() == "null" else target
            return dict.fromkeys(destinations or keeping_destinations(self._catalogue, source), value)
        found = await find_settable(self._bookmarks, self._catalogue, *self._names, target)
        if missing := [name for name in destinations if name not in found]:
            raise ConfigurationError(f"destination {missing[0]!r} had no bookmark at position {target}")
        return {name: found[name] for name in destinations or found}

    def report(self, keeping: Sequence[str]) -> None:
        """Says for each destination from where the next task reads, and how to undo it."""
        show, subject = shower(self._catalogue), ".".join(self._names)
        for name in keeping:
            begins = _begins(self._given[name], show) if name in self._given else "keeps its bookmark"
            click.echo(make_visible(f"{subject} at {name}: {begins}"))
        click.echo(f"Position: {self._place}")
        for before in self._before:
            if before.type != COLLECTION_RESET:
                only = [] if len(self._given) == len(keeping) else [f"--destination={name}" for name in self._given]
                command = ["syncline", "bookmarks", "set", *self._names, "--to", str(before.place), *only]
                click.echo(f"To undo: {make_visible(shlex.join(command))}")


def _catalogue(config: Path | None, source: str, collection: str) -> Catalogue:
    from app.bootstrap.sources import catalogue_of

    catalogue = catalogue_of(start(), config)
    catalogue.find(source, collection)
    return catalogue


def _keeping(catalogue: Catalogue, source: str, destinations: Sequence[str]) -> list[str]:
    """The destinations of the source that have bookmarks.

    Raises:
        ConfigurationError: there are none, or not the given ones.
    """
    from app.bookmarks import keeping_destinations
    from app.domain.choices import unknown_name
    from app.domain.errors import ConfigurationError

    keeping = keeping_destinations(catalogue, source)
    if not keeping:
        raise ConfigurationError(f"source {source!r} has no destination that keeps rows, so it has no bookmarks")
    for name in destinations:
        if name not in keeping:
            raise ConfigurationError(unknown_name("destination with a bookmark", name, keeping))
    return keeping


def _read_target(to: str | None, position: Place | None, value: str | None) -> Place | str:
    """The position, or the JSON text, that the options give.

    Raises:
        UsageError: they give none or several; or `--to` is neither, or may be both.
    """
    from app.domain.feed import NOW

    given = [each for each in (position, value, None if to is None else _read_either(to)) if each is not None]
    if len(given) != 1:
        raise click.UsageError("give one of --to, --to-position and --to-value.")
    if given[0] == NOW:
        raise click.UsageError("now is where the bookmarks are: give an earlier position.")
    return given[0]


def _read_either(text: str) -> Place | str:
    from app.domain.feed import read_place

    if _NUMBER.fullmatch(text):
        raise click.UsageError(f"--to {text} may be a position or a value: use --to-position or --to-value.")
    with suppress(ValueError):
        return read_place(text)
    try:
        json.loads(text)
    except ValueError:
        raise click.UsageError(
            "--to has neither the id of an event, as 'syncline bookmarks list' shows it, nor JSON. A string needs "
            "quotes of its own, as in '\"2024-01-31\"'."
        ) from None
    return text


def shower(catalogue: Catalogue, *, shown: int | None = _SHOWN) -> Callable[[str | None], str]:
    """Shows a value: masked, and not longer than `shown`."""
    from app.bookmarks import masked
    from app.domain.redaction import redactor_of

    redact = redactor_of(catalogue.secrets()).redact

    def show(text: str | None) -> str:
        if text is None:
            return "-"
        whole = masked(text, redact)
        return whole if shown is None else shortened(whole, shown)

    return show


def _begins(text: str | None, show: Callable[[str | None], str]) -> str:
    return "the next task loads everything" if text is None else f"the next task reads from {show(text)}"


def _history_rows(
    change: Change, show: Callable[[str | None], str], destination: str | None
) -> Iterator[tuple[str, ...]]:
    who = change.cause.who.name if change.cause.who else "by hand"
    by, rows = change.task_id or who, "-" if change.rows is None else str(change.rows)
    bookmarks = change.bookmarks if change.type != COLLECTION_RESET else {"(all)": None}
    for name, text in bookmarks.items():
        if destination in (None, name) or name == "(all)":
            yield (
                str(change.place),
                utc_second(change.at),
                by,
                name,
                rows,
                show(text) if text else "none: loads everything",
            )


def _difference(
    before: dict[str, str | None], now: dict[str, str | None], show: Callable[[str | None], str]
) -> Iterator[str]:
    from app.connectors.values import jsontext
    from app.domain.json_changes import ABSENT, json_changes

    def parsed(given: dict[str, str | None]) -> dict[str, Any]:
        return {name: None if text is None else jsontext.decode(text) for name, text in given.items()}

    for change in json_changes(parsed(before), parsed(now)):
        old, new = (None if each is ABSENT else show(jsontext.encode(each)) for each in (change.before, change.now))
        if old is None:
            yield f"+ {change.path}: {new}"
        elif new is None:
            yield f"- {change.path}: {old}"
        else:
            yield f"~ {change.path}: {old} → {new}"


def _place_of(row: Any) -> str:
    from app.domain.feed import Place

    return str(Place(row["xid"], row["task"], row["version"])) if row["xid"] is not None else "-"
