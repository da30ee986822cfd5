"""Every error that Syncline raises on purpose. The docstring of a class says what it means."""

from __future__ import annotations

from app.domain.visible import make_visible


class SynclineError(Exception):
    """Something that Syncline knows about went wrong; the message is fit to be shown to a user."""


class ConfigurationError(SynclineError):
    """What the user wrote cannot work, and running it again cannot help: an attempt with this error is not retried."""


class UnknownSourceError(ConfigurationError):
    """The catalogue has no usable source of this id; `left_out` is what is wrong with one that was left out."""

    def __init__(self, source: str, *, left_out: str | None = None) -> None:
        super().__init__(
            f"Source [{make_visible(source)}] " + ("doesn't exist" if left_out is None else f"is left out: {left_out}")
        )


class UnknownCollectionError(ConfigurationError):
    """The source has no collection of this name."""

    def __init__(self, source: str, collection: str) -> None:
        super().__init__(f"Collection [{make_visible(collection)}] doesn't exist in source [{make_visible(source)}]")


class CollectionBusyError(SynclineError):
    """The collection has an active task, and it is another one than the one asked for."""

    def __init__(self, task_id: str) -> None:
        super().__init__(f"Task [{task_id}] is active: try again when it has ended")
        self.task_id = task_id


class UnsettledError(SynclineError):
    """What was asked of the queue did not come about, and nothing has changed."""


class DatabaseUnreachableError(SynclineError):
    """PostgreSQL does not answer."""


class DatabaseBusyError(DatabaseUnreachableError):
    """All connections that this process may have to PostgreSQL are taken, and none was free in time."""


class DatabaseReadOnlyError(DatabaseUnreachableError):
    """PostgreSQL takes no writes: it is a standby, or somebody has made the database read-only."""

    def __init__(self) -> None:
        super().__init__("PostgreSQL is read-only: a standby, or default_transaction_read_only is on")


class LeaseLostError(SynclineError):
    """The worker's lease is over, or another attempt has taken the task: this attempt may write nothing more."""


class SchemaVersionError(SynclineError):
    """The database's schema is not the one this version of Syncline was made for."""
