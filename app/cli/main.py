"""The command line. Heavy imports are inside the commands, so that `--help` and wrong usage answer at once."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.cli.bookmarks import bookmarks
from app.cli.check import check
from app.cli.completion import VARIABLE, completion
from app.cli.connectors import connectors
from app.cli.destinations import destinations
from app.cli.doctor import doctor
from app.cli.events import events
from app.cli.imports import import_
from app.cli.init import init
from app.cli.pauses import pause, resume
from app.cli.plan import plan
from app.cli.run import run
from app.cli.running import (
    config_option,
    fail_points_option,
    reporting_output_errors,
    reports_errors,
    run_loop,
    start,
    with_pool,
)
from app.cli.sources import sources
from app.cli.status import status
from app.cli.tasks import cancel, logs, tasks
from app.cli.tokens import token
from app.cli.ui import ui
from app.cli.values import PATH
from app.cli.worker import worker
from app.domain.ports import HIGHEST_PORT
from app.hiding import hide_from_others

if TYPE_CHECKING:
    from pathlib import Path

_host = click.option("--host", help="The address to listen on.  [default: 127.0.0.1]")
_port = click.option(
    "--port",
    type=click.IntRange(0, HIGHEST_PORT),
    help="The port to listen on.  [default: the catalogue's server.port]",
)


def main() -> None:
    """The entry point of the command."""
    # The environment and the catalogue have passwords.
    hide_from_others()
    with reporting_output_errors():
        cli(complete_var=VARIABLE)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="syncline", message="syncline %(version)s")
def cli() -> None:
    """Keep collections in sync on schedule, and record every step in PostgreSQL.

    Exit codes: 0 success, 1 failure, 2 wrong usage or configuration, 3 PostgreSQL or the API does
    not answer, 4 the API refuses, 5 'plan' found a difference.
    """


@cli.command()
@config_option
@_host
@_port
@fail_points_option
@reports_errors
def api(config: Path | None, host: str | None, port: int | None, *, with_fail_points: bool) -> None:
    """Serve the HTTP API. Run any number of replicas behind a load balancer."""
    from app.bootstrap.api import run_api
    from app.bootstrap.environment import config_path

    settings = start(with_fail_points=with_fail_points)
    run_loop(run_api(settings, config_path(settings, config), host=host, port=port))


@cli.command(short_help="Run everything in one terminal.")
@config_option
@_host
@_port
@click.option(
    "--data",
    metavar="DIRECTORY",
    type=PATH,
    help="The directory for all data.  [default: environment variable SYNCLINE_DATA_DIR, else .syncline]",
)
@fail_points_option
@reports_errors
def dev(config: Path | None, host: str | None, port: int | None, data: Path | None, *, with_fail_points: bool) -> None:
    """Run everything in one terminal: PostgreSQL (unless DATABASE_URL is set), migrations, API and worker."""
    from app.bootstrap.dev import run_dev
    from app.bootstrap.environment import config_path

    settings = start(with_fail_points=with_fail_points)
    path = config_path(settings, config)
    data = (data or settings.data_dir).absolute()
    run_dev(settings, path, host=host, port=port, data=data, with_fail_points=with_fail_points)


@cli.command()
@reports_errors
def migrate() -> None:
    """Migrate the database schema to this release."""
    from app.bootstrap.environment import database_address
    from app.bootstrap.migrations import migrate as bring_to_head
    from app.bootstrap.schema_version import head
    from app.store.address import server_of

    address = database_address(start())
    if bring_to_head(address.direct, password=address.password, patience_seconds=30):
        click.echo("The database has moved to a server with lower transaction IDs: new events now follow the old ones.")
    click.echo(f"{server_of(address.direct)} is at version {head()}.")


@cli.group(short_help="Rebuild or verify projections of events.")
def projections() -> None:
    """Rebuild what is derived from the events, or verify it against them.

    The database is the one in DATABASE_URL or, if that is not set, that of the 'syncline dev' on SYNCLINE_DATA_DIR
    (default: .syncline).
    """


@projections.command(short_help="Rebuild a projection from the events.")
@click.argument("name")
@reports_errors
def rebuild(name: str) -> None:
    """Rebuild projection NAME from the events, or all of them with 'all', while the service runs."""
    from app.projections.rebuild import ALL, rebuild_all
    from app.projections.rebuild import rebuild as build

    counts = with_pool(rebuild_all) if name == ALL else {name: with_pool(lambda pool: build(pool, name))}
    for projection, rows in counts.items():
        click.echo(f"{projection}: {rows} rows.")


@projections.command(short_help="Compare projections with the events.")
@reports_errors
def verify() -> None:
    """Compare every projection with the events; print the first differences and exit with 1 if there are any."""
    from app.domain.visible import make_visible
    from app.projections.verify import verify as compare

    drifts = with_pool(compare)
    for drift in drifts:
        click.echo(make_visible(str(drift)))
    if drifts:
        sys.exit(1)
    click.echo("Every projection matches the events.")


cli.add_command(worker)
cli.add_command(init)
cli.add_command(import_)
cli.add_command(check)
cli.add_command(plan)
cli.add_command(run)
cli.add_command(ui)
cli.add_command(status)
cli.add_command(tasks)
cli.add_command(logs)
cli.add_command(cancel)
cli.add_command(pause)
cli.add_command(resume)
cli.add_command(sources)
cli.add_command(bookmarks)
cli.add_command(connectors)
cli.add_command(destinations)
cli.add_command(doctor)
cli.add_command(events)
cli.add_command(token)
cli.add_command(completion)


@cli.command()
def openapi() -> None:
    """Print the API's OpenAPI document."""
    from app.api.openapi import openapi_text

    click.echo(openapi_text(), nl=False)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of catalogues, with which editors check and complete them."""
    from app.cli.running import json_text
    from app.config.catalogue_schema import catalogue_schema

    click.echo(json_text(catalogue_schema()))
