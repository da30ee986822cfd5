"""`syncline doctor`: says what is wrong with an installation."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

import click

from app.cli.running import config_option, json_text, reports_errors, run_loop, start, tell
from app.cli.values import PATH
from app.domain.counts import count
from app.domain.lines import split_lines
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from app.doctor.finding import Finding

_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}
_STATE_WIDTH: Final = max(map(len, _COLOURS))


@click.command(short_help="Say what is wrong with an installation.")
@config_option
@click.option("--try", "tries", is_flag=True, help="Also test every source and destination, as their 'test' does.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--bundle", metavar="FILE", type=PATH, help="Write an archive (.tar.gz) without secrets, to report a bug."
)
@click.option("--overwrite", is_flag=True, help="Replace the FILE of --bundle if it exists.")
@reports_errors
def doctor(config: Path | None, bundle: Path | None, *, tries: bool, as_json: bool, overwrite: bool) -> None:
    """Look at database, data directory, catalogue and the hosts in it, and say what is wrong and what to do.

    Nothing is changed, except that --try writes a table to each destination and drops it again. The database is the one
    in DATABASE_URL or, if that is not set, that of the 'syncline dev' on SYNCLINE_DATA_DIR (default: .syncline). Exits
    with 1 if anything fails; warnings do not count.
    """
    from app.doctor.bundle import check_target, contents_of, write_bundle
    from app.doctor.examination import examine, has_failure
    from app.doctor.installation import Installation

    if overwrite and bundle is None:
        raise click.UsageError("--overwrite needs --bundle FILE")
    installation = Installation(start(), config)
    if bundle is not None:
        check_target(bundle, overwrite=overwrite)
    findings = run_loop(examine(installation, tell=tell if tries else None))
    _show(findings, as_json=as_json)
    if bundle is not None:
        contents = run_loop(contents_of(installation, findings))
        write_bundle(bundle, contents, overwrite=overwrite)
        tell(f"{bundle} is written, with {', '.join(contents)}; secrets are masked, names of hosts and tables are not")
    if has_failure(findings):
        sys.exit(1)


def _show(findings: Sequence[Finding], *, as_json: bool) -> None:
    if as_json:
        click.echo(
            json_text([{key: getattr(each, key) for key in ("name", "state", "text", "remedy")} for each in findings])
        )
        return
    colour = False if os.environ.get("NO_COLOR") else None
    width = max(len(each.name) for each in findings)
    indent = " " * (_STATE_WIDTH + width + 4)
    for each in findings:
        state = click.style(each.state.ljust(_STATE_WIDTH), fg=_COLOURS[each.state], bold=each.state != "ok")
        click.echo(f"{state}  {make_visible(each.name).ljust(width)}  {make_visible(each.text)}", color=colour)
        for line in split_lines(each.remedy):
            click.echo(f"{indent}{make_visible(line)}")
    click.echo(_summary(findings))


def _summary(findings: Sequence[Finding]) -> str:
    failed, warned = (sum(each.state == state for each in findings) for state in ("fail", "warn"))
    if not failed and not warned:
        return "Nothing is wrong."
    return f"{count(failed, 'failure')}, {count(warned, 'warning')}."
