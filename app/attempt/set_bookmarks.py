"""Bookmarks that were set by hand: whether their source can begin there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from app.attempt.windows import Loaded
from app.connectors.contract.blame import subject_of
from app.connectors.kinds import SOURCES, import_class
from app.connectors.sources.classic.jobs import translated
from app.connectors.values import jsontext
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from app.domain.attempt_protocol import SourceJob


def bookmark_problem(bookmark: str, job: SourceJob) -> str | None:
    """Why the source of `job` cannot begin at `bookmark`, as far as its form shows; asks no server."""
    try:
        value = jsontext.decode(bookmark)
    except (msgspec.MsgspecError, RecursionError):
        return "it is not valid JSON"
    collection = job.collection
    if collection.sync_mode == "full_refresh":
        return "the collection has 'sync_mode: full_refresh', which reads everything each time"
    if collection.windows is not None:
        length = collection.windows.length
        loaded = Loaded.parse(bookmark, length)
        if loaded.settled or loaded.changing:
            return None
        example = Loaded(length).text()
        return f"a collection with 'interval: {length}' needs the windows that are loaded, in the form {example}"
    kind = SOURCES.get(job.source_type)
    if kind is None or kind.bookmark_problem is None:
        return None
    problem: str | None = import_class(kind.bookmark_problem)(value, job)
    return problem


def check_set_bookmark(bookmark: str, job: SourceJob) -> None:
    """Refuse to read from a bookmark that the source would not understand.

    Raises:
        ConfigurationError: the source cannot begin there.
    """
    if problem := bookmark_problem(bookmark, translated(job)):
        raise ConfigurationError(
            f"{subject_of(job)}: the bookmark that was set by hand cannot be used: {problem}. Set another one with "
            "'syncline bookmarks set', or load everything with 'syncline sources reset'"
        )
