"""Moments of the past: by a time, or by a position of the feed, which is exact."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from app.domain.errors import ConfigurationError, EventsGoneError
from app.domain.feed import Place
from app.domain.timestamp import utc_second
from app.store.queries import load_statements

if TYPE_CHECKING:
    from app.store.database import Pool

_SQL: Final = load_statements("moments.sql")
END_OF_TIME: Final = datetime.max.replace(tzinfo=UTC)
"""Later than anything. This machine's clock may be behind the database's, and would then hide what came last."""


class Moment(NamedTuple):
    """Everything up to the time `upto_at` and the position `upto_xid`, one of which is unlimited.

    `moment` is when that was: exactly, if it is a time, and that of the last event of a position. `below` is an id
    above all of that time, `week` the first of the week before it. The database's functions take all five, in this
    order.
    """

    upto_at: datetime
    upto_xid: int
    moment: datetime
    below: UUID
    week: UUID


LATEST: Final = Moment(END_OF_TIME, 2**64 - 1, END_OF_TIME, UUID(int=2**128 - 1), UUID(int=0))
"""Everything that has happened so far."""


async def find_moment(pool: Pool, as_of: datetime | Place) -> Moment:
    """The moment that a client names.

    Raises:
        EventsGoneError: retention has removed what one would need to look so far back.
        ConfigurationError: it is still to come.
    """
    time, position = (None, as_of.position) if isinstance(as_of, Place) else (as_of, None)
    [row] = await pool.fetch(_SQL["moment"], time, position)
    if row["is_gone"]:
        first = str(row["gone_upto"]) if time is None else utc_second(row["first_at"])
        raise EventsGoneError(f"retention has removed what was before {first}; ask for then or later", first=first)
    if row["is_ahead"]:
        raise ConfigurationError("'as_of' must not be in the future, nor beyond the last event of the feed")
    return Moment(*(row[name] for name in Moment._fields))
