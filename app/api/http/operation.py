"""How endpoints describe their methods; the OpenAPI document is generated from these descriptions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from starlette.endpoints import HTTPEndpoint
from starlette.responses import Response

from app.api.http.authentication import GRANTED, check_scope
from app.api.http.secrecy import secrecy_of
from app.domain.cause import Cause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from starlette.requests import Request

    from app.api.http.known_tokens import Granted
    from app.api.http.parameters import Parameter
    from app.api.http.services import Services
    from app.domain.api_token import TokenScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One method of one path: its parameters, its body, and the document of each status except the common ones.

    `scope` is what a token must allow; None if no token is needed. `streams` is whether it can also go on with
    server-sent events.
    """

    id: str
    summary: str
    scope: TokenScope | None
    answers: Mapping[int, Any]
    required: tuple[Parameter[Any], ...] = ()
    optional: tuple[Parameter[Any], ...] = ()
    body: Any = None
    streams: bool = False


class Endpoint(HTTPEndpoint):
    """A path. `operations` describes its methods; HEAD and OPTIONS are added to them."""

    operations: ClassVar[Mapping[str, Operation]] = {}

    async def dispatch(self) -> None:
        method = self.scope["method"].lower()
        operation = self.operations.get("get" if method == "head" else method)
        if operation and operation.scope:
            check_scope(self.scope, operation.scope)
        await super().dispatch()

    @property
    def services(self) -> Services:
        services: Services = self.scope["app"].state.services
        return services

    def cause(self, note: str | None) -> Cause:
        """Who sends the request, and why; clients may put a token even into a note."""
        granted: Granted = self.scope[GRANTED]
        secrecy = secrecy_of(self.services.catalogue().server.admin_token)
        return Cause(granted.who, secrecy.text(note) if note else None)

    async def options(self, _request: Request) -> Response:
        return Response(status_code=204, headers={"Allow": ", ".join(self._allowed_methods)})
