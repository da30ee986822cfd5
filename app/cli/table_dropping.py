"""`syncline sources reset --drop`: drops the tables of a collection, and says what became of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.running import run_asking, tell, with_pool
from app.domain.errors import SynclineError
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.domain.attempt_protocol import OwnTable
    from app.store.database import Pool


def drop_tables(settings: Settings, catalogue: Catalogue, source: str, collection: str, *, ask: bool) -> None:
    """Drops the tables that only this collection loads into.

    Raises:
        ConfigurationError: a task of the collection is waiting or running.
        SynclineError: a table is still there.
    """
    from app.bootstrap.sources import tables_of

    _require_idle(source, collection)
    found = run_asking(tables_of(settings, catalogue, source, collection))
    for each in found:
        click.echo(_that_stays(each) if each.shared else _name(each))
    own = [each for each in found if not each.shared]
    if not own:
        click.echo("There are no tables to drop.")
        return
    if ask:
        click.confirm(f"Drop {'this table' if len(own) == 1 else f'these {len(own)} tables'}?", abort=True)
        _require_idle(source, collection)
    _drop(settings, catalogue, source, collection, own)


def _drop(settings: Settings, catalogue: Catalogue, source: str, collection: str, tables: Sequence[OwnTable]) -> None:
    from app.bootstrap.sources import drop_tables_of

    left = [_name(each) for each in tables]
    errors: list[str] = []

    def take(fate: OwnTable) -> None:
        if not fate.error:
            left.remove(_name(fate))
            click.echo(_that_stays(fate) if fate.shared else f"{_name(fate)} was dropped.")
        elif fate.error not in errors:
            errors.append(fate.error)
            tell(fate.error)

    def rest(state: str) -> str:
        name = make_visible(f"{source}.{collection}")
        tables = f"{state}: {', '.join(left)}. " if left else ""
        return f"{tables}{name} was not reset: run the command again when nothing is in the way"

    try:
        run_asking(drop_tables_of(settings, catalogue, source, collection, tables, receive=take, tell=tell))
    except SynclineError as error:
        raise SynclineError(f"{error}. {rest('Perhaps still there')}") from None
    except KeyboardInterrupt:
        tell(f"interrupted. {rest('Perhaps still there')}")
        raise
    if left:
        raise SynclineError(rest("still there"))


def _name(table: OwnTable) -> str:
    return make_visible(f"{table.destination}: {table.table}")


def _that_stays(table: OwnTable) -> str:
    return f"{_name(table)} is also loaded by other collections: it stays."


def _require_idle(source: str, collection: str) -> None:
    with_pool(lambda pool: _check_idle(pool, source, collection), name="syncline sources")


async def _check_idle(pool: Pool, source: str, collection: str) -> None:
    from app.execution.table_dropping import check_idle
    from app.store.reads import Reader

    await check_idle(Reader(pool), source, collection)
