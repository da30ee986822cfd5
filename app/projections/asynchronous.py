"""The asynchronous projections, which are updated after the events have committed.

The runner, rebuilds and verification use this list; retention waits for every checkpoint. To add a projection, create
its tables and its first live checkpoint in a migration, and add its object to the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from app.projections.daily import DailyProjection

if TYPE_CHECKING:
    from app.projections.projection import AsyncProjection

ASYNCHRONOUS: Final[tuple[AsyncProjection, ...]] = (DailyProjection(),)
