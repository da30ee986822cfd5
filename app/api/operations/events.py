"""The feed of all events: by pages, or as a stream that goes on."""

from __future__ import annotations

import re
from contextlib import aclosing
from http import HTTPStatus
from typing import TYPE_CHECKING, ClassVar, Final
from urllib.parse import urlencode

import orjson
import structlog
from starlette.responses import Response, StreamingResponse

from app.api.documents.events import EventPage, GoneError
from app.api.documents.fields import Error
from app.api.http.answers import JsonAnswer, as_json
from app.api.http.authentication import may_go_on
from app.api.http.errors import RefusedError
from app.api.http.operation import Endpoint, Operation
from app.api.http.parameters import COLLECTION, SOURCE, Parameter, count_parameter
from app.api.http.secrecy import secrecy_of
from app.domain import events
from app.domain.api_token import TokenScope
from app.domain.errors import EventsGoneError
from app.domain.feed import PLACE_PATTERN, PREFIX, FeedEvent, Place, Selection, public_type, read_place, read_types
from app.store.database import UNREACHABLE
from app.store.queries import PAGE

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from starlette.requests import Request
    from starlette.types import Receive, Scope, Send

    from app.api.http.live_feed import Followed
    from app.store.feed import FeedPage

_STREAM: Final = "text/event-stream"
_JSON: Final = "application/json"
# Proxies close a connection on which nothing comes for a minute. As soon a token that was revoked ends a stream.
_QUIET_SECONDS: Final = 15.0
_RETRY_MILLISECONDS: Final = 2000
_HEADERS: Final = {"Vary": "Accept"}

_logger = structlog.get_logger("syncline.api")

LARGEST_PAGE: Final = 10_000
_TYPE: Final = (
    f"({re.escape(PREFIX)})?({'|'.join(re.escape(public_type(type_)) for type_ in events.TYPES)})(\\.v[0-9]+)?"
)
_TYPES_PATTERN: Final = f"^{_TYPE}(,{_TYPE})*$"
EVENTS_AFTER: Final = Parameter(
    "after",
    "Only events after this one, given by its `id`, or after everything at a position, or those to come (`now`); "
    "without it, all that are kept. The header `Last-Event-ID` has precedence.",
    "the id of an event, a position, or now",
    {"type": "string", "pattern": PLACE_PATTERN},
    read_place,
)
EVENTS: Final = count_parameter(
    "limit", "How many events to return at most; ignored in a stream.", most=LARGEST_PAGE, default=PAGE
)
TYPES: Final = Parameter(
    "types",
    f"Only events of these types, with commas between them; `{PREFIX}` may be left out.",
    f"types of events, with commas between them: {', '.join(map(public_type, events.TYPES))}",
    {"type": "string", "pattern": _TYPES_PATTERN, "examples": ["task.failed,task.succeeded"]},
    read_types,
)
# The parameters that the next page has, too: nothing else, in case it is a token.
_KEPT: Final = (EVENTS.name, TYPES.name, SOURCE.name, COLLECTION.name)


