"""`syncline sources`: trying them, asking what they offer, loading them anew."""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import TYPE_CHECKING, Any

import click

from app.cli.running import aligned, config_option, run_loop, start, told, with_pool
from app.domain.duration import parse_duration
from app.domain.errors import ConfigurationError
from app.domain.interval import Interval

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.domain.attempt_protocol import Offered

_INDENT = "      "
MOST_PIECES = 10_000
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@click.group()
def sources() -> None:
    """Try the catalogue's sources, ask what they offer, and have their collections loaded anew.

    `test` and `discover` need no database. The others use that of DATABASE_URL; without it, that of the 'syncline dev'
    which runs on SYNCLINE_DATA_DIR (.syncline).
    """


@sources.command()
@config_option
@click.argument("source")
@click.argument("collection", required=False)
@told
def test(config: Path | None, source: str, collection: str | None) -> None:
    """Let the connector try each collection of SOURCE, or COLLECTION alone, as POST /sources/test does."""
    from app.bootstrap.sources import catalogue_of, test_source

    settings = start()
    catalogue = catalogue_of(settings, config)
    run_loop(test_source(settings, catalogue, source, collection))
    click.echo(f"{source} works." if collection is None else f"{source}.{collection} works.")


@sources.command()
@config_option
@click.argument("source")
@click.option("--yaml", "form", flag_value="yaml", help="Print collections that are ready to be pasted.")
@click.option("--json", "form", flag_value="json", help="Print what POST /sources/discover answers.")
@told
def discover(config: Path | None, source: str, form: str | None) -> None:
    """List what SOURCE offers: tables or streams, how they can be read, their key and columns.

    The source need not have collections yet. CURSOR FIELDS are the columns that may tell what is new, the likeliest
    first.
    """
    from app.bootstrap.sources import catalogue_of, offers_of
    from app.connectors.kinds import BY_COLLECTION

    settings = start()
    catalogue = catalogue_of(settings, config, without_collections=True)
    if form == "yaml" and (type_ := catalogue.find_source(source).type) in BY_COLLECTION:
        raise ConfigurationError(f"a source of type {type_!r} offers nothing but what its collections name already")
    offered = run_loop(offers_of(settings, catalogue, source))
    if form == "json":
        from app.api.documents import offers_document

        click.echo(json.dumps(offers_document(source, offered), ensure_ascii=False, indent=2))
    elif form == "yaml":
        for line in _collections(offered):
            click.echo(line)
    else:
        for line in aligned(_table(offered)):
            click.echo(line)


@sources.command()
@config_option
@click.argument("source")
@click.argument("collection")
@told
def reset(config: Path | None, source: str, collection: str) -> None:
    """Forget the bookmark of SOURCE's COLLECTION, as POST /sources/clear_cache does: its next task loads everything."""
    from app.bootstrap.sources import catalogue_of
    from app.store.bookmarks import reset_collection

    settings = start()
    catalogue_of(settings, config).find(source, collection)
    with_pool(lambda pool: reset_collection(pool, source, collection), name="syncline sources")
    click.echo(f"{source}.{collection} is loaded anew by its next task.")


@sources.command()
@config_option
@click.argument("source")
@click.argument("collection")
@click.option("--from", "begin", required=True, help="The beginning: a day, or a time such as 2024-01-01T12:00:00Z.")
@click.option("--to", "end", required=True, help="The end, which is not loaded itself.")
@click.option("--wait", is_flag=True, help="Wait for the collection to be free, and then for the end of the task.")
@click.option(
    "--slice", "length", help="Load pieces such as 7d, one task each; between them the schedule has its turn. Waits."
)
@told
def backfill(  # noqa: PLR0917 -- one for each argument and option
    config: Path | None, source: str, collection: str, begin: str, end: str, length: str | None, *, wait: bool
) -> None:
    """Load an interval of SOURCE's COLLECTION once more, as POST /sources/backfill does; its bookmark stays.

    Days begin at midnight UTC. While a backfill runs, the collection's schedule waits for it: --slice keeps that short.
    """
    from app.bootstrap.sources import catalogue_of
    from app.task_requests import ask_for_backfills, backfill_task, carry_out_backfills

    interval = Interval.between(_moment(begin, "--from"), _moment(end, "--to"))
    piece = None if length is None else parse_duration(length)
    if piece is not None and not piece:
        raise click.BadParameter("it must be longer than nothing", param_hint="--slice")
    catalogue = catalogue_of(start(), config)
    pieces = list(islice(interval.pieces(piece), MOST_PIECES + 1)) if piece else [interval]
    if len(pieces) > MOST_PIECES:
        raise click.BadParameter(f"it makes more than {MOST_PIECES} tasks", param_hint="--slice")
    tasks = [backfill_task(catalogue, source, collection, each) for each in pieces]
    work = carry_out_backfills if wait or piece else ask_for_backfills
    with_pool(lambda pool: work(pool, tasks, tell=click.echo), name="syncline sources")


def _moment(text: str, option: str) -> dt.datetime:
    from app.domain.timestamp import read_time

    try:
        return read_time(f"{text}T00:00:00Z" if _DAY.fullmatch(text) else text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            "a day such as 2024-01-31, or a time such as 2024-01-31T12:00:00Z", param_hint=option
        ) from None


def _table(offered: Sequence[Offered]) -> list[tuple[str, ...]]:
    head = ("NAME", "SYNC MODES", "KEY", "CURSOR FIELDS", "COLUMNS")
    rows = [
        (
            _shown(each.name),
            ", ".join(each.sync_modes),
            _listed(each.key),
            _listed(each.cursor_fields),
            _listed([f"{name} {kind}" for name, kind in each.columns.items()]),
        )
        for each in offered
    ]
    return [head, *rows]


def _collections(offered: Sequence[Offered]) -> Iterator[str]:
    """The key `collections` with an entry for each; what is to be decided stands there as a comment."""
    yield "    collections:"
    for each in offered:
        name = _collection_name(each.name)
        entry: dict[str, Any] = {"name": name} | ({} if name == each.name else {"type": each.name})
        entry |= {"primary_key": each.key} if each.key else {}
        for number, (key, value) in enumerate(entry.items()):
            yield f"{_INDENT}{'- ' if number == 0 else '  '}{key}: {_scalar(value)}"
        for number, field in enumerate(each.cursor_fields):
            yield f"{_INDENT}  # {'cursor_field' if number == 0 else 'or'}: {_scalar(field)}"


def _collection_name(name: str) -> str:
    """What can stand in ids and URLs, and is a name of one part."""
    return "".join("_" if one in "./" or not one.isprintable() else one for one in name).strip()


def _scalar(value: Any) -> str:
    """A value in one line of YAML, which any JSON is, too."""
    import yaml

    if isinstance(value, str) and value.isprintable():
        text = str(yaml.safe_dump(value, allow_unicode=True, width=float("inf")))
        return text.removesuffix("...\n").strip()
    return json.dumps(value, ensure_ascii=False)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(_shown, names)) or "-"


def _shown(text: str) -> str:
    """`text` in one line that commands no terminal, whatever the source says."""
    return text if text.isprintable() else "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)
