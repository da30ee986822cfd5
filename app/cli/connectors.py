"""`syncline connectors`: installs what a catalogue runs, before anything runs."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from app.cli.running import config_option, reports_errors, start, tell
from app.cli.values import PATH
from app.domain.counts import count
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from pathlib import Path


@click.group(short_help="Install taps and connectors beforehand.")
def connectors() -> None:
    """Install taps and connectors beforehand. Needs no database."""


@connectors.command(short_help="Install all that the catalogue runs.")
@config_option
@click.option(
    "--dir",
    "directory",
    metavar="DIRECTORY",
    type=PATH,
    help="Where to install.  [default: environment variable SYNCLINE_CONNECTORS_DIR, else the data directory]",
)
@reports_errors
def install(config: Path | None, directory: Path | None) -> None:
    """Install the packages of all taps, connectors and targets in the catalogue, for an image or a volume.

    The values of placeholders, such as passwords, need not be there. Exits with 1 if anything is missing at the end.
    """
    from app.bootstrap.connectors import install_connectors

    prepared = install_connectors(start(), config, directory, tell=tell)
    for image in prepared.images:
        click.echo(f"Not installed: image {make_visible(image)}; run 'docker pull' where it will run.")
    for problem in prepared.problems:
        click.echo(f"syncline: {make_visible(problem)}", err=True)
    for package in prepared.packages:
        click.echo(make_visible(package))
    installed = count(len(prepared.packages), "environment")
    click.echo(f"{make_visible(str(prepared.directory))} has {installed} for this catalogue.")
    if prepared.problems:
        click.echo(f"{count(len(prepared.problems), 'problem')}: not everything could be installed.", err=True)
        sys.exit(1)
