"""Table names for the streams of a collection that takes all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.domain.collection import ALL
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.domain.collection import CollectionJob


def table_name(stream: str, collection: CollectionJob, *, prefix: str | None) -> str:
    """The table of `stream` in the collection `all`; the default `prefix` is that of the collection's own table."""
    if prefix is None:
        prefix = collection.table_name.removesuffix(f"_{ALL}") + "_"
    return prefix + re.sub(r"\W", "_", stream)


def shared_table_error(name: str) -> ConfigurationError:
    """For several streams with the same table."""
    return ConfigurationError(
        f"several streams would go to the table {name!r}: give them tables of their own with 'stream_table_names'"
    )
