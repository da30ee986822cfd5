"""What the sessions of the store are set to, whatever their role, their database or the server says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import structlog

from app.domain.errors import ConfigurationError
from app.store.queries import load_statements

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import asyncpg

_SQL: Final = load_statements("sessions.sql")

# What each statement was written for. READ COMMITTED: a statement that waited for a row looks at it anew, where others
# fail. No timeouts of the server's: the client bounds every statement, and maintenance takes as long as it takes.
PINNED: Final = {
    "default_transaction_isolation": "read committed",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_session_timeout": "0",
}

# The queue's hot statements are right only as index scans in order: after churn the planner's own choice (a bitmap scan
# and a sort over the index's dead entries) is several times slower. See docs/decisions/0003-pinned-plans.md.
PINNED_PLANS: Final = {
    "enable_bitmapscan": "off",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
}

# Where start-up parameters do not pass: with other values of the first, statements fail or commits are forgotten; with
# other values of the second, long statements are cut off.
_NEEDED: Final = {
    "default_transaction_isolation": ("read committed",),
    "synchronous_commit": ("on", "remote_apply"),
}
_WANTED: Final = {"statement_timeout": ("0",), "lock_timeout": ("0",), "transaction_timeout": ("0", None)}

PIN_SESSION: Final = _SQL["pin_session"]
"""Sets what no start-up parameter can, on a connection used by this session only."""
PIN_ALL: Final = "; ".join([*map("SET {0[0]} = '{0[1]}'".format, PINNED.items()), PIN_SESSION])
"""The same and what is pinned, for connections that a pooler in session mode may lead to: it refuses parameters."""

# For people: nothing of it is sent.
_ALTER: Final = "ALTER ROLE {login} IN DATABASE {database} SET {name} = '{value}'"

_logger = structlog.get_logger("syncline.database")


async def check_session(pool: asyncpg.Pool[asyncpg.Record]) -> None:
    """See that a session is set as the statements need it, and warn of what cuts long ones off.

    Raises:
        ConfigurationError: it is not, as happens behind a pooler.
    """
    [row] = await pool.fetch(_SQL["session"])
    session = dict(row)
    if warned := _differing(session, _WANTED):
        _logger.warning("database.settings", error=f"long statements are cut off by {_mend(session, warned)}")
    if refused := _differing(session, _NEEDED):
        raise ConfigurationError(f"DATABASE_URL: tasks are not safe with {_mend(session, refused)}")


def _differing(session: Mapping[str, Any], right: Mapping[str, Sequence[str | None]]) -> dict[str, str | None]:
    """The settings that have none of the right values, and the value to give them."""
    return {name: values[0] for name, values in right.items() if session[name] not in values}


def _mend(session: Mapping[str, Any], settings: Mapping[str, str | None]) -> str:
    has = " and ".join(f"{name} = '{session[name]}'" for name in settings)
    statements = "; ".join(_ALTER.format(**session, name=name, value=value) for name, value in settings.items())
    return f"{has}: run {statements}; then let the pooler open new connections (pgbouncer: RECONNECT)"
