"""The settings of the store's sessions, which override those of the role, the database and the server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from app.domain.errors import ConfigurationError
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

_SQL: Final = load_statements("sessions.sql")

# Statements rely on READ COMMITTED: one that has waited for a row reads its new version, where higher levels fail.
# No server-side timeouts: the client limits each statement, and maintenance may take long.
PINNED: Final = {
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
}

# The queue's statements need ordered index scans. After churn the planner prefers a bitmap scan and a sort over dead
# index entries, which is several times slower. See docs/decisions/0003-pinned-plans.md.
PINNED_PLANS: Final = {
    "enable_bitmapscan": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

# Checked behind a pooler, which does not pass start-up parameters on. With other values of _NEEDED, statements fail or
# commits may be lost; with other values of _WANTED, long statements are aborted.
_NEEDED: Final = {
    "default_transaction_isolation": ("read committed",),
    "synchronous_commit": ("on", "remote_apply"),
}
_WANTED: Final = {"statement_timeout": ("0",), "lock_timeout": ("0",), "transaction_timeout": ("0", None)}

PIN_SESSION: Final = _SQL["pin_session"]
"""Sets what a start-up parameter cannot, on a connection that only this session uses."""
PIN_ALL: Final = "; ".join([*map("SET {0[0]} = '{0[1]}'".format, PINNED.items()), PIN_SESSION])
"""Sets `PINNED` too, for connections that may go through a pooler in session mode, which refuses the parameters."""

UTF8: Final = "UTF8"

# Shown in messages, never executed.
_ALTER: Final = "ALTER ROLE {login} IN DATABASE {database} SET {name} = '{value}'"

_NEW_DATABASE: Final = "create another one with CREATE DATABASE … ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0"

_logger = structlog.get_logger("syncline.database")


def check_encoding(encoding: str | None) -> None:
    """Raise ConfigurationError if a database with this encoding cannot hold every text."""
    if encoding != UTF8:
        raise ConfigurationError(
            f"DATABASE_URL: the database has the encoding {encoding} and must have UTF8: {_NEW_DATABASE}"
        )


async def check_session(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """Check that a session has the settings that statements need, and warn if long statements may be aborted.

    Raises:
        ConfigurationError: it does not, which happens behind a pooler.
    """
    unsafe, unwanted = await find_session_problems(pool)
    if unwanted:
        _logger.warning("database.misconfigured", error=unwanted)
    if unsafe:
        raise ConfigurationError(f"DATABASE_URL: {unsafe}")


async def find_session_problems(
    database: asyncpg.Pool[asyncpg.Record] | asyncpg.Connection[asyncpg.Record],
) -> tuple[str | None, str | None]:
    """Why tasks are not safe with the settings of a session, and why long statements are aborted; None if neither."""
    [row] = await database.fetch(_SQL["session"])
    session = dict(row)
    unsafe, unwanted = _find_wrong(session, _NEEDED), _find_wrong(session, _WANTED)
    return (
        f"tasks are not safe with {_fix(session, unsafe)}" if unsafe else None,
        f"long statements are aborted: {_fix(session, unwanted)}" if unwanted else None,
    )


def _find_wrong(session: Mapping[str, Any], right: Mapping[str, Sequence[str | None]]) -> dict[str, str | None]:
    """The settings with a wrong value, and the value that they should have."""
    return {name: values[0] for name, values in right.items() if session[name] not in values}


def _fix(session: Mapping[str, Any], settings: Mapping[str, str | None]) -> str:
    """Name the settings as they are, and the statements that correct them."""
    has = " and ".join(f"{name} = '{session[name]}'" for name in settings)
    statements = "; ".join(_ALTER.format(**session, name=name, value=value) for name, value in settings.items())
    return f"{has}: run {statements}; then let the pooler open new connections (pgbouncer: RECONNECT)"
