"""`syncline init`: writes a first catalogue of one's own data."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from app.cli.running import config_option, reports_errors, run_asking, start, tell
from app.cli.values import PATTERNS
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.config.settings import Settings
    from app.domain.attempt_protocol import Offered
    from app.starter.origins import Origin
    from app.starter.proposals import Proposal
    from app.starter.targets import Target


@click.command(short_help="Write a first catalogue of your own data.")
@click.option("--from", "origin", metavar="URL_OR_PATH", help="Where the data are: a database, a file or a directory.")
@click.option("--into", "target", metavar="URL_OR_PATH", help="Where they go.  [default: warehouse.duckdb]")
@click.option(
    "--only",
    metavar="PATTERNS",
    type=PATTERNS,
    multiple=True,
    help="Only tables or files with such names, such as 'sales.*'; repeat it, or put commas between several.",
)
@config_option
@click.option("--force", is_flag=True, help="Replace the file if it exists, and keep a copy.")
@reports_errors
def init(
    origin: str | None, target: str | None, only: tuple[tuple[str, ...], ...], config: Path | None, *, force: bool
) -> None:
    """Write a catalogue for a database or for files, with the collections that are found there.

    Without --from it asks. Databases are those that the source 'sql' reads, such as PostgreSQL and SQLite; files are
    CSV, JSONL and Parquet. Passwords are not written to the file: it refers to environment variables. The source is
    only looked at, and the destination tried without leaving anything there.
    """
    from app.bootstrap.environment import USUAL_CONFIG
    from app.cli.next_steps import show_next
    from app.starter.file import check_place, write_file
    from app.starter.targets import read_target

    settings = start()
    file = config or settings.config or USUAL_CONFIG
    check_place(file, force=force)
    asks = origin is None
    if asks and not _is_terminal():
        from app.starter.origins import FORMS

        raise ConfigurationError(f"there is no terminal to ask: name the data with --from, as {FORMS}")
    if target is not None:
        # What is wrong with it is said before anything is looked at.
        read_target(target)
    with tempfile.TemporaryDirectory(prefix="syncline-init-") as directory:
        # What connectors keep goes with it.
        settings = settings.model_copy(update={"data_dir": Path(directory)})
        patterns = [pattern for each in only for pattern in each]
        source, offered = _find_source(settings, origin, patterns)
        offered = _choose(offered, patterns, asks=asks)
        destination = _find_target(settings, target, asks=asks)
        proposals = _propose(source, offered)
        text = _write_text(settings, source, proposals, destination)
    if copy := write_file(file, text, force=force):
        click.echo(f"The file that was there is now '{make_visible(str(copy))}'.")
    show_next(file, source, destination, proposals)


def _is_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _find_source(settings: Settings, given: str | None, only: Sequence[str]) -> tuple[Origin, list[Offered]]:
    """The source, and what it offers; if none is given, asks until there is one."""
    from app.starter.origins import FORMS

    if given is not None:
        return _look_into(settings, given, only)
    while True:
        try:
            return _look_into(settings, str(click.prompt(f"Where are your data? Give {FORMS}")).strip(), only)
        except SynclineError as error:
            tell(str(error))


def _look_into(settings: Settings, given: str, only: Sequence[str]) -> tuple[Origin, list[Offered]]:
    from app.bootstrap.starting import offers_of_origin
    from app.starter.origins import needs_password, read_origin, with_password

    if (user := needs_password(given)) is not None and _is_terminal():
        question = f"Password of '{make_visible(user)}' (press Enter if there is none)"
        given = with_password(given, click.prompt(question, default="", show_default=False, hide_input=True))
    source = read_origin(given).only(only)
    for each in source.skipped:
        tell(f"left out: {each}")
    offered: list[Offered] = run_asking(offers_of_origin(settings, source, tell=tell))
    if not offered:
        raise SynclineError(f"there is nothing in {source.name!r} that this login may read")
    return source, offered


def _choose(offered: Sequence[Offered], only: Sequence[str], *, asks: bool) -> list[Offered]:
    """What the patterns take of it; asks for some if there is very much.

    Raises:
        ConfigurationError: they take nothing, or nothing that a catalogue can name.
    """
    from app.starter.proposals import MANY, can_be_named, chosen

    if asks and not only and len(offered) > MANY:
        question = f"There are {len(offered):,}, such as {_some(offered)}. Which ones? Names or patterns"
        answer = str(click.prompt(question, default="*"))
        only = PATTERNS.convert(answer, None, None)
    found = chosen(offered, only)
    if not found:
        known = f"{len(offered):,}, such as {_some(offered)}"
        raise ConfigurationError(f"no name matches: there are {known}" if asks else f"--only takes none of {known}")
    for each in found:
        if not can_be_named(each):
            tell(f"left out: a catalogue cannot name {each.name!r}")
    usable = [each for each in found if can_be_named(each)]
    if not usable:
        raise ConfigurationError(f"a catalogue can name none of {len(found):,}, such as {_some(found)}")
    return usable


def _some(offered: Sequence[Offered]) -> str:
    return ", ".join(f"'{make_visible(each.name)}'" for each in offered[:3])


def _find_target(settings: Settings, given: str | None, *, asks: bool) -> Target:
    """The destination, which works; if none is given, asks until there is one."""
    from app.starter.targets import FORMS, USUAL

    if given is not None or not asks:
        return _try(settings, given or USUAL)
    while True:
        try:
            return _try(settings, str(click.prompt(f"Where should they go? Give {FORMS}", default=USUAL)).strip())
        except SynclineError as error:
            tell(str(error))


def _try(settings: Settings, given: str) -> Target:
    from app.bootstrap.starting import try_target
    from app.starter.names import DESTINATION
    from app.starter.targets import read_target

    target = read_target(given)
    run_asking(try_target(settings, DESTINATION, target, tell=tell))
    return target


def _propose(source: Origin, offered: Sequence[Offered]) -> list[Proposal]:
    from app.starter.proposals import of_files, of_tables

    if source.collections:
        return of_files(source.collections, {each.name: each for each in offered})
    return of_tables(offered)


def _write_text(settings: Settings, source: Origin, proposals: Sequence[Proposal], target: Target) -> str:
    """The text of the catalogue, which `syncline check` accepts.

    Raises:
        ConfigurationError: it would not.
    """
    from app.bootstrap.starting import read_whole
    from app.starter.names import DESTINATION
    from app.starter.text import catalogue_text

    text = catalogue_text(source.name, source.type, source.config, proposals, {DESTINATION: target.options})
    read_whole(settings, text, {**source.variables, **target.variables})
    return text
