"""Plans of two catalogues."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from app.config.outline import outline_of
from app.config.reader import load_catalogue
from app.plan.running import Running

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from app.config.outline import Outline

LAKE = {"lake": {"type": "duckdb", "path": "lake.duckdb"}}


def outline(
    sources: Mapping[str, Any],
    destinations: Mapping[str, Any] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Outline:
    """That of a catalogue without problems."""
    document = {"sources": dict(sources), "destinations": dict(destinations or LAKE)}
    catalogue = load_catalogue(yaml.safe_dump(document, allow_unicode=True, sort_keys=False), environment or {})
    assert catalogue.problems == []
    return outline_of(catalogue)


def running(outline: Outline, tables: Mapping[str, list[str]] | None = None) -> Running:
    """The catalogue that runs; `tables` are `destination: table` of each `source.collection`, by default its own."""
    loaded: dict[tuple[str, str], tuple[tuple[str, str], ...]] = {}
    for source_id, source in outline.sources.items():
        for name, collection in source.collections.items():
            usual = [f"{destination}: {collection.covers.writes}" for destination in source.destinations]
            named = (tables or {}).get(f"{source_id}.{name}", usual)
            loaded[source_id, name] = tuple((each.partition(": ")[0], each.partition(": ")[2]) for each in named)
    return Running(outline, loaded)


def sql(*collections: Any, **keys: Any) -> dict[str, Any]:
    """A source `sql` with these collections."""
    usual = {"type": "sql", "destinations": ["lake"], "config": {"url": "sqlite:///shop.db"}}
    return usual | {"collections": list(collections)} | keys
