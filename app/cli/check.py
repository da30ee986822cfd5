"""`syncline check`: everything that is wrong with a catalogue."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from app.cli.running import json_text, reports_errors
from app.cli.values import PATH
from app.domain.counts import count
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from app.config.problems import Problem


@click.command(short_help="Check a catalogue for mistakes.")
@click.argument("config", metavar="[FILE]", type=PATH, required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@reports_errors
def check(config: Path | None, *, as_json: bool) -> None:
    """Report everything that is wrong with a catalogue: FILE, or that of SYNCLINE_CONFIG, or ./syncline.yaml."""
    from app.bootstrap.environment import config_path, substitution_environment
    from app.config.check import examine_config
    from app.config.settings import read_settings

    settings = read_settings()
    file = config_path(settings, config, way="the argument FILE")
    path = make_visible(str(file))
    findings = examine_config(file, substitution_environment(settings))
    if as_json:
        document = {
            "valid": not findings.problems,
            "sources": findings.sources,
            "collections": findings.collections,
            "problems": _documents(findings.problems),
            "warnings": _documents(findings.warnings),
        }
        click.echo(json_text(document))
        sys.exit(2 if findings.problems else 0)
    for warning in findings.warnings:
        click.echo(f"warning: {warning}", err=True)
    for problem in findings.problems:
        click.echo(str(problem), err=True)
    if findings.problems:
        click.echo(f"{path} cannot be used: {count(len(findings.problems), 'problem')}.", err=True)
        sys.exit(2)
    sources, collections = count(findings.sources, "source"), count(findings.collections, "collection")
    click.echo(f"{path} is valid: {sources} with {collections}.")


def _documents(problems: Iterable[Problem]) -> list[dict[str, Any]]:
    return [
        {"key": each.path, "message": each.message, **({"place": each.place} if each.place else {})}
        for each in problems
    ]
