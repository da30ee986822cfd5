"""How a step between a source and its destinations tells the source that it has refused a table."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

from app.domain.errors import SynclineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from app.connectors.contract.passes import Item


def passed_through(items: Iterable[Item], step: Callable[[Item], Iterator[Item]]) -> Iterator[Item]:
    """What `step` makes of each item. A source whose tables stand apart is told of an error, and goes on.

    Raises:
        SynclineError: that of `step`, if the source does not go on after it.
    """
    for item in items:
        try:
            yield from step(item)
        except SynclineError as error:
            if not isinstance(items, Generator):
                raise
            yield from step(items.throw(error))
