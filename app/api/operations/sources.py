"""Sources: their state, testing one, and what it offers."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from app.api.documents.fields import Error, drop_none
from app.api.documents.offers import Offers, offers_document
from app.api.documents.sources import (
    Collection,
    LoadedTable,
    Source,
    SourceList,
    destination_documents,
    rejected_documents,
    with_outline,
)
from app.api.documents.unsaved import SourceDiscovery, SourceTrial, Tried
from app.api.http.answers import JsonAnswer
from app.api.http.authentication import check_scope
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, SOURCE, boolean_parameter
from app.api.operations.calling import SOURCE_FAILED, call_connector
from app.api.operations.pauses import pause_fields
from app.api.operations.unsaved import is_unsaved, read_unsaved, require_ad_hoc_trials, with_warnings
from app.config.outline import outline_of
from app.config.unsaved import UNSAVED, read_unsaved_source
from app.domain.about import ABOUT
from app.domain.api_token import TokenScope
from app.domain.task import task_id
from app.store.pauses import WHOLE_SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from starlette.requests import Request
    from starlette.responses import Response

    from app.api.http.services import Services
    from app.config import sources as config
    from app.domain import collection as domain
    from app.domain.about import About
    from app.domain.attempt_protocol import Offered

Rows = dict[tuple[str, str], Any]
Tables = dict[tuple[str, str], list[Any]]
_COLUMN_FIELDS: Final = ("field", "field_type", "column", "column_type")

SETTINGS: Final = boolean_parameter(
    "settings",
    "Whether the answer also has what the catalogue says of each source, collection and destination, without secrets; "
    "needs the scope `admin`.",
)


class Sources(Endpoint):
    """`/sources`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="listSources",
            scope=TokenScope.READ,
            summary="List all sources with their collections, and rejected sources with their problems",
            optional=(SETTINGS,),
            answers={200: SourceList, 400: Error},
        )
    }

    async def get(self, request: Request) -> Response:
        with_settings, services = SETTINGS.optional(request), self.services
        if with_settings:
            # Who knows a digest can try values, and a catalogue may have secrets that do not look like any.
            check_scope(request.scope, TokenScope.ADMIN)
        rows = {(row["source"], row["collection"]): row for row in await services.reader.list_collections()}
        tables: Tables = defaultdict(list)
        for row in await services.reader.list_tables():
            tables[row["source"], row["collection"]].append(row)
        pauses = {(row["source"], row["collection"]): row for row in await services.pauses.list_active()}
        catalogue = services.catalogue()
        documents = [_source_document(source, rows, tables, pauses) for source in catalogue.sources.values()]
        destinations = None
        if with_settings:
            # In a thread, because a catalogue may have tens of thousands of collections.
            outline = await asyncio.to_thread(outline_of, catalogue)
            documents = [with_outline(document, outline) for document in documents]
            destinations = destination_documents(outline)
        return JsonAnswer(
            drop_none(
                sources=documents,
                destinations=destinations,
                rejected=rejected_documents(catalogue),
                config_problem=services.config_problem(),
            )
        )


