"""The projections that follow the events from behind.

The runner, the rebuild and the verification go by this list alone. To add a projection, make its tables and its first
live checkpoint in a migration, and put its object into the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.projections.daily import DailyProjection

if TYPE_CHECKING:
    from app.projections.projection import AsyncProjection

ASYNCHRONOUS: Final[tuple[AsyncProjection, ...]] = (DailyProjection(),)
