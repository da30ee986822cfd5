"""Runs a check so that it ends in time, and whatever happens in it is a finding."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import asyncpg

from app.causes import describe_error
from app.config.problems import unexpected
from app.doctor.finding import Finding, fail, warn
from app.doctor.installation import SECONDS
from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

Result = TypeVar("Result")

_OTHER_SCHEMA: Final = (
    asyncpg.UndefinedTableError,
    asyncpg.UndefinedColumnError,
    asyncpg.UndefinedFunctionError,
    asyncpg.InvalidSchemaNameError,
)


async def bounded(name: str, check: Awaitable[Iterable[Finding]], *, seconds: float | None = SECONDS) -> list[Finding]:
    """What the check finds, or one finding called `name` that says why it could not."""
    try:
        async with asyncio.timeout(seconds):
            return list(await check)
    except Exception as error:  # noqa: BLE001 - one check must not end the others
        # One of the system's own, such as of a network file system, has a number.
        if isinstance(error, TimeoutError) and error.errno is None and seconds is not None:
            remedy = "Try again; if that does not help, look for what it waits for."
            return [fail(name, f"no answer within {seconds:g} s", remedy)]
        return [_explain(name, error)]


def _explain(name: str, error: Exception) -> Finding:
    if isinstance(error, SynclineError):
        return fail(name, str(error))
    if isinstance(error, asyncpg.InsufficientPrivilegeError):
        return warn(name, f"the login may not look at this: {error}", "Use the login that runs 'syncline migrate'.")
    if isinstance(error, _OTHER_SCHEMA):
        return warn(name, f"cannot be seen in a schema of this version: {error}", "Run 'syncline migrate'.")
    if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
        return fail(name, f"cannot be examined: {describe_error(error)}")
    return fail(name, unexpected(error, ()).message)


async def in_thread(work: Callable[[], Result]) -> Result:
    """The result of what may block for ever, such as reading a pipe; a process can end while it does."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[Result] = loop.create_future()

    def settle(take: Callable[[Any], None], value: Any) -> None:
        if not answer.done():
            take(value)

    def run() -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - raised where it is awaited
            outcome: tuple[Callable[[Any], None], Any] = (answer.set_exception, error)
        else:
            outcome = (answer.set_result, result)
        with suppress(RuntimeError):  # the loop was closed meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=run, daemon=True).start()
    return await answer
