"""How far a collection is, and which attempt may write: what the ledger's newest entry says, and the next ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.passes import Reload, voided
from app.connectors.destinations.dlt.ledger import Entry, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.connectors.contract.passes import Fence, Position
    from app.connectors.contract.standing import Standing
    from app.connectors.destinations.dlt.ledger import Ledger
    from app.connectors.destinations.dlt.load import Loader


class Bookmark:
    """The place of one attempt in the ledger."""

    def __init__(self, ledger: Ledger, loader: Loader, fence: Fence) -> None:
        self._ledger = ledger
        self._loader = loader
        self._fence = fence
        self._standing: Standing | None = None
        self._entry = Entry(task=fence.task, claim=fence.claim, step=0, generation=fence.generation)

    def claim(self) -> Position:
        """Shuts every older attempt out, and brings to an end what one of them had begun to load.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        claims: list[Entry] = []
        found = self._ledger.entries()
        while True:
            earlier, self._entry = found, self._taken_over(found, claims=len(claims))
            self._ledger.add(self._entry)
            claims.append(self._entry)
            # Each adds, then reads, then acts: of two attempts that do so at once, one sees the other.
            found = [entry for entry in self._ledger.entries() if entry not in claims]
            if found[-1:] == earlier[-1:]:
                break
        self._settle()
        for entry in [*earlier, *claims[:-1]]:
            self._ledger.remove(entry)
        entry = self._entry
        position = self._fence.position(
            generation=entry.generation,
            bookmark=entry.bookmark,
            completed_task=entry.completed_task,
            loaded=entry.loaded,
            standing=entry.standing,
            lacking=self._loader.lacking,
        )
        self._standing = position.standing
        if position.reload is Reload.MISSING:
            # Soon its table is there again, without its rows: an attempt that is killed then must not hide this.
            self._move(generation=voided(entry.generation))
        return position

    def standing(self, tables: Iterable[str]) -> Standing:
        """What the next bookmark stands for, when these tables have got rows."""
        return self._fence.standing.with_tables(self._standing, *tables)

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
        """From here on the load may be in the destination, whole, in part, or not at all.

        Raises:
            LeaseLostError: a newer attempt came meanwhile, and may not know of the load.
        """
        self._move(prepared=prepared)
        self.verify()

    def move(self, prepared: Prepared) -> None:
        """What was prepared is there: its bookmark stands for it."""
        for abandoned in self._entry.abandoned:
            # Its attempt may have been loading still when this one began.
            self._loader.undo(abandoned)
        self._confirm(prepared, abandoned=())
        self._standing = prepared.standing

    def _taken_over(self, earlier: list[Entry], *, claims: int) -> Entry:
        """The entry that comes after all `earlier` ones and so many `claims` of this attempt.

        A load of which the destination does not know is abandoned.
        """
        fence = self._fence
        if not earlier:
            return msgspec.structs.replace(self._entry, step=claims)
        newest = earlier[-1]
        if (newest.task, newest.claim) > (fence.task, fence.claim):
            raise fence.overtaken()
        own = (newest.task, newest.claim) == (fence.task, fence.claim)
        step = newest.step + 1 + claims if own else claims
        entry = msgspec.structs.replace(newest, task=fence.task, claim=fence.claim, step=step)
        if entry.prepared is None or self._loader.is_known(entry.prepared):
            return entry
        return msgspec.structs.replace(entry, prepared=None, abandoned=(*entry.abandoned, entry.prepared))

    def _settle(self) -> None:
        """A load under way either came to its end, or has never been."""
        for abandoned in self._entry.abandoned:
            self._loader.undo(abandoned)
        prepared = self._entry.prepared
        if prepared is None:
            return
        self._loader.finish(prepared, verify=self.verify)
        self._confirm(prepared)

    def _confirm(self, prepared: Prepared, **changes: Any) -> None:
        self._move(
            prepared=None,
            bookmark=prepared.bookmark,
            generation=prepared.generation,
            standing=prepared.standing,
            loaded=True,
            completed_task=prepared.task if prepared.final else None,
            unfinished=() if prepared.final else self._entry.unfinished,
            **changes,
        )

    def _move(self, **changes: Any) -> None:
        self._entry = msgspec.structs.replace(self._entry, step=self._entry.step + 1, **changes)
        self._ledger.add(self._entry)
