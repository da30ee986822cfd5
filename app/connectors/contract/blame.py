"""Errors name whose they are: a destination, or the source and the collection that they stop."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.domain.attempt_protocol import SourceJob


def place_of(job: SourceJob) -> str:
    return f"source {job.source!r}, collection {job.collection.name!r}"


def destination_named(name: str) -> str:
    return f"destination {name!r}"


@contextmanager
def blamed(place: str) -> Iterator[None]:
    """Puts `place` before what goes wrong."""
    try:
        yield
    except SynclineError as error:
        raise type(error)(f"{place}: {error}") from error
