"""How far a collection is, and which attempt may write: what the ledger's newest entry says, and the next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.destinations.dlt.ledger import Entry, Prepared

if TYPE_CHECKING:
    from app.connectors.destinations.dlt.ledger import Ledger
    from app.connectors.destinations.dlt.load import Loader
    from app.connectors.passes import Fence, Position


class Bookmark:
    """The place of one attempt in the ledger."""

    def __init__(self, ledger: Ledger, loader: Loader, fence: Fence) -> None:
        self._ledger = ledger
        self._loader = loader
        self._fence = fence
        self._entry = Entry(task=fence.task, attempt=fence.attempt, step=0, generation=fence.generation)

    def claim(self) -> Position:
        """Shuts every older attempt out, and brings to an end what one of them had begun to load.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        fence, earlier = self._fence, self._ledger.entries()
        if earlier:
            newest = self._settled(earlier[-1])
            if (newest.task, newest.attempt) > (fence.task, fence.attempt):
                raise fence.overtaken()
            own = (newest.task, newest.attempt) == (fence.task, fence.attempt)
            self._entry = msgspec.structs.replace(
                newest, task=fence.task, attempt=fence.attempt, step=newest.step + 1 if own else 0
            )
        self._ledger.add(self._entry)
        for entry in earlier:
            self._ledger.remove(entry)
        entry = self._entry
        return fence.position(
            generation=entry.generation,
            bookmark=entry.bookmark,
            completed_task=entry.completed_task,
            loaded=entry.loaded,
        )

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Tables whose columns are still to be found, whatever the schema policy."""
        return self._entry.unfinished

    def begin(self, table: str) -> None:
        """A table that is not there is made with all fields of its first load."""
        self._move(unfinished=(*self._entry.unfinished, table))

    def verify(self) -> None:
        """Raises `LeaseLostError` if another attempt has the collection now."""
        newest = self._ledger.entries()[-1:]
        if not newest or newest[0].order != self._entry.order:
            raise self._fence.overtaken()

    def prepare(self, prepared: Prepared) -> None:
        """From here on the load may be in the destination, whole, in part, or not at all."""
        self._move(prepared=prepared)

    def move(self, bookmark: str | None, *, final: bool) -> None:
        """What was prepared is there: `bookmark` stands for it."""
        for abandoned in self._entry.abandoned:
            # Its attempt may have been loading still when this one began.
            self._loader.undo(abandoned)
        self._move(
            prepared=None,
            abandoned=(),
            generation=self._fence.generation,
            bookmark=bookmark,
            loaded=True,
            completed_task=self._fence.task if final else None,
            unfinished=() if final else self._entry.unfinished,
        )

    def _settled(self, entry: Entry) -> Entry:
        """`entry` without a load under way: it either came to its end, or has never been."""
        prepared = entry.prepared
        if prepared is None:
            return entry
        if not self._loader.is_known(prepared):
            self._loader.undo(prepared)
            return msgspec.structs.replace(entry, prepared=None, abandoned=(*entry.abandoned, prepared))
        self._loader.finish(prepared)
        return msgspec.structs.replace(
            entry,
            prepared=None,
            bookmark=prepared.bookmark,
            generation=prepared.generation,
            loaded=True,
            completed_task=entry.task if prepared.final else None,
            unfinished=() if prepared.final else entry.unfinished,
        )

    def _move(self, **changes: Any) -> None:
        self._entry = msgspec.structs.replace(self._entry, step=self._entry.step + 1, **changes)
        self._ledger.add(self._entry)