class Events(Endpoint):
    """`/events`."""

    operations: ClassVar[Mapping[str, Operation]] = {
        "get": Operation(
            id="listEvents",
            scope=TokenScope.READ,
            summary="List events in the order of the feed; with 'Accept: text/event-stream', go on with new ones",
            optional=(EVENTS_AFTER, EVENTS, TYPES, SOURCE, COLLECTION),
            answers={200: EventPage, 400: Error, 410: GoneError},
            streams=True,
        )
    }

    async def get(self, request: Request) -> Response:
        feed = self.services.feed
        selection = Selection(TYPES.optional(request), SOURCE.optional(request), COLLECTION.optional(request))
        given, limit = EVENTS_AFTER.optional(request), EVENTS.optional(request) or PAGE
        is_stream = _wants_stream(request.headers.get("Accept", ""))
        if is_stream and self.services.live_feed.is_full:
            why = "too many streams are open; read pages, or try again"
            raise RefusedError(HTTPStatus.SERVICE_UNAVAILABLE, "Too many streams", why, headers={"Retry-After": "10"})
        # What fails, fails before a stream begins.
        after = await feed.find_place(_last_seen(request) or given)
        if is_stream:
            page = await feed.read(after, limit=PAGE, selection=selection)
            return self._stream(request, page, selection)
        documents, reached, more = await feed.read_documents(after, limit=limit, selection=selection)
        return JsonAnswer(
            {"events": [orjson.Fragment(each) for each in documents], "next": str(reached), "more": more},
            headers=_HEADERS | (self._link(request, reached) if more else {}),
        )

    def _link(self, request: Request, reached: Place) -> dict[str, str]:
        """Says where the next page is before a client has decoded this one (https://www.rfc-editor.org/rfc/rfc8288).

        The address is relative, as clients may see this API below another path. There is none for a client that sends
        `Last-Event-ID` with every request, which has precedence: it would get this page again.
        """
        given = {name: request.query_params[name] for name in _KEPT if name in request.query_params}
        secrecy = secrecy_of(self.services.catalogue().server.admin_token)
        if "Last-Event-ID" in request.headers or any(map(secrecy.is_in, given.values())):
            return {}
        return {"Link": f'<?{urlencode(given | {EVENTS_AFTER.name: str(reached)})}>; rel="next"'}

    def _stream(self, request: Request, page: FeedPage, selection: Selection) -> Response:
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **_HEADERS}
        if request.method == "HEAD":
            answer = Response(media_type=_STREAM, headers=headers)
            del answer.headers["content-length"]  # GET would not send 0
            return answer
        _logger.info("stream.began", after=str(page.reached))
        followed = self.services.live_feed.follow(page, selection, quiet_seconds=_QUIET_SECONDS)
        return _EventStream(_messages(request.scope, followed), media_type=_STREAM, headers=headers)


class _EventStream(StreamingResponse):
    """Closes what it sends, or it would go on being followed until somebody collects the garbage."""

    def __init__(self, messages: AsyncGenerator[bytes], *, media_type: str, headers: Mapping[str, str]) -> None:
        super().__init__(messages, media_type=media_type, headers=headers)
        self._messages = messages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with aclosing(self._messages):
            await super().__call__(scope, receive, send)


def event_message(event: FeedEvent, installation: str) -> bytes:
    """An event as a message of a stream."""
    return b"id: %s\nevent: %s\ndata: %s\n\n" % (
        str(event.place).encode(),
        public_type(event.type).encode(),
        event.document(installation).encode(),
    )


def _wants_stream(accept: str) -> bool:
    """Whether a header `Accept` names streams, and before JSON."""
    kinds = [part.partition(";") for part in accept.lower().split(",")]
    wanted = [kind.strip() for kind, _, more in kinds if more.replace(" ", "") not in {"q=0", "q=0.0"}]
    return next((kind for kind in wanted if kind in {_STREAM, _JSON}), _JSON) == _STREAM


def _last_seen(request: Request) -> Place | None:
    """What a client that connects again has seen last.

    Raises:
        RefusedError: 400; it is no place.
    """
    given = request.headers.get("Last-Event-ID")
    try:
        return read_place(given) if given else None
    except ValueError:
        raise RefusedError(
            HTTPStatus.BAD_REQUEST, "Error parsing 'Last-Event-ID' header", "it must be the id of an event"
        ) from None


async def _messages(scope: Scope, followed: AsyncGenerator[Followed]) -> AsyncGenerator[bytes]:
    """Messages of server-sent events (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    One with an id alone is no event for the client, but it goes on from there when it connects again.
    """
    yield b"retry: %d\n\n" % _RETRY_MILLISECONDS
    async with aclosing(followed):
        try:
            async for messages, reached in followed:
                if not await may_go_on(scope, TokenScope.READ):
                    return
                yield b"".join([*messages, b"id: %s\n\n" % str(reached).encode()])
        except EventsGoneError as gone:
            # A browser does not show its page why the next answer is a 410.
            yield b"event: gone\ndata: %s\n\n" % as_json({"message": str(gone), "first": gone.first})
        except UNREACHABLE as error:
            _logger.warning("stream.ended", error=str(error) or type(error).__name__)
