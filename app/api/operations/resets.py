"""Forgetting how far collections are, so that they are loaded again."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, ClassVar, Final

from app.api.documents.fields import CacheChoice, Done, Error
from app.api.http.answers import JsonAnswer
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, COLLECTION_IF_ANY, NOTE, SOURCE, boolean_parameter
from app.api.operations.calling import call_connector
from app.domain.api_token import TokenScope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response

DELETE_DATA: Final = boolean_parameter(
    "delete_warehouse_data",
    "Whether the tables that only these collections load into are dropped as well.",
)


class ClearCache(Endpoint):
    """`/sources/clear_cache`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="clearCache",
            scope=TokenScope.ADMIN,
            summary="Forget the bookmark of a collection, or those of all collections of a source, so that their next "
            "tasks load everything again",
            optional=(SOURCE, COLLECTION_IF_ANY, DELETE_DATA),
            body=CacheChoice,
            answers={200: Done, 400: Error, 404: Error, 413: Error, 429: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request, may_be_empty=True)
        source, collections = self._chosen(request, body)
        deletes, cause = DELETE_DATA.optional_in_either(request, body), self.cause(NOTE.optional_in(body))
        reset = partial(services.reset_collection, source, cause=cause)
        if deletes:
            drop = partial(services.drop_and_reset, source, collections, reset)
            await call_connector(services, request, drop, failed="Tables were not dropped")
        else:
            for collection in collections:
                await reset(collection)
        return JsonAnswer({"status": "ok"})

    def _chosen(self, request: Request, body: Mapping[str, object]) -> tuple[str, Sequence[str]]:
        """The source, and those of its collections that are meant."""
        catalogue = self.services.catalogue()
        name = SOURCE.optional_in_either(request, body)
        source = catalogue.find_source(SOURCE.required_in(body) if name is None else name)
        collection = COLLECTION.optional_in_either(request, body)
        if collection is None or source.names_no_collection:
            return source.id, list(source.collections)
        return source.id, [catalogue.find(source.id, collection)[1].name]
