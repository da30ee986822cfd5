"""What all commands have in common: how they start, run, and end with one line instead of a traceback."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
import sys
from contextlib import contextmanager, suppress
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import click

from app.cli.values import PATH
from app.domain.choices import choose_one
from app.domain.errors import (
    ApiRefusalError,
    ApiUnreachableError,
    ConfigurationError,
    DatabaseUnreachableError,
    SchemaVersionError,
    StoreMovedError,
    SynclineError,
    UnknownCollectionError,
    UnknownSourceError,
)
from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from app.config.settings import Settings

Arguments = ParamSpec("Arguments")
Error = TypeVar("Error", bound=Exception)

EXIT_CODES: Final = (
    (ConfigurationError, 2),
    (SchemaVersionError, 2),
    (StoreMovedError, 2),
    (ApiUnreachableError, 3),
    (DatabaseUnreachableError, 3),
    (ApiRefusalError, 4),
    (SynclineError, 1),
)
_OUTPUT_ERRORS: Final = frozenset({errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})


def config_option(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """The option `--config FILE` of every command that reads the catalogue."""
    option = click.option(
        "--config",
        "config",
        metavar="FILE",
        type=PATH,
        help="The catalogue's YAML file.  [default: environment variable SYNCLINE_CONFIG, else ./syncline.yaml]",
    )
    return option(command)


fail_points_option = click.option("--with-fail-points", is_flag=True, hidden=True)
"""The option of processes that the tests make die at fail points."""


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Rows as lines with aligned columns; what is invisible in a cell is escaped."""
    cells = [[make_visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cells]


def json_text(document: Any) -> str:
    """`document` as people read it, without characters that a terminal would obey."""
    text = json.dumps(document, ensure_ascii=False, indent=2)
    return text if all(map(str.isprintable, text.split("\n"))) else json.dumps(document, indent=2)


def compact_json(document: Any) -> str:
    """`document` in one line, without characters that a terminal would obey."""
    text = json.dumps(document, ensure_ascii=False)
    return text if text.isprintable() else json.dumps(document)


def reports_errors(command: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """One line instead of a traceback for every error that Syncline knows."""

    @wraps(command)
    def wrapper(*arguments: Arguments.args, **options: Arguments.kwargs) -> None:
        error = None
        try:
            command(*arguments, **options)
        except* SynclineError as group:
            error = _first(group, SynclineError)
        if error is not None:
            # Not above: some versions of Python 3.11 make a group of what is raised there, which ends in a traceback.
            for line in _lines(error):
                click.echo(f"syncline: {make_visible(line)}", err=True)
            sys.exit(next(code for kind, code in EXIT_CODES if isinstance(error, kind)))

    return wrapper


def _first(group: BaseExceptionGroup[Error], kind: type[Error]) -> Error:
    error: BaseException = group
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if not isinstance(error, kind):
        raise error
    return error


def _lines(error: SynclineError) -> list[str]:
    problems = getattr(error, "problems", None)
    if problems:
        return [str(problem) for problem in problems]
    if isinstance(error, UnknownSourceError | UnknownCollectionError) and error.known:
        # The API's answers have only Classic's words, and need not look for the nearest of many names.
        return [f"{error}; {choose_one(error.name, sorted(error.known))}"]
    return [str(error)]


@contextmanager
def reporting_output_errors() -> Iterator[None]:
    """One line instead of a traceback when the output cannot be written, and an exit code of 1 in any case.

    A closed pipe needs no line: its reader, such as `head`, has seen enough.
    """
    error = None
    try:
        yield
    except* OSError as group:
        error = _first(group, OSError)
        if error.errno not in _OUTPUT_ERRORS or error.filename is not None:
            raise
    if error is not None:
        if error.errno != errno.EPIPE:
            with suppress(OSError):
                click.echo(f"syncline: cannot write the output: {error.strerror}", err=True)
        _discard_output()
        sys.exit(1)


def _discard_output() -> None:
    """Drops what is still buffered: the interpreter would try to write it again, and complain."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(devnull, stream.fileno())


def start(*, with_fail_points: bool = False) -> Settings:
    from app.bootstrap.logs import configure_logs
    from app.config.settings import read_settings
    from app.failpoints import arm

    arm(os.environ, allowed=with_fail_points)
    protect_files()
    settings = read_settings()
    configure_logs(settings)
    return settings


def protect_files() -> None:
    """Let no file of this process and its children be writable by every user; others may be meant to read some."""
    os.umask(os.umask(0o077) | stat.S_IWOTH)


def with_pool(
    work: Callable[[Any], Any], *, name: str = "syncline projections", statement_seconds: float | None = None
) -> Any:
    """The result of `work` with a pool of connections to the database; the server shows them under `name`."""
    from app.bootstrap.environment import database_in_reach
    from app.bootstrap.schema_version import require_schema
    from app.store.database import open_pool
    from app.store.reads import Reader

    async def run() -> Any:
        address = database_in_reach(start())
        async with open_pool(address, name=name, statement_seconds=statement_seconds) as pool:
            await require_schema(Reader(pool))
            return await work(pool)

    return run_loop(run())


def run_asking(coroutine: Any) -> Any:
    """Run what asks connectors in child processes; whatever these leave behind ends with them."""
    from app.execution.forking import FORK_SERVERS
    from app.execution.orphans import ORPHANS

    async def run() -> Any:
        async with FORK_SERVERS.open():
            return await coroutine

    ORPHANS.adopt()
    return run_loop(run())


def run_loop(coroutine: Any) -> Any:
    """Run on uvloop, if the platform has it."""
    if os.name == "nt":
        return asyncio.run(coroutine)
    import uvloop

    return uvloop.run(coroutine)


def tell(line: str) -> None:
    """Print a line beside the output, such as about what takes long."""
    click.echo(f"syncline: {make_visible(line)}", err=True)