class SourceTest(Endpoint):
    """`/sources/test`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="testSource",
            scope=TokenScope.ADMIN,
            summary="Test a source or one of its collections with its connector; a 400 has the connector's own error",
            body=SourceTrial,
            answers={200: Tried, 400: Error, 404: Error, 413: Error, 429: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        if is_unsaved(body, "source"):
            return await _test_unsaved(services, request, body)
        source, collection = SOURCE.required_in(body), COLLECTION.optional_in(body)
        if collection is None:
            services.catalogue().find_source(source)
        else:
            services.catalogue().find(source, collection)
        await call_connector(services, request, lambda: services.test_source(source, collection), failed=SOURCE_FAILED)
        return JsonAnswer({"status": "ok"})


class Discovery(Endpoint):
    """`/sources/discover`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="discoverSource",
            scope=TokenScope.ADMIN,
            summary="Discover a source's tables or streams, with their columns; a 400 has the connector's own error",
            body=SourceDiscovery,
            answers={200: Offers, 400: Error, 404: Error, 413: Error, 429: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        if is_unsaved(body, "source"):
            return await _discover_unsaved(services, request, body)
        source = services.catalogue().find_source(SOURCE.required_in(body)).id
        offered = await call_connector(
            services, request, lambda: services.discover_source(source), failed=SOURCE_FAILED
        )
        return JsonAnswer(offers_document(source, offered))


async def _test_unsaved(services: Services, request: Request, body: Mapping[str, Any]) -> Response:
    require_ad_hoc_trials(services)
    told: list[str] = []

    async def test() -> None:
        unsaved = await read_unsaved(partial(read_unsaved_source, body), told.append)
        await services.unsaved.test_source(unsaved, told.append)

    await call_connector(services, request, test)
    return JsonAnswer(with_warnings({"status": "ok"}, told))


async def _discover_unsaved(services: Services, request: Request, body: Mapping[str, Any]) -> Response:
    require_ad_hoc_trials(services)
    told: list[str] = []

    async def discover() -> list[Offered]:
        unsaved = await read_unsaved(partial(read_unsaved_source, body, without_collections=True), told.append)
        return await services.unsaved.discover(unsaved, told.append)

    document = offers_document(UNSAVED, await call_connector(services, request, discover))
    return JsonAnswer(with_warnings(document, told))


def _source_document(source: config.Source, rows: Rows, tables: Tables, pauses: Rows) -> Source:
    document: dict[str, Any] = {
        "id": source.id,
        "type": source.type,
        "destinations": list(source.destinations),
        **_about_fields(source.about),
        **drop_none(**pause_fields(pauses.get((source.id, WHOLE_SOURCE)))),
        "collections": [
            _collection_document(
                source.id,
                collection,
                rows.get((source.id, collection.name)),
                pauses.get((source.id, collection.name)),
                [
                    _table_document(row)
                    for row in tables.get((source.id, collection.name), ())
                    if row["destination"] in source.destinations
                ],
            )
            for collection in source.collections.values()
        ],
    }
    return cast("Source", document)


def _about_fields(about: About) -> dict[str, Any]:
    return about.model_dump(include={*ABOUT}, exclude_defaults=True)


def _table_document(row: Mapping[str, Any]) -> LoadedTable:
    columns = [drop_none(**{name: each.get(name) for name in _COLUMN_FIELDS}) for each in row["columns"]]
    return cast("LoadedTable", {"destination": row["destination"], "table": row["table_name"], "columns": columns})


def _next_start(row: Mapping[str, Any]) -> datetime | None:
    """When the task of the next fire time starts; None if that is at once."""
    fires: datetime | None = row.get("next_fire_at")
    return fires + row["delay"] if fires and row["delay"] else None


def _collection_document(
    source: str,
    collection: domain.Collection,
    row: Mapping[str, Any] | None,
    pause: Mapping[str, Any] | None,
    tables: list[LoadedTable],
) -> Collection:
    scheduled = collection.schedule is not None
    known = row or {}
    last_task = known.get("last_task")
    return cast(
        "Collection",
        drop_none(
            name=collection.name,
            schedule=collection.schedule,
            timezone=collection.timezone if scheduled else None,
            next_fire_at=known.get("next_fire_at") if scheduled else None,
            next_start_at=_next_start(known) if scheduled else None,
            last_task_id=last_task and task_id(source, collection.name, last_task),
            last_status=known.get("last_status"),
            last_success_at=known.get("last_success_at"),
            last_failure_at=known.get("last_failure_at"),
            last_error=known.get("last_error"),
            consecutive_failures=known.get("consecutive_failures", 0),
            **_about_fields(collection),
            **pause_fields(pause),
            tables=tables or None,
        ),
    )
