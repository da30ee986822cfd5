"""What a connector's catalog offers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.json_schema import columns_of, digits_of, non_null_columns
from app.connectors.contract.offers import column_types, cursor_candidates
from app.connectors.sources.airbyte.catalog import Offer, offers_of, path_of, paths_of
from app.domain.attempt_protocol import Offered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.collection import SyncMode


def offers(catalog: dict[str, Any]) -> Iterator[Offered]:
    """Each stream; raises `ConfigurationError` for a catalog without any."""
    for offer in offers_of(catalog):
        key = paths_of(offer.configured.get("primary_key") or offer.stream.get("source_defined_primary_key"))
        modes = _sync_modes(offer)
        yield Offered(
            name=str(offer.descriptor),
            columns=column_types(columns_of(_schema(offer)), digits_of(_schema(offer))),
            # Values inside objects are not columns.
            key=[path[0] for path in key] if all(len(path) == 1 for path in key) else [],
            cursor_fields=_cursor_fields(offer) if "incremental" in modes else [],
            sync_modes=modes,
        )


def _sync_modes(offer: Offer) -> list[SyncMode]:
    supported = offer.stream.get("supported_sync_modes") or ["full_refresh"]
    modes: tuple[SyncMode, ...] = ("full_refresh", "incremental")
    return [mode for mode in modes if mode in supported]


def _cursor_fields(offer: Offer) -> list[str]:
    """The connector's own cursor; candidates of ours if it neither has one nor names one."""
    cursor = path_of(offer.configured.get("cursor_field") or offer.stream.get("default_cursor_field"))
    if cursor:
        return [".".join(cursor)]
    if offer.stream.get("source_defined_cursor"):
        return []
    schema = _schema(offer)
    return cursor_candidates(columns_of(schema), among=non_null_columns(schema))


def _schema(offer: Offer) -> dict[str, Any]:
    schema = offer.stream.get("json_schema")
    return schema if isinstance(schema, dict) else {}
