"""What an endpoint tells about each of its methods; OpenAPI is made from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from app.api.parameters import Parameter
    from app.api.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path: its parameters, its body, and the document of each status but those that all share."""

    id: str
    summary: str
    answers: Mapping[int, Any]
    required: tuple[Parameter[Any], ...] = ()
    optional: tuple[Parameter[Any], ...] = ()
    body: Any = None


class Endpoint(HTTPEndpoint):
    """A path. `operations` describes its methods; HEAD and OPTIONS come with them."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    @property
    def services(self) -> Services:
        services: Services = self.scope["app"].state.services
        return services

    async def options(self, _request: Request) -> Response:
        return Response(status_code=204, headers={"Allow": ", ".join(self._allowed_methods)})
