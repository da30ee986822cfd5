"""The tables of a program's streams, where a collection is all of them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from app.domain.collection import ALL
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.domain.collection import CollectionJob


def table_name(stream: str, collection: CollectionJob, *, prefix: str | None) -> str:
    """The table of `stream` in the collection `all`; without a `prefix` it begins as the collection's own would."""
    if prefix is None:
        prefix = collection.table_name.removesuffix(f"_{ALL}") + "_"
    return prefix + re.sub(r"\W", "_", stream)


def shared(name: str) -> ConfigurationError:
    """What is wrong where several streams would have one table."""
    return ConfigurationError(f"several streams would be the table {name!r}: set 'stream_table_names'")
