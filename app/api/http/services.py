"""Everything that the endpoints use."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from app.api.http.connector_calls import ConnectorCalls

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Sequence

    from app.api.http.database_state import DatabaseState
    from app.api.http.known_tokens import KnownTokens
    from app.api.http.live_feed import LiveFeed
    from app.api.http.live_logs import LiveLogs
    from app.api.http.single_flight import SingleFlight
    from app.config.catalogue import Catalogue
    from app.config.unsaved import Unsaved
    from app.domain.attempt_protocol import ColumnTypes, Offered
    from app.domain.cause import Cause
    from app.store.bookmarks import Bookmarks
    from app.store.feed import Feed
    from app.store.pauses import Pauses
    from app.store.queue import TaskQueue
    from app.store.reads import Reader
    from app.store.stories import Stories


class UnsavedTrials(Protocol):
    """Lets connectors try what is in no catalogue; `tell` gets sentences about what the user should know.

    Each raises SynclineError with the connector's error, without secrets, and is canceled when the client leaves.
    """

    async def test_source(self, unsaved: Unsaved, tell: Callable[[str], None]) -> None:
        """Let its connector check all its collections."""

    async def test_destination(self, unsaved: Unsaved) -> None:
        """Let its connector try it, and leave nothing there."""

    async def discover(self, unsaved: Unsaved, tell: Callable[[str], None]) -> list[Offered]:
        """Let its connector list what the source offers."""

    async def read_catalog(self, unsaved: Unsaved, tell: Callable[[str], None]) -> str:
        """Let its connector show its own catalog: JSON text."""

    async def read_specification(self, source_type: str, origin: dict[str, Any]) -> dict[str, Any]:
        """Ask a connector which configuration it needs: a JSON Schema."""

    async def list_versions(self, image: str) -> list[str]:
        """Ask Docker Hub which versions of an Airbyte connector there are, the newest first."""


class ResetCollection(Protocol):
    """Forgets a collection's bookmarks."""

    def __call__(self, source: str, collection: str, *, cause: Cause) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of Syncline that requests use."""

    queue: TaskQueue
    """Where tasks are scheduled and canceled."""
    reader: Reader
    """Tasks, logs and collections."""
    stories: Stories
    """What has happened to tasks."""
    pauses: Pauses
    """What is paused."""
    bookmarks: Bookmarks
    """How far destinations are."""
    known_tokens: KnownTokens
    """The tokens in the database; `server.admin_token` is valid as well, without the database."""
    database_state: SingleFlight[DatabaseState]
    """The schema's version and the lags for `/readyz`, over a connection of its own that requests cannot use up."""
    catalogue: Callable[[], Catalogue]
    """The current catalogue; a new `server.admin_token` is valid from the next request on."""
    config_problem: Callable[[], str | None]
    """One line on why the newest version of the catalogue is not in use, or None."""
    feed: Feed
    """All events in their order."""
    live_feed: LiveFeed
    """The same for those that wait for new ones."""
    live_logs: LiveLogs
    """The logs of tasks for those that wait for new lines."""
    reset_collection: ResetCollection
    test_source: Callable[[str, str | None], Awaitable[None]]
    """`(source, collection or None)`: lets the connector check the collections; raises SynclineError with its
    error, and is canceled when the client leaves."""
    test_destination: Callable[[str], Awaitable[None]]
    """`(destination)`: lets its connector try it, and leaves nothing there; errors and cancellation likewise."""
    drop_and_reset: Callable[[str, Sequence[str], Callable[[str], Awaitable[object]]], Awaitable[None]]
    """`(source, collections, reset)`: drops the tables that only these collections have loaded into, and resets each;
    raises SynclineError if one is still there, and is canceled likewise."""
    discover_source: Callable[[str], Awaitable[list[Offered]]]
    """`(source)`: lets the connector list what the source offers; errors and cancellation likewise."""
    unsaved: UnsavedTrials
    """Tries what is in no catalogue."""
    describe_types: Callable[[Sequence[str], Iterable[str]], Awaitable[list[ColumnTypes]]]
    """`(destinations, types)`: which types columns of these types get in each of them, or why that is not known."""
    schema_version: str
    """The migration that this release needs, as `/readyz` reports it."""
    schema_problem: Callable[[str | None], str | None]
    """One line on why a database at this migration (None if it has none) is not ready, or None."""
    pages: str | None
    """The path of the pages for people; None if this process serves none."""
    draining: Callable[[], bool]
    """Whether a shutdown has begun."""
    connector_calls: ConnectorCalls = field(default_factory=ConnectorCalls)
    """Runs `test_source`, `discover_source` and the like, a few at a time."""
