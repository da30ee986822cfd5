"""Which rows a tap's STATE covers. Its form is the tap's own, but most keep one entry per stream.

{"bookmarks": {"orders": {"since": 5}, "shops": {"since": 7}}, "currently_syncing": "shops"}
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.bookmarks import object_problem
from app.connectors.contract.passes import Checkpoint
from app.connectors.programs.coverage import Uncovered
from app.connectors.values import jsontext

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.contract.schema import Table
    from app.domain.attempt_protocol import SourceJob


def bookmark_problem(value: Any, _job: SourceJob) -> str | None:
    """Why a STATE cannot be used; None if it can."""
    return object_problem(value)


class State:
    """The newest STATE, beginning with `bookmark`, and which rows without identity it covers.

    Until the end, such rows are only committed with a STATE that has news of their stream, or has no entries by stream.
    At the end any STATE that came after them will do: a stream may be kept under the name of its parent.
    """

    def __init__(self, bookmark: str | None) -> None:
        self._text = bookmark
        self._names: dict[str, str] = {}
        self._before_news = Uncovered[str]()
        self._before_any = Uncovered[str]()
        self._waiting = False

    def add_name(self, stream: str, other: str) -> None:
        """Messages call `stream` what the catalog calls `other`; a STATE may use either name."""
        self._names[stream] = other

    def note_rows(self, stream: str, table: Table) -> None:
        for uncovered in (self._before_news, self._before_any):
            uncovered.note_rows(stream, full_refresh=table.full_refresh, key=table.key, cursor_field=table.cursor_field)

    def reach(self, text: str) -> Iterator[Checkpoint]:
        """A STATE whose value is the JSON `text`; a checkpoint unless it would cover too little."""
        earlier, self._text = self._text, None if text == "null" else text
        self._before_any.cover(None)
        if self._before_news:
            self._before_news.cover(self._streams_with_news(earlier))
        self._waiting = bool(self._before_news)
        if not self._waiting:
            yield Checkpoint(self._text)

    def finish(self) -> Iterator[Checkpoint]:
        """At the end; raises `ConfigurationError` if the next run would load rows of this one again."""
        if self._text is not None:
            self._before_any.refuse("the tap")
        if self._waiting:
            yield Checkpoint(self._text)

    def _streams_with_news(self, earlier: str | None) -> list[str] | None:
        """Streams whose entry has changed; None if there are no entries by stream."""
        now = _by_stream(self._text)
        if now is None:
            return None
        before = _by_stream(earlier) or {}

        def entry(of: dict[str, Any], stream: str) -> Any:
            return of.get(stream) or of.get(self._names[stream])

        return [each for each in self._before_news if entry(now, each) and entry(now, each) != entry(before, each)]


def _by_stream(text: str | None) -> dict[str, Any] | None:
    try:
        state = jsontext.decode(text or "null")
    except (msgspec.MsgspecError, UnicodeError):
        return None
    bookmarks = state.get("bookmarks") if isinstance(state, dict) else None
    return bookmarks if isinstance(bookmarks, dict) else None
