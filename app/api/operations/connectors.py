"""What Singer taps and Airbyte connectors offer and need, as Jitsu Classic's clients ask before a source is saved."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import orjson

from app.api.documents.fields import NAME_PATTERN, Error
from app.api.documents.unsaved import ConnectorCatalog, ConnectorConfig, ConnectorSpecification, ImageVersions
from app.api.http.answers import JsonAnswer
from app.api.http.limits import read_object
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import NAME_FORM, Parameter, read_name
from app.api.operations.calling import call_connector
from app.api.operations.unsaved import read_unsaved, require_ad_hoc_trials, with_warnings
from app.config.unsaved import read_unsaved_source
from app.domain.api_token import TokenScope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from app.api.http.services import Services

IMAGE_VERSION: Final = Parameter(
    "image_version",
    "The version of the image; the newest one if there is none.",
    NAME_FORM,
    {"type": "string", "pattern": NAME_PATTERN},
    read_name,
)
# A name with a line break is in no path.
_ANSWERS: Final = {400: Error, 404: Error, 413: Error, 429: Error}


class SingerCatalog(Endpoint):
    """`/singer/{tap}/catalog`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="discoverTap",
            scope=TokenScope.ADMIN,
            summary="Discover the catalog of a Singer tap with this configuration",
            body=ConnectorConfig,
            answers={200: ConnectorCatalog, **_ANSWERS},
        )
    }

    async def post(self, request: Request) -> Response:
        require_ad_hoc_trials(self.services)
        config = {"tap": request.path_params["tap"], "config": await read_object(request)}
        return await _catalog(self.services, request, {"type": "singer", "config": config})


class AirbyteCatalog(Endpoint):
    """`/airbyte/{image}/catalog`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "post": Operation(
            id="discoverImage",
            scope=TokenScope.ADMIN,
            summary="Discover the catalog of an Airbyte connector with this configuration",
            optional=(IMAGE_VERSION,),
            body=ConnectorConfig,
            answers={200: ConnectorCatalog, **_ANSWERS},
        )
    }

    async def post(self, request: Request) -> Response:
        require_ad_hoc_trials(self.services)
        config = {**_image_of(request), "config": await read_object(request)}
        return await _catalog(self.services, request, {"type": "airbyte", "config": config})


class AirbyteSpecification(Endpoint):
    """`/airbyte/{image}/spec`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="describeImage",
            scope=TokenScope.ADMIN,
            summary="Ask an Airbyte connector which configuration it needs",
            optional=(IMAGE_VERSION,),
            answers={200: ConnectorSpecification, **_ANSWERS},
        )
    }

    async def get(self, request: Request) -> Response:
        services = self.services
        require_ad_hoc_trials(services)
        origin = _image_of(request)
        specification = await call_connector(
            services, request, lambda: services.unsaved.read_specification("airbyte", origin)
        )
        message = {"type": "SPEC", "spec": {"connectionSpecification": specification}}
        return JsonAnswer({"status": "ok", "spec": message})


class AirbyteVersions(Endpoint):
    """`/airbyte/{image}/versions`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="listImageVersions",
            scope=TokenScope.ADMIN,
            summary="Ask Docker Hub which versions of an Airbyte connector there are, the newest first",
            answers={200: ImageVersions, **_ANSWERS},
        )
    }

    async def get(self, request: Request) -> Response:
        services, image = self.services, request.path_params["image"]
        require_ad_hoc_trials(services)
        return JsonAnswer(
            {"versions": await call_connector(services, request, lambda: services.unsaved.list_versions(image))}
        )


def _image_of(request: Request) -> dict[str, Any]:
    version = IMAGE_VERSION.optional(request)
    return {"docker_image": request.path_params["image"], **({"image_version": version} if version else {})}


async def _catalog(services: Services, request: Request, source: dict[str, Any]) -> Response:
    told: list[str] = []

    async def read_catalog() -> str:
        unsaved = await read_unsaved(partial(read_unsaved_source, source, without_collections=True), told.append)
        return await services.unsaved.read_catalog(unsaved, told.append)

    catalog = await call_connector(services, request, read_catalog)
    return JsonAnswer(with_warnings({"status": "ok", "catalog": orjson.Fragment(catalog)}, told))
