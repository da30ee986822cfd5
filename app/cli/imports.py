"""`syncline import classic`: takes over the configuration of Jitsu Classic, its bookmarks and its last tasks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from app.cli.bookmarks import shower
from app.cli.causes import note_option, who_runs_this
from app.cli.running import config_option, reports_errors, start, tell, with_pool
from app.domain.counts import count
from app.domain.errors import ConfigurationError
from app.domain.keys import name_problem
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from app.bootstrap.moving import Outcome
    from app.config.catalogue import Catalogue
    from app.config.settings import Settings
    from app.moving.address import RedisAddress
    from app.moving.configuration import Classic
    from app.moving.states import Remark, State

_PRIVATE = 0o600
_MOST_TASKS = 10_000


@click.group(name="import", short_help="Take over what another program has.")
def import_() -> None:
    """Take over the configuration, the bookmarks and the last tasks of another program."""


@import_.command(short_help="Take over what Jitsu Classic has.")
@click.option(
    "--from",
    "origin",
    metavar="FILE_OR_URL",
    required=True,
    help="Jitsu Classic's YAML or JSON, such as eventnative.yaml, or the URL of its configurator's export.",
)
@config_option
@click.option(
    "--redis",
    "redis",
    metavar="URL",
    help="The Redis of Jitsu Classic: redis://, rediss://, unix:// or sentinel://.  [default: its meta.storage.redis]",
)
@click.option("--bookmarks", is_flag=True, help="Set the bookmarks that are in its Redis.")
@click.option(
    "--tasks",
    metavar="N",
    type=click.IntRange(1, _MOST_TASKS),
    help="Write the last N tasks of each collection, with their logs, to a file beside the catalogue.",
)
@click.option(
    "--project",
    metavar="ID",
    help="The project whose export --from is: ids begin with it, as on Jitsu Classic's server.",
)
@click.option("--force", is_flag=True, help="Replace files, of which copies stay, and bookmarks that are newer here.")
@note_option
@reports_errors
def classic(  # noqa: PLR0917 -- one for each option
    origin: str,
    config: Path | None,
    redis: str | None,
    bookmarks: bool,  # noqa: FBT001 -- click gives it by name
    tasks: int | None,
    project: str | None,
    force: bool,  # noqa: FBT001
    note: str | None,
) -> None:
    """Write the catalogue that means what Jitsu Classic's configuration means, with comments about what differs.

    Passwords stay as they are written, and placeholders too: --from and --redis may have some, such as
    '${env.REDIS_PASSWORD}'. Doing it again changes nothing. With --bookmarks or --tasks, a catalogue that has been
    changed since is used as it is. Jitsu Classic's Redis is only read.
    """
    from app.bootstrap.environment import USUAL_CONFIG, substitution_environment
    from app.moving.address import address_in, address_of_url
    from app.moving.configuration import read_classic, resolved

    if project is not None and (problem := name_problem(project)):
        raise ConfigurationError(f"--project: {problem}")
    settings = start()
    environment = substitution_environment(settings)
    file = config or settings.config or USUAL_CONFIG
    given = read_classic(origin, environment)
    if given.file is not None and file.resolve() == given.file.resolve():
        raise ConfigurationError(f"'{make_visible(str(file))}' is Jitsu Classic's: name another file with --config")
    _write_catalogue(given, file, project, force=force, may_differ=bookmarks or tasks is not None)
    if not bookmarks and tasks is None:
        return
    catalogue = _catalogue(settings, file)
    address = address_of_url(resolved("--redis", redis, environment)) if redis else address_in(given, environment)
    found, text = _read_redis(address, given, catalogue, project=project, bookmarks=bookmarks, tasks=tasks)
    if text is not None:
        history = file.with_name(f"{file.stem}.classic-tasks.jsonl")
        _write(history, text, count(text.count("\n"), "task"), force=force, mode=_PRIVATE)
    if bookmarks and not _set_bookmarks(catalogue, found, note=note, force=force):
        sys.exit(1)


def _catalogue(settings: Settings, file: Path) -> Catalogue:
    from app.bootstrap.sources import catalogue_of

    return catalogue_of(settings, file)


def _write_catalogue(given: Classic, file: Path, project: str | None, *, force: bool, may_differ: bool) -> None:
    from app.moving.text import text_of
    from app.moving.translation import translate

    translated = translate(given, project=project)
    text = text_of(translated, given.name)
    shown = make_visible(str(file))
    if may_differ and not force and file.is_file() and _text_in(file) != text:
        tell(f"'{shown}' differs from what would be written, and is used as it is; --force replaces it")
        return
    notes = sum(map(len, translated.notes.values()))
    what = f"{count(notes, 'comment')} on what differs" if notes else "nothing differs"
    # What it has is as secret as it was.
    _write(file, text, what, force=force, mode=given.mode)
    if not given.catalogue.sources and not given.catalogue.rejected:
        tell(
            f"there are no sources in '{make_visible(given.name)}': if Jitsu Classic gets them from a configurator, "
            "give the URL of its export with --from"
        )
    for problem in given.missing:
        tell(f"{problem}; the catalogue has the placeholder, which needs a value where Syncline runs")
    if translated.unusable:
        tell(
            f"{count(translated.unusable, 'part')} cannot be used yet: see the comments, correct them, and run "
            f"'syncline check {shown}'"
        )


def _write(file: Path, text: str, what: str, *, force: bool, mode: int) -> None:
    """Write the file, unless it is there as it would be.

    Raises:
        ConfigurationError: there is another one, or it cannot be written.
    """
    from app.starter.file import check_place, write_file

    shown = make_visible(str(file))
    if file.is_file() and _text_in(file) == text:
        click.echo(f"'{shown}' is unchanged: {what}.")
        return
    check_place(file, force=force)
    # As if by force: whatever comes there meanwhile is kept, and nobody sees half of it.
    if copy := write_file(file, text, force=True, mode=mode):
        click.echo(f"The file that was there is now '{make_visible(str(copy))}'.")
    click.echo(f"'{shown}' is written: {what}.")


def _text_in(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _read_redis(
    address: RedisAddress,
    given: Classic,
    catalogue: Catalogue,
    *,
    project: str | None,
    bookmarks: bool,
    tasks: int | None,
) -> tuple[list[State | Remark], str | None]:
    """What becomes of the bookmarks in Redis, and the text of the last tasks."""
    from app.domain.redaction import redactor_of
    from app.moving.history import history_text
    from app.moving.redis_keys import opened_redis
    from app.moving.states import secrets_of, states_in

    with opened_redis(address) as redis:
        redis.require_classic()
        chunks = redis.chunks()
        found = states_in(chunks, catalogue, project=project) if bookmarks else []
        if tasks is None:
            return found, None
        redact = redactor_of(catalogue.secrets() | given.secrets | secrets_of(chunks)).redact
        return found, history_text(redis.tasks(tasks), redact)


def _set_bookmarks(catalogue: Catalogue, found: Iterable[State | Remark], *, note: str | None, force: bool) -> bool:
    """Whether none was refused; says what became of each."""
    from app.bootstrap.moving import carry_over
    from app.moving.states import State
    from app.store.bookmarks import Bookmarks

    states = [each for each in found if isinstance(each, State)]
    remarks = [each for each in found if not isinstance(each, State)]

    async def work(pool: Any) -> list[Outcome]:
        return await carry_over(Bookmarks(pool), catalogue, states, who=who_runs_this(), note=note, force=force)

    outcomes: list[Outcome] = with_pool(work, name="syncline import") if states else []
    show = shower(catalogue)
    for outcome in outcomes:
        _report(outcome, show)
    for remark in remarks:
        line = f"{remark.subject}: {remark.text}"
        if remark.is_loss:
            tell(line)
        else:
            click.echo(make_visible(line))
    if not states:
        click.echo("There are no bookmarks to carry over.")
    return all(outcome.what != "refused" for outcome in outcomes)


def _report(outcome: Outcome, show: Callable[[str | None], str]) -> None:
    name = f"{outcome.state.source}.{outcome.state.collection}"
    subject = f"{name} at {outcome.destination}" if outcome.destination else name
    match outcome.what:
        case "set":
            click.echo(make_visible(f"{subject}: the next task reads from {show(outcome.state.bookmark)}"))
        case "unchanged":
            click.echo(make_visible(f"{subject}: unchanged"))
        case "kept":
            tell(f"{subject}: not carried over, because {outcome.why}; --force replaces it")
        case "refused":
            tell(f"{name}: not carried over: {outcome.why}")
