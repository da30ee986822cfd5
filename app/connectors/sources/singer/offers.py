"""What a tap's catalog offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.json_schema import columns_of, digits_of, non_null_columns
from app.connectors.contract.offers import column_types, cursor_candidates
from app.connectors.sources.singer.catalog import (
    REMEMBERING,
    cursors_of,
    id_of,
    key_of,
    metadata_of,
    method_of,
    schema_of,
    streams_of,
)
from app.domain.attempt_protocol import Offered

if TYPE_CHECKING:
    from collections.abc import Iterator


def offers(catalog: dict[str, Any]) -> Iterator[Offered]:
    """Each stream except those that the tap calls unsupported.

    Raises:
        ConfigurationError: the catalog is not valid.
    """
    for stream in streams_of(catalog):
        if metadata_of(stream).get("inclusion") != "unsupported":
            yield _offer(stream)


def _offer(stream: dict[str, Any]) -> Offered:
    schema = schema_of(stream)
    columns = columns_of(schema)
    method = method_of(stream)
    cursor_fields = cursors_of(stream)
    if not cursor_fields and method is None:
        # Taps for databases leave the choice to the user.
        cursor_fields = cursor_candidates(columns, among=non_null_columns(schema))
    remembers = method in REMEMBERING or (method != "FULL_TABLE" and bool(cursor_fields))
    return Offered(
        name=id_of(stream),
        columns=column_types(columns, digits_of(schema)),
        key=key_of(stream),
        cursor_fields=cursor_fields,
        sync_modes=["full_refresh", "incremental"] if remembers else ["full_refresh"],
    )
