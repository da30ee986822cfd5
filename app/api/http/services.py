"""What the endpoints work with; whoever starts the API makes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.api.http.database_state import DatabaseState
    from app.api.http.known_tokens import KnownTokens
    from app.api.http.single_flight import SingleFlight
    from app.api.http.trials import Trials
    from app.config.catalogue import Catalogue
    from app.domain.attempt_protocol import Offered
    from app.store.queue import TaskQueue
    from app.store.reads import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of Syncline that requests reach; each is described at `app.api.application.create_app`."""

    queue: TaskQueue
    reader: Reader
    known_tokens: KnownTokens
    database_state: SingleFlight[DatabaseState]
    catalogue: Callable[[], Catalogue]
    config_problem: Callable[[], str | None]
    reset_collection: Callable[[str, str], Awaitable[object]]
    trials: Trials
    test_source: Callable[[str, str | None], Awaitable[None]]
    discover_source: Callable[[str], Awaitable[list[Offered]]]
    schema_version: str
    schema_problem: Callable[[str | None], str | None]
    draining: Callable[[], bool]
