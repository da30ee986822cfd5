"""`syncline sources preview`: the first rows of a collection, and what its columns become."""

from __future__ import annotations

import json
import shutil
import sys
from typing import TYPE_CHECKING, Any, Final

import click

from app.cli.running import align, config_option, json_text, reports_errors, run_asking, start, tell
from app.cli.values import COLLECTION, SOURCE
from app.domain.choices import choose_one
from app.domain.errors import ConfigurationError
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from app.config.sources import Source
    from app.domain.attempt_protocol import Previewed

_WIDEST_CELL: Final = 40
_MOST_ROWS: Final = 1000


@click.command(short_help="Show a collection's first rows and types.")
@config_option
@click.argument("source", type=SOURCE)
@click.argument("collection", required=False, type=COLLECTION)
@click.option(
    "--rows", type=click.IntRange(1, _MOST_ROWS), default=10, show_default=True, help="How many rows at most."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with whole values.")
@reports_errors
def preview(config: Path | None, source: str, collection: str | None, *, rows: int, as_json: bool) -> None:
    """Show the first rows of SOURCE's COLLECTION, and the type of each column in each destination.

    Nothing is loaded, and no bookmark moves. The rows are those that a first load reads first; the function of a
    'python' source is called. Exits with 1 if a destination would refuse the table.
    """
    from app.bootstrap.sources import catalogue_of, preview_of

    settings = start()
    catalogue = catalogue_of(settings, config)
    owner = catalogue.find_source(source)
    name = _only_collection(owner) if collection is None else catalogue.find(source, collection)[1].name
    tables = run_asking(preview_of(settings, catalogue, source, name, rows=rows, tell=tell))
    kinds = {each: catalogue.destinations[each].type for each in owner.destinations}
    if as_json:
        click.echo(json_text({"source": source, "collection": name, "tables": [_document(each) for each in tables]}))
    else:
        for line in _lines(tables, kinds):
            click.echo(line)
    refused = {where: why for each in tables for where, why in each.refused.items()}
    for why in refused.values():
        click.echo(f"syncline: {make_visible(why)}", err=True)
    if refused:
        sys.exit(1)


def _only_collection(owner: Source) -> str:
    names = list(owner.collections)
    if len(names) > 1:
        raise ConfigurationError(f"the source {owner.id!r} has {len(names)} collections: {choose_one('', names)}")
    return names[0]


def _document(table: Previewed) -> dict[str, Any]:
    columns = [
        {
            "field": each.field,
            "type": each.type,
            "inferred": each.inferred,
            "columns": {where: {"name": name, "type": type_} for where, (name, type_) in each.columns.items()},
        }
        for each in table.columns
    ]
    return {"table": table.table, "columns": columns, "rows": table.rows, "refused": table.refused}


def _lines(tables: Sequence[Previewed], kinds: dict[str, str]) -> Iterator[str]:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    if not tables:
        yield "The source has no rows, and does not say which columns it would have."
    for number, table in enumerate(tables):
        yield from [""] * bool(number)
        if len(tables) > 1:
            yield make_visible(table.table)
        yield from align([*_types(table, kinds)])
        yield ""
        yield from _rows(table, width=width)


def _types(table: Previewed, kinds: dict[str, str]) -> Iterator[Sequence[str]]:
    """A line for each field; a column that is called something else is named with its type."""
    shown = [where for where in kinds if any(where in each.columns for each in table.columns)]
    yield ("FIELD", "TYPE", *(f"{where} ({kinds[where]})" for where in shown))
    for each in table.columns:
        cells = [each.columns.get(where, ("", "-")) for where in shown]
        named = [type_ if name in ("", each.field) else f"{name} {type_}" for name, type_ in cells]
        yield (each.field, f"{each.type}, inferred" if each.inferred else each.type, *named)


def _rows(table: Previewed, *, width: int | None) -> Iterator[str]:
    """The rows; those that are wider than the terminal as several blocks of columns."""
    if not table.rows:
        yield "No rows."
        return
    columns = [
        [_cell(each.field), *(_cell(_text(row.get(each.field))) for row in table.rows)] for each in table.columns
    ]
    block: list[list[str]] = []
    taken = 0
    for column in columns:
        needed = max(map(len, column)) + 2
        if block and width is not None and taken + needed - 2 > width:
            yield from align([*zip(*block, strict=True)])
            yield ""
            block, taken = [], 0
        block.append(column)
        taken += needed
    yield from align([*zip(*block, strict=True)])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "NULL" if value is None else json.dumps(value, ensure_ascii=False)


def _cell(text: str) -> str:
    shown = make_visible(text)
    return shown if len(shown) <= _WIDEST_CELL else f"{shown[: _WIDEST_CELL - 1]}…"
