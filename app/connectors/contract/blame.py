"""Errors begin with their subject: a destination, or a source and its collection."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.attempt_protocol import SourceJob

_SHOWN: Final = 10


def subject_of(job: SourceJob) -> str:
    return f"source {job.source!r}, collection {job.collection.name!r}"


def destination_subject(name: str) -> str:
    return f"destination {name!r}"


@contextmanager
def prefix_errors(subject: str) -> Iterator[None]:
    """Errors that are raised inside begin with `subject`."""
    try:
        yield
    except SynclineError as error:
        raise type(error)(f"{subject}: {error}") from error


def joined(errors: Sequence[SynclineError]) -> SynclineError:
    """All `errors` (at least one) as one; a `ConfigurationError` if a retry can fix none of them."""
    if len(errors) == 1:
        return errors[0]
    lasting = all(isinstance(error, ConfigurationError) for error in errors)
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    return (ConfigurationError if lasting else SynclineError)("; ".join(map(str, errors[:_SHOWN])) + more)
