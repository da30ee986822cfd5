"""Errors begin with their subject: a destination, or a source and its collection."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.attempt_protocol import SourceJob


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
