"""`syncline sources`: tests sources, lists what they offer, and reloads their collections."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

import click

from app.cli.causes import cause_of_command, note_option
from app.cli.pauses import show_paused, show_resumed
from app.cli.preview import preview
from app.cli.running import align, config_option, json_text, reports_errors, run_asking, start, tell, with_pool
from app.cli.spec import spec
from app.cli.table_dropping import drop_tables
from app.cli.trials import show
from app.cli.values import COLLECTION, DURATION, SOURCE, TIME
from app.domain.errors import ConfigurationError
from app.domain.interval import Interval
from app.domain.visible import make_visible

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from app.bootstrap.trials import Trial
    from app.domain.attempt_protocol import Offered

MOST_PIECES = 10_000


@click.group(short_help="Test, discover and reload sources.")
def sources() -> None:
    """Test sources, discover what they offer, and reload their collections.

    They use the database in DATABASE_URL or, if that is not set, that of the 'syncline dev' on SYNCLINE_DATA_DIR
    (default: .syncline). 'test', 'discover' and 'preview' need none; with 'server.secret_key' they look there for what
    connectors have renewed.
    """


@sources.command(short_help="Test a source's collections and its destinations.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collections", metavar="[COLLECTION]...", nargs=-1, type=COLLECTION)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reports_errors
def test(config: Path | None, source: str, collections: tuple[str, ...], *, as_json: bool) -> None:
    """Test every collection of SOURCE, or only these, with its connector, and the source's destinations.

    Prints a table of what was tried, then every failure, and exits with 1 if there is any. Nothing is loaded, and
    functions of a 'python' source are not called.
    """
    from app.bootstrap.sources import catalogue_of
    from app.bootstrap.trials import try_collections, try_destinations

    settings = start()
    catalogue = catalogue_of(settings, config)
    owner = catalogue.find_source(source)
    names = [catalogue.find(source, each)[1].name for each in dict.fromkeys(collections)] or list(owner.collections)

    async def try_all() -> list[Trial]:
        return [
            *await try_collections(settings, catalogue, owner, names, tell=tell),
            *await try_destinations(settings, catalogue, owner.destinations, tell=tell),
        ]

    show(settings, config, run_asking(try_all()), as_json=as_json)


@sources.command(short_help="List what a source offers.")
@config_option
@click.argument("source", type=SOURCE)
@click.option("--yaml", "as_yaml", is_flag=True, help="Print YAML to paste into the catalogue.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, in the form of POST /sources/discover.")
@reports_errors
def discover(config: Path | None, source: str, *, as_yaml: bool, as_json: bool) -> None:
    """List the tables or streams that SOURCE offers, with their sync modes, keys and columns.

    The source need not have collections yet. CURSOR FIELDS are columns that may tell which rows are new, the likeliest
    first.
    """
    from app.bootstrap.sources import catalogue_of, offers_of
    from app.config.pasting import collections_yaml
    from app.connectors.kinds import BY_COLLECTION

    if as_yaml and as_json:
        raise click.UsageError("--yaml and --json cannot be combined.")
    settings = start()
    catalogue = catalogue_of(settings, config, without_collections=True)
    if as_yaml and (type_ := catalogue.find_source(source).type) in BY_COLLECTION:
        raise ConfigurationError(f"a source of type {type_!r} offers only the collections that are already configured")
    offered = run_asking(offers_of(settings, catalogue, source, tell=tell))
    if as_json:
        from app.api.documents.offers import offers_document

        lines = [json_text(offers_document(source, offered))]
    else:
        lines = collections_yaml(offered) if as_yaml else align(_table(offered))
    for line in lines:
        click.echo(line)


sources.add_command(preview)
sources.add_command(spec)


@sources.command(short_help="Reload a collection with its next task.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", type=COLLECTION)
@click.option("--drop", is_flag=True, help="Also drop the collection's tables in all of its destinations.")
@click.option("--yes", is_flag=True, help="With --drop, do not ask.")
@note_option
@reports_errors
def reset(config: Path | None, source: str, collection: str, note: str | None, *, drop: bool, yes: bool) -> None:
    """Forget the bookmark of SOURCE's COLLECTION: its next task reloads everything (POST /sources/clear_cache).

    The tables keep their rows until then. With --drop they are dropped at once, after a question, and the next task
    makes them anew, with the columns, types and key that the source has then.
    """
    from app.bootstrap.sources import catalogue_of
    from app.store.resets import reset_collection

    if yes and not drop:
        raise click.UsageError("--yes is valid only with --drop.")
    settings = start()
    catalogue = catalogue_of(settings, config)
    catalogue.find(source, collection)
    if drop:
        drop_tables(settings, catalogue, source, collection, ask=not yes)
    cause = cause_of_command(note)
    with_pool(lambda pool: reset_collection(pool, source, collection, cause=cause), name="syncline sources")
    click.echo(f"{make_visible(f'{source}.{collection}')} will be reloaded by its next task.")


@sources.command(short_help="Pause a source or a collection.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", required=False, type=COLLECTION)
@click.option(
    "--until", type=TIME, help="When the pause ends by itself: a day, or a time such as 2024-01-31T12:00:00Z."
)
@click.option("--cancel", is_flag=True, help="Also cancel running tasks.")
@note_option
@reports_errors
def pause(
    config: Path | None,
    source: str,
    collection: str | None,
    until: dt.datetime | None,
    note: str | None,
    *,
    cancel: bool,
) -> None:
    """Pause SOURCE's COLLECTION, or all of SOURCE (POST /sources/pause).

    Running tasks go on, unless there is --cancel; others wait. Fire times of the schedule are skipped.
    """
    from app.bootstrap.sources import catalogue_of
    from app.pausing import check_known, pause_source
    from app.store.pauses import Pauses
    from app.store.queue import TaskQueue

    check_known(catalogue_of(start(), config), source, collection)
    paused = with_pool(
        lambda pool: pause_source(
            Pauses(pool), TaskQueue(pool), source, collection, until=until, cancel=cancel, cause=cause_of_command(note)
        ),
        name="syncline sources",
    )
    show_paused(source, collection, until, paused.canceled)


@sources.command(short_help="End a pause.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", required=False, type=COLLECTION)
@note_option
@reports_errors
def resume(config: Path | None, source: str, collection: str | None, note: str | None) -> None:
    """End the pause of SOURCE's COLLECTION, or that of all of SOURCE (POST /sources/resume).

    A collection that was paused alone stays paused when its source is resumed.
    """
    from app.bootstrap.sources import catalogue_of
    from app.pausing import resume_source
    from app.store.pauses import Pauses

    catalogue = catalogue_of(start(), config)
    cause = cause_of_command(note)
    resumed = with_pool(
        lambda pool: resume_source(Pauses(pool), catalogue, source, collection, cause=cause), name="syncline sources"
    )
    show_resumed(source, collection, **resumed._asdict())


@sources.command(short_help="Reload an interval of a collection.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", type=COLLECTION)
@click.option(
    "--from", "begin", type=TIME, required=True, help="The start: a day, or a time such as 2024-01-01T12:00:00Z."
)
@click.option("--to", "end", type=TIME, required=True, help="The end, which is excluded.")
@click.option("--wait", is_flag=True, help="Wait until the collection is free, then until the task has ended.")
@click.option(
    "--slice",
    "length",
    type=DURATION,
    help="Load in pieces such as 7d, one task each, with the schedule's own tasks in between. Implies --wait.",
)
@note_option
@reports_errors
def backfill(  # noqa: PLR0917 -- one for each argument and option
    config: Path | None,
    source: str,
    collection: str,
    begin: dt.datetime,
    end: dt.datetime,
    length: dt.timedelta | None,
    note: str | None,
    *,
    wait: bool,
) -> None:
    """Reload an interval of SOURCE's COLLECTION; its bookmark does not move (POST /sources/backfill).

    Days start at midnight UTC. The collection's schedule waits while a backfill runs: --slice keeps the wait short.
    """
    from app.bootstrap.sources import catalogue_of
    from app.task_requests import backfill_task, request_backfills, run_backfills

    interval = Interval.between(begin, end)
    catalogue = catalogue_of(start(), config)
    pieces = list(islice(interval.pieces(length), MOST_PIECES + 1)) if length else [interval]
    if len(pieces) > MOST_PIECES:
        raise click.BadParameter(f"would create more than {MOST_PIECES} tasks", param_hint="'--slice'")
    cause = cause_of_command(note)
    tasks = [backfill_task(catalogue, source, collection, each, cause) for each in pieces]
    work = run_backfills if wait or length else request_backfills
    with_pool(lambda pool: work(pool, tasks, report=click.echo), name="syncline sources")


def _table(offered: Sequence[Offered]) -> list[tuple[str, ...]]:
    head = ("NAME", "SYNC MODES", "KEY", "CURSOR FIELDS", "COLUMNS")
    rows = [
        (
            make_visible(each.name),
            ", ".join(each.sync_modes),
            _join_names(each.key),
            _join_names(each.cursor_fields),
            _join_names([f"{name} {kind}" for name, kind in each.columns.items()]),
        )
        for each in offered
    ]
    return [head, *rows]


def _join_names(names: Sequence[str]) -> str:
    return ", ".join(map(make_visible, names)) or "-"
