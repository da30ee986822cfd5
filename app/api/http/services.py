"""What the endpoints work with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from app.api.http.trials import Trials

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from app.api.http.database_state import DatabaseState
    from app.api.http.known_tokens import KnownTokens
    from app.api.http.single_flight import SingleFlight
    from app.config.catalogue import Catalogue
    from app.domain.attempt_protocol import Offered
    from app.store.queue import TaskQueue
    from app.store.reads import Reader


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The parts of Syncline that requests use."""

    queue: TaskQueue
    """Where tasks are asked for and canceled."""
    reader: Reader
    """Tasks, logs and collections."""
    known_tokens: KnownTokens
    """What the database knows of tokens; `server.admin_token` counts beside them, without the database."""
    database_state: SingleFlight[DatabaseState]
    """The schema's version and the lags for `/readyz`, by a connection that requests cannot take away."""
    catalogue: Callable[[], Catalogue]
    """The catalogue of this moment; its `server.admin_token` counts from the next request on."""
    config_problem: Callable[[], str | None]
    """One line on why the newest configuration is not the running one, or None."""
    reset_collection: Callable[[str, str], Awaitable[object]]
    """`(source, collection)`: forgets a collection's bookmarks."""
    test_source: Callable[[str, str | None], Awaitable[None]]
    """`(source, collection or None)`: lets the connector try; raises SynclineError with its error, and is canceled when
    the client leaves."""
    discover_source: Callable[[str], Awaitable[list[Offered]]]
    """`(source)`: asks the connector what there is to choose from; errors and cancellation likewise."""
    schema_version: str
    """The migration that this release needs, for `/readyz` to tell."""
    schema_problem: Callable[[str | None], str | None]
    """One line on why a database at this migration (None: at none) is not ready, or None."""
    draining: Callable[[], bool]
    """Whether a shutdown has begun."""
    trials: Trials = field(default_factory=Trials)
    """Who may try a source now."""
