"""How far a collection is, and which attempt may write: the ledger's newest entry, and the ones to come."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from app.connectors.contract.passes import Reload, void_generation
from app.connectors.destinations.dlt.ledger import Entry, Prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from app.connectors.contract.passes import Fence, Position
    from app.connectors.contract.standing import Standing
    from app.connectors.destinations.dlt.ledger import Ledger
    from app.connectors.destinations.dlt.load import Loader


class Bookmark:
    """One attempt's entries in the ledger."""

    def __init__(self, ledger: Ledger, loader: Loader, fence: Fence) -> None:
        self._ledger = ledger
        self._loader = loader
        self._fence = fence
        self._standing: Standing | None = None
        self._entry = Entry(task=fence.task, claim=fence.claim, step=0, generation=fence.generation)

    def claim(self) -> Position:
        """Shuts out every older attempt, and finishes or undoes a load that one of them had begun.

        Raises:
            LeaseLostError: a newer attempt was here.
        """
        claims: list[Entry] = []
        found = self._ledger.entries()
        while True:
            earlier, self._entry = found, self._take_over(found, claims=len(claims))
            self._ledger.add(self._entry)
            claims.append(self._entry)
            # Each attempt adds, then reads, then acts: of two concurrent attempts, one sees the other.
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
            tables_without_rows=self._loader.tables_without_rows,
        )
        self._standing = position.standing
        if position.reload is Reload.MISSING:
            # The table will soon exist again, without its rows: an attempt that is killed then must not hide that.
            self._move(generation=void_generation(entry.generation))
        return position

    def own_tables(self) -> dict[str, bool]:
        """The tables that the collection has loaded into; True for those that others have, too."""
        entries = self._ledger.entries()
        now, others = self._fence.standing, _tables_of(self._ledger.others())
        own = {table for entry in entries if entry.standing for table in entry.standing.own_tables(now)}
        if not own and any(entry.loaded for entry in entries):
            own = set(now.all_tables)  # a release before 0.1.1 said nothing about tables
        return {name: name in others for name in sorted(own)}

    def standing(self, tables: Iterable[str], *, begun: Iterable[str]) -> Standing:
        """What the next bookmark stands for: these tables have rows, and those that were `begun` may have none."""
        return self._fence.standing.with_tables(self._standing, *tables, begun=begun)

    @property
    def unfinished(self) -> tuple[str, ...]:
        """Tables that no load has completed: they may still get columns, whatever the schema policy."""
        return self._entry.unfinished

    def begin(self, table: str) -> None:
        """Notes a new table, which gets all fields of its first load."""
        self._move(unfinished=(*self._entry.unfinished, table))

    def verify(self) -> None:
        """Raises `LeaseLostError` if another attempt has the collection now."""
        newest = self._ledger.entries()[-1:]
        if not newest or newest[0].order != self._entry.order:
            raise self._fence.overtaken_error(newest[0].task if newest else None)

    def prepare(self, prepared: Prepared) -> None:
        """Notes a load that from now on may be in the destination, completely, in part, or not at all.

        Raises:
            LeaseLostError: there is a newer attempt, which may not know of the load.
        """
        self._move(prepared=prepared)
        self.verify()

    def move(self, prepared: Prepared) -> None:
        """Stores the bookmark of a prepared load that is complete."""
        for abandoned in self._entry.abandoned:
            # Its attempt may still have been loading when this one began.
            self._loader.undo(abandoned)
        self._confirm(prepared, abandoned=())
        self._standing = prepared.standing

    def _take_over(self, earlier: list[Entry], *, claims: int) -> Entry:
        """The entry that follows all `earlier` ones and this many `claims` of this attempt.

        A load that the destination does not know is abandoned.
        """
        fence = self._fence
        if not earlier:
            return msgspec.structs.replace(self._entry, step=claims)
        newest = earlier[-1]
        if (newest.task, newest.claim) > (fence.task, fence.claim):
            raise fence.overtaken_error(newest.task)
        own = (newest.task, newest.claim) == (fence.task, fence.claim)
        step = newest.step + 1 + claims if own else claims
        entry = msgspec.structs.replace(newest, task=fence.task, claim=fence.claim, step=step)
        if entry.prepared is None or self._loader.is_known(entry.prepared):
            return entry
        return msgspec.structs.replace(entry, prepared=None, abandoned=(*entry.abandoned, entry.prepared))

    def _settle(self) -> None:
        """Finishes a load that completed, and undoes loads that did not."""
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


def _tables_of(entries: list[Entry]) -> set[str]:
    return {table for entry in entries if entry.standing for table in entry.standing.all_tables}
