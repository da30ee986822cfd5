"""The OpenAPI 3.1 document, generated from the endpoints' descriptions of themselves."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import orjson
from pydantic import TypeAdapter

from app.api.documents.fields import Error
from app.api.documents.tasks import ScheduledTask
from app.api.routes import BASE, GUARDED, OPEN
from app.domain.api_token import TokenScope
from app.domain.feed import PLACE_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.api.http.operation import Operation
    from app.api.http.parameters import Parameter

Document = dict[str, Any]

_REFUSALS: Final = {400: Error, 401: Error, 414: Error, 431: Error, 500: Error, 503: Error}
_WHICH_TOKENS: Final = (
    "`server.admin_token` of the catalogue, which allows everything, or a token from `syncline token create` with "
    "the scope `read`, `run` or `admin`; each scope includes those before it."
)
_IN_PATHS: Final = {
    "task_id": "The task's full id; its UUID alone is not enough.",
    "tap": "The package of a Singer tap, such as `tap-github`, perhaps with a version: `tap-github==1.2.3`.",
    "image": "The image of an Airbyte connector without `airbyte/`, such as `source-github`.",
}

_LAST_EVENT_ID: Final = {
    "name": "Last-Event-ID",
    "in": "header",
    "required": False,
    "description": "What a client that connects again has seen last; it has precedence over `after`.",
    # An empty one counts as absent.
    "schema": {"type": "string", "pattern": f"^$|{PLACE_PATTERN}"},
}


def openapi_text() -> str:
    """The text of `openapi.json`; the same endpoints always give the same text."""
    return orjson.dumps(openapi_document(), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE).decode()


def openapi_document() -> Document:
    """The document with all paths of the API."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Syncline",
            "version": "1",
            "description": "Synchronisation tasks: schedule them, follow them, cancel them.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "security": _security(TokenScope.READ),
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                "header": {"type": "apiKey", "in": "header", "name": "X-Admin-Token", "description": _WHICH_TOKENS},
                "query": {"type": "apiKey", "in": "query", "name": "token", "description": _WHICH_TOKENS},
            },
            "schemas": _schemas(),
        },
    }


def _paths() -> Document:
    guarded = {BASE + path: _methods(path, endpoint.operations, _REFUSALS) for path, endpoint in GUARDED.items()}
    public = {
        path: _methods(path, endpoint.operations, {414: Error, 431: Error})
        for path, endpoint in OPEN.items()
        if endpoint.operations
    }
    return guarded | public


def _methods(path: str, operations: Any, refusals: dict[int, Any]) -> Document:
    methods = {method: _operation(operation, refusals) for method, operation in operations.items()}
    in_path = [
        {"name": name, "in": "path", "required": True, "description": description, "schema": {"type": "string"}}
        for name, description in _IN_PATHS.items()
        if f"{{{name}}}" in path
    ]
    return ({"parameters": in_path} if in_path else {}) | methods


def _operation(operation: Operation, refusals: dict[int, Any]) -> Document:
    parameters = [
        *(_parameter(parameter, required=True) for parameter in operation.required),
        *(_parameter(parameter, required=False) for parameter in operation.optional),
    ]
    if operation.streams:
        parameters.append(_LAST_EVENT_ID)
    if operation.scope not in (None, TokenScope.READ):
        refusals = refusals | {403: Error}
    body = {"required": True, "content": _content(operation.body)} if operation.body else None
    described = {
        "operationId": operation.id,
        "summary": operation.summary,
        "parameters": parameters,
        "requestBody": body,
        "responses": {
            str(status): _response(status, document, streams=operation.streams and status == HTTPStatus.OK)
            for status, document in sorted((refusals | dict(operation.answers)).items())
        },
    }
    needed = {} if operation.scope is TokenScope.READ else {"security": _security(operation.scope)}
    return {key: value for key, value in described.items() if value} | needed


def _security(needed: TokenScope | None) -> list[Document]:
    """Header or query parameter, each with the scope that the token must have."""
    return [{scheme: [needed.value]} for scheme in ("header", "query")] if needed else []


def _parameter(parameter: Parameter[Any], *, required: bool) -> Document:
    return {
        "name": parameter.name,
        "in": "query",
        "required": required,
        "description": parameter.description,
        "schema": dict(parameter.schema),
    } | ({} if required else {"allowEmptyValue": True})  # an empty one counts as absent


def _response(status: int, document: Any, *, streams: bool = False) -> Document:
    described: Document = {"description": HTTPStatus(status).phrase}
    if document is not None:
        described["content"] = _content(document)
    if streams:
        described["content"]["text/event-stream"] = {"schema": {"type": "string"}}
    if document is ScheduledTask:
        described["links"] = _task_links()
    return described


def _task_links() -> Document:
    """Links to the operations that take the id in a `ScheduledTask`."""
    return {
        operation.id: {"operationId": operation.id, "parameters": {"task_id": "$response.body#/task_id"}}
        for path, endpoint in GUARDED.items()
        for operation in endpoint.operations.values()
        if "{task_id}" in path
    }


def _content(document: Any) -> Document:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{document.__name__}"}}}


def _schemas() -> Document:
    documents = {document.__name__: document for document in _documents()}
    inputs: list[Any] = [(name, "serialization", TypeAdapter(document)) for name, document in sorted(documents.items())]
    _, definitions = TypeAdapter.json_schemas(inputs, ref_template="#/components/schemas/{model}")
    return dict(sorted(definitions["$defs"].items()))


def _documents() -> Iterator[Any]:
    yield Error
    for endpoint in (*GUARDED.values(), *OPEN.values()):
        for operation in endpoint.operations.values():
            yield from (document for document in operation.answers.values() if document is not None)
            if operation.body:
                yield operation.body


if __name__ == "__main__":
    import sys

    sys.stdout.write(openapi_text())
