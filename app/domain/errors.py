"""Every error that Syncline raises on purpose. The docstring of a class says what it means."""

from __future__ import annotations


class SynclineError(Exception):
    """Something that Syncline knows about went wrong; the message is fit to be shown to a user."""


class ConfigurationError(SynclineError):
    """What the user wrote cannot work, and running it again cannot help: an attempt with this error is not retried."""


class DatabaseUnreachableError(SynclineError):
    """PostgreSQL does not answer."""


class LeaseLostError(SynclineError):
    """The worker's lease is over, or another attempt has taken the task: this attempt may write nothing more."""


class SchemaVersionError(SynclineError):
    """The database's schema is not the one this version of Syncline was made for."""
