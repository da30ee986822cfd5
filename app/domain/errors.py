"""The errors that Syncline raises on purpose. The docstring of a class says what it means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.domain.visible import make_visible

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from typing import Self


class SynclineError(Exception):
    """An expected error; its message can be shown to users."""

    def with_message(self, message: str) -> Self:
        """The same error in other words."""
        return type(self)(message)


class ConfigurationError(SynclineError):
    """Something that the user has configured cannot work. An attempt with this error is not retried."""


class LoginRefusedError(SynclineError):
    """A server refuses a password that is read again for each attempt or connection, so that another try may help."""


class RetryLaterError(SynclineError):
    """A source cannot be read before `at` (aware), and says so: nothing is wrong with it."""

    def __init__(self, message: str, *, at: datetime) -> None:
        super().__init__(message)
        self.at = at

    def with_message(self, message: str) -> Self:
        return type(self)(message, at=self.at)


class DestinationsUnreachableError(SynclineError):
    """These `destinations` cannot be reached, and nothing else is wrong."""

    def __init__(self, message: str, *, destinations: tuple[str, ...]) -> None:
        super().__init__(message)
        self.destinations = destinations

    def with_message(self, message: str) -> Self:
        return type(self)(message, destinations=self.destinations)


class UnknownSourceError(ConfigurationError):
    """The catalogue has no usable source with this id; `left_out` says why one was left out, `known` are the others."""

    def __init__(self, source: str, *, left_out: str | None = None, known: Collection[str] = ()) -> None:
        super().__init__(
            f"Source [{make_visible(source)}] " + ("doesn't exist" if left_out is None else f"is left out: {left_out}")
        )
        self.name = source
        self.known = known if left_out is None else ()


class UnknownCollectionError(ConfigurationError):
    """The source has no collection with this name; `known` are those that it has."""

    def __init__(self, source: str, collection: str, *, known: Collection[str] = ()) -> None:
        super().__init__(f"Collection [{make_visible(collection)}] doesn't exist in source [{make_visible(source)}]")
        self.name = collection
        self.known = known


class UnknownTaskError(SynclineError):
    """The store has no task with this id."""

    def __init__(self, task: object) -> None:
        super().__init__(f"there is no task {task}: its id is wrong, or retention has removed it")


class CollectionBusyError(SynclineError):
    """An active task of the collection stands in the way."""

    def __init__(self, task_id: str, why: str = "is active: try again when it has ended") -> None:
        super().__init__(f"Task [{task_id}] {why}")
        self.task_id = task_id


class SourcePausedError(SynclineError):
    """A collection cannot be resumed alone, because its whole source is paused."""

    def __init__(self, source: str) -> None:
        super().__init__(f"the whole source [{make_visible(source)}] is paused: resume the source")


class UnsettledError(SynclineError):
    """The queue could not do what was requested, and nothing has changed."""


class ApiUnreachableError(SynclineError):
    """The API does not answer, or cannot do so at the moment."""


class ApiRefusalError(SynclineError):
    """The API refuses what was asked for; `status` is that of HTTP."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class DatabaseUnreachableError(SynclineError):
    """PostgreSQL does not answer."""


class DatabaseBusyError(DatabaseUnreachableError):
    """All connections of this process to PostgreSQL are in use, and none became free in time."""


class DatabaseLoginError(DatabaseUnreachableError):
    """PostgreSQL refuses the login of the store, or the program that prints its password failed."""


class DatabaseReadOnlyError(DatabaseUnreachableError):
    """PostgreSQL accepts no writes: it is a standby, or the database was made read-only."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL is read-only: a standby, or default_transaction_read_only is on")


class StoreMovedError(SynclineError):
    """The store has moved to a server with lower transaction ids than its events have."""

    def __init__(self, *, newest: int, following: int) -> None:
        super().__init__(
            "the database has moved to a server with lower transaction IDs, as by a restore: its newest event is at "
            f"position {newest}, the next one would be at {following}; run 'syncline migrate'"
        )


class EventsGoneError(SynclineError):
    """The store lacks events after the place in the feed that a reader has reached; it has all from `first` on."""

    def __init__(self, message: str, *, first: str) -> None:
        super().__init__(message)
        self.first = first


class LeaseLostError(SynclineError):
    """The worker's lease has expired, or another worker has the task: this attempt may not write any more."""


class OvertakenError(LeaseLostError):
    """A newer task has written to the destination, so no attempt of this one ever can.

    The store lets an older task end only if it has forgotten the newer one: a standby that lagged behind was promoted.
    """


class SchemaVersionError(SynclineError):
    """This release cannot work with the database's schema."""
