"""Rows that nothing identifies, and the states that cover them: without a state they would be loaded again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

S = TypeVar("S", bound="Hashable")


class Uncovered(Generic[S]):
    """The streams with such rows that no state covers yet."""

    def __init__(self) -> None:
        self._streams: set[S] = set()

    def __iter__(self) -> Iterator[S]:
        return iter(tuple(self._streams))

    def __bool__(self) -> bool:
        return bool(self._streams)

    def note_rows(self, stream: S, *, full_refresh: bool, key: tuple[str, ...], cursor_field: str | None) -> None:
        """Notes rows of `stream`; they are identified if they replace others, or have a key or a cursor."""
        if not (full_refresh or key or cursor_field):
            self._streams.add(stream)

    def cover(self, streams: Iterable[S] | None) -> None:
        """Notes a state that covers all rows of `streams`, or of every stream if None."""
        self._streams = set() if streams is None else self._streams.difference(streams)

    def refuse(self, program: str) -> None:
        """Raises `ConfigurationError` if rows remain uncovered."""
        if self._streams:
            names = ", ".join(sorted(repr(str(stream)) for stream in self._streams))
            raise ConfigurationError(
                f"{program} sent records of {names} without a state that covers them: the next run would load them "
                "again. Set 'sync_mode: full_refresh', or set 'primary_key' to the fields that identify a record"
            )
