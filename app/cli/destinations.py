"""`syncline destinations`: tests destinations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from app.cli.running import config_option, reports_errors, run_asking, start, tell
from app.cli.trials import show

if TYPE_CHECKING:
    from pathlib import Path


@click.group(short_help="Test destinations.")
def destinations() -> None:
    """Test destinations. Needs no database of Syncline's own."""


@destinations.command(short_help="Test that destinations can be written to.")
@config_option
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reports_errors
def test(config: Path | None, names: tuple[str, ...], *, as_json: bool) -> None:
    """Test the destinations of these names, or all: connect, create a table, write a row and drop the table again.

    No existing table is touched, and nothing is left behind. Exits with 1 if any of them fails.
    """
    from app.bootstrap.sources import catalogue_of
    from app.bootstrap.trials import choose_destinations, try_destinations

    settings = start()
    catalogue = catalogue_of(settings, config, without_collections=True)
    chosen = choose_destinations(catalogue, names)
    show(settings, config, run_asking(try_destinations(settings, catalogue, chosen, tell=tell)), as_json=as_json)
