"""`syncline plan`: what would change if a catalogue took the place of the one that runs."""

from __future__ import annotations

import datetime as dt
import sys
from typing import TYPE_CHECKING

import click

from app.cli.remote import WHERE_THE_API_IS, catalogue_problems, open_api
from app.cli.running import align, config_option, json_text, reports_errors, run_asking, tell

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.config.catalogue import Catalogue
    from app.config.outline import Outline
    from app.config.settings import Settings
    from app.plan.changes import Change
    from app.plan.running import Running
    from app.plan.tables import TableChange

Rows = dict[tuple[str, str], int]
# Nothing else ends with this code, so that no error is taken for a change.
_DIFFERENT = 5
_COLORS = {"+": "green", "-": "red", "~": "yellow"}


@click.command(short_help="Show what a changed catalogue would change.", epilog=WHERE_THE_API_IS)
@config_option
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--markdown", "as_markdown", is_flag=True, help="Print Markdown, for the comment of a pull request.")
@click.option(
    "--rows/--no-rows",
    "with_rows",
    default=None,
    help="Whether to ask the destinations how many rows these tables have.  [default: beside a 'syncline dev']",
)
@reports_errors
def plan(config: Path | None, *, as_json: bool, as_markdown: bool, with_rows: bool | None) -> None:
    """Compare a catalogue with the one that runs: sources, collections, schedules, keys, and what becomes of tables.

    Nothing is changed. The exit code is 0 if nothing is different and 5 if something is; all others are errors.
    Secrets are not compared, nor values of placeholders in 'config', 'parameters' and destinations, nor the sections
    'server' and 'notifications'.
    """
    from app.config.outline import outline_of
    from app.plan.changes import changes_between
    from app.plan.document import plan_document
    from app.plan.running import read_running
    from app.plan.tables import table_changes

    if as_json and as_markdown:
        raise click.UsageError("--json and --markdown cannot be combined.")
    settings, catalogue = _read(config)
    with open_api() as api:
        document = api.get("/sources", settings=True)
        is_here = api.address.dev is not None
    for line in catalogue_problems(document):
        tell(line)
    running, planned, now = read_running(document), outline_of(catalogue), dt.datetime.now(dt.UTC)
    changes, tables = changes_between(running.outline, planned, now), table_changes(running, planned)
    rows = (
        _count(settings, catalogue, _in_reach(running, planned, tables))
        if (is_here if with_rows is None else with_rows)
        else {}
    )
    if as_json:
        click.echo(json_text(plan_document(changes, tables, rows)))
    else:
        _show(changes, tables, rows, now, as_markdown=as_markdown)
    sys.exit(_DIFFERENT if changes or tables else 0)


def _read(config: Path | None) -> tuple[Settings, Catalogue]:
    """The catalogue, without anything that is wrong.

    Raises:
        CatalogueError: something is; it has all problems.
    """
    from app.bootstrap.sources import catalogue_of
    from app.config.problems import CatalogueError
    from app.config.settings import read_settings

    settings = read_settings()
    catalogue = catalogue_of(settings, config)
    if catalogue.problems:
        raise CatalogueError(catalogue.problems)
    return settings, catalogue


def _in_reach(running: Running, planned: Outline, tables: Sequence[TableChange]) -> list[tuple[str, str]]:
    """Those at destinations that are as they were: in another place they would be other tables."""
    known = running.outline.destinations
    return [
        (each.destination, each.table)
        for each in tables
        if known.get(each.destination) == planned.destinations.get(each.destination)
    ]


def _count(settings: Settings, catalogue: Catalogue, tables: Sequence[tuple[str, str]]) -> Rows:
    from app.bootstrap.sources import rows_of

    rows: Rows = run_asking(rows_of(settings, catalogue, tables, tell=tell)) if tables else {}
    return rows


def _show(
    changes: Sequence[Change], tables: Sequence[TableChange], rows: Rows, now: dt.datetime, *, as_markdown: bool
) -> None:
    from app.plan.lines import lines_of, summary_of
    from app.plan.markdown import markdown_of

    found = lines_of(changes, tables, rows, now)
    lines, summary = align(found) if found else [], summary_of(changes, tables)
    if as_markdown:
        click.echo(markdown_of(lines, summary))
        return
    for line in lines:
        click.echo(click.style(line, fg=_COLORS[line[0]]))
    if lines:
        click.echo()
    click.echo(summary)
