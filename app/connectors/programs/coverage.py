"""Rows that nothing tells apart, and the states of programs that stand for them: without one they would come again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator

S = TypeVar("S", bound="Hashable")


class Uncovered(Generic[S]):
    """The streams of which such rows have come since a state that covers them."""

    def __init__(self) -> None:
        self._streams: set[S] = set()

    def __iter__(self) -> Iterator[S]:
        return iter(tuple(self._streams))

    def __bool__(self) -> bool:
        return bool(self._streams)

    def came(self, stream: S, *, full_refresh: bool, key: tuple[str, ...], cursor_field: str | None) -> None:
        """Rows of `stream`: whatever replaces others, or has a key or a cursor, is told apart."""
        if not (full_refresh or key or cursor_field):
            self._streams.add(stream)

    def cover(self, streams: Iterable[S] | None) -> None:
        """A state came that stands for all rows of `streams`, of every stream if None."""
        self._streams = set() if streams is None else self._streams.difference(streams)

    def refuse(self, program: str) -> None:
        """Raises `ConfigurationError` if rows are left."""
        if self._streams:
            names = ", ".join(sorted(map(str, self._streams)))
            raise ConfigurationError(
                f"{program} sent records without a state that covers them, of {names}: the next run would load "
                "them again. Say 'sync_mode: full_refresh', or what tells them apart with 'primary_key'"
            )
