"""The resources that the configuration of an API offers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.connectors.contract.offers import column_types
from app.connectors.sources.rest.reading import digits_of, key_of, kinds_of
from app.domain.attempt_protocol import Offered

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.rest.api import Api


def offers(api: Api) -> Iterator[Offered]:
    """Each resource, with the configured columns: the others are only known from values."""
    for name in api.resources:
        columns = api.columns(name)
        key, cursor = key_of(columns), api.cursor_column(name)
        yield Offered(
            name=name,
            columns=column_types(kinds_of(columns), digits_of(columns)),
            key=list(key),
            cursor_fields=[cursor] if cursor else [],
            # With a key, repeated rows are recognised even if nothing shows which are new.
            sync_modes=["full_refresh", "incremental"] if key or api.is_incremental(name) else ["full_refresh"],
        )
