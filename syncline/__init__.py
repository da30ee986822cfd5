"""Write a source for Syncline as a function: it gets a `Context` and yields records and bookmarks.

    from syncline import Bookmark, Context, Records, Schema

    @Schema(columns={"id": int, "name": str, "changed": "timestamp"}, key="id", mode="incremental")
    def customers(context: Context) -> Records:
        since = context.bookmark or context.start_date.isoformat()
        for page in pages(context.config["url"], since):
            yield from page.customers
            yield Bookmark(page.last_change)

`syncline.testing` runs such a function in a test. The exports of these two modules are stable; the package `app` is
internal.
"""

from __future__ import annotations

from syncline.reading import Bookmark, Context, Interval, Item, PermanentError, Records, RetryLater
from syncline.schema import ColumnType, Mode, Schema

__all__ = [
    "Bookmark",
    "ColumnType",
    "Context",
    "Interval",
    "Item",
    "Mode",
    "PermanentError",
    "Records",
    "RetryLater",
    "Schema",
]
