"""Errors begin with their subject: a destination, or a source and its collection."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from app.domain.errors import ConfigurationError, LoginRefusedError, RetryLaterError, SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from app.domain.attempt_protocol import SourceJob

_SHOWN: Final = 10


def subject_of(job: SourceJob) -> str:
    return collection_subject(job.source, job.collection.name)


def collection_subject(source: str, collection: str) -> str:
    return f"source {source!r}, collection {collection!r}"


def destination_subject(name: str) -> str:
    return f"destination {name!r}"


@contextmanager
def prefix_errors(subject: str) -> Iterator[None]:
    """Errors that are raised inside begin with `subject`."""
    try:
        yield
    except SynclineError as error:
        raise blamed(error, subject) from error


def blamed(error: SynclineError, subject: str) -> SynclineError:
    """`error`, which begins with `subject` once: one that was thrown into a source may already do so."""
    return error.with_message(f"{subject}: {_without(subject, error)}")


def joined(errors: Sequence[SynclineError], *, subject: str = "") -> SynclineError:
    """All `errors` (at least one) as one, which begins with `subject`.

    It is a `ConfigurationError` if a retry can fix none of them, a `LoginRefusedError` if another password can fix one,
    and a `RetryLaterError` for the last of their times if all are.
    """
    if subject:
        return blamed(joined([error.with_message(_without(subject, error)) for error in errors]), subject)
    if len(errors) == 1:
        return errors[0]
    more = f"; and {len(errors) - _SHOWN} more" if len(errors) > _SHOWN else ""
    message = "; ".join(map(str, errors[:_SHOWN])) + more
    times = [error.at for error in errors if isinstance(error, RetryLaterError)]
    if len(times) == len(errors):
        return RetryLaterError(message, at=max(times))
    lasting = all(isinstance(error, ConfigurationError) for error in errors)
    refused = any(isinstance(error, LoginRefusedError) for error in errors)
    kind = ConfigurationError if lasting else LoginRefusedError if refused else SynclineError
    return kind(message)


def _without(subject: str, error: SynclineError) -> str:
    return str(error).removeprefix(f"{subject}: ")
