"""Testing a destination."""

from __future__ import annotations

from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar

from app.api.documents.fields import Error
from app.api.documents.unsaved import DestinationTrial, Tried
from app.api.http.answers import JsonAnswer
from app.api.http.errors import RefusedError
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import NAME_FORM, NAME_SCHEMA, Parameter, read_name
from app.api.operations.calling import call_connector
from app.api.operations.unsaved import is_unsaved, read_unsaved, require_ad_hoc_trials, with_warnings
from app.config.unsaved import read_unsaved_destination
from app.domain.api_token import TokenScope
from app.domain.choices import unknown_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.api.http.services import Services
    from app.config.catalogue import Catalogue

DESTINATION = Parameter(
    "destination",
    "The id of a destination in the catalogue.",
    NAME_FORM,
    NAME_SCHEMA,
    read_name,
)


class DestinationTest(Endpoint):
    """`/destinations/test`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="testDestination",
            scope=TokenScope.ADMIN,
            summary="Test a destination, and leave nothing there; a 400 has the connector's own error",
            body=DestinationTrial,
            answers={200: Tried, 400: Error, 404: Error, 413: Error, 429: Error},
        )
    }

    async def post(self, request: Request) -> Response:
        services, body = self.services, await read_object(request)
        if is_unsaved(body, "destination"):
            return await _test_unsaved(services, request, body)
        destination = DESTINATION.required_in(body)
        _check_known(services.catalogue(), destination)
        await call_connector(services, request, lambda: services.test_destination(destination))
        return JsonAnswer({"status": "ok"})


async def _test_unsaved(services: Services, request: Request, body: Mapping[str, Any]) -> Response:
    require_ad_hoc_trials(services)
    told: list[str] = []

    async def test() -> None:
        unsaved = await read_unsaved(partial(read_unsaved_destination, body), told.append)
        await services.unsaved.test_destination(unsaved)

    await call_connector(services, request, test)
    return JsonAnswer(with_warnings({"status": "ok"}, told))


def _check_known(catalogue: Catalogue, destination: str) -> None:
    if destination in catalogue.destinations:
        return
    if problems := catalogue.rejected_destinations.get(destination):
        raise RefusedError(HTTPStatus.BAD_REQUEST, "Error getting destination", str(problems[0]))
    why = unknown_name("destination", destination, sorted(catalogue.destinations))
    raise RefusedError(HTTPStatus.NOT_FOUND, "Error getting destination", why)
