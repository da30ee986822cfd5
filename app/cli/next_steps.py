"""What `syncline init` says to type next."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.bootstrap.environment import USUAL_CONFIG
from app.domain.counts import count
from app.domain.visible import make_visible
from app.starter.names import DESTINATION
from app.starter.proposals import MANY

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.starter.origins import Origin
    from app.starter.proposals import Proposal
    from app.starter.targets import Target


def show_next(file: Path, source: Origin, target: Target, proposals: Sequence[Proposal]) -> None:
    """What is there now, and what to type next."""
    name = make_visible(str(file))
    click.echo(f"{name}: source '{source.name}' with {count(len(proposals), 'collection')}, into '{DESTINATION}'.")
    if len(proposals) > MANY:
        click.echo("To take fewer, run it again with --only and --force, such as --only 'sales.*'.")
    click.echo("\nNext, type:\n")
    program, option = _program(), "" if file == USUAL_CONFIG else f" --config {shlex.quote(str(file))}"
    for variable, value in {**source.variables, **target.variables}.items():
        if os.environ.get(variable) != value:
            click.echo(f"  read -rs {variable}; export {variable}  # type {_what_to_type(value)}; nothing is shown")
    for command, why in (
        (f"check{option and f' {shlex.quote(str(file))}'}", ""),
        (f"dev{option}", ""),
        (f"run {source.name} --follow", "  # in another terminal"),
    ):
        click.echo(f"  {program} {command}{why}")


def _what_to_type(value: str) -> str:
    """How to type a secret so that it can stand in its URL; that of a question was typed as it is."""
    if "://" in value:
        return "the whole URL"
    return "the password, percent-encoded as in a URL, such as %40 for @" if "%" in value else "the password"


def _program() -> str:
    """The command as it was typed."""
    typed = sys.argv[0]
    if (found := shutil.which("syncline")) and Path(typed).exists() and Path(found).samefile(typed):
        return "syncline"
    return shlex.quote(typed) if Path(typed).name == "syncline" else f"{shlex.quote(sys.executable)} -m app.cli"
