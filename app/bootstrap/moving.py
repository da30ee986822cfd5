"""Sets the bookmarks that Jitsu Classic has kept, unless those here are newer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import msgspec

from app.bookmarks import keeping_destinations, list_changes, set_bookmarks
from app.connectors.values import jsontext
from app.domain.cause import LONGEST_NOTE, Cause
from app.domain.errors import SynclineError
from app.domain.events import BOOKMARK_SET, COLLECTION_RESET
from app.domain.timestamp import utc_second

if TYPE_CHECKING:
    from collections.abc import Iterable

    import asyncpg

    from app.config.catalogue import Catalogue
    from app.domain.cause import Actor
    from app.moving.states import State
    from app.store.bookmarks import Bookmarks

_CLASSIC: Final = "Jitsu Classic"
_NOTE: Final = f"bookmark of {_CLASSIC}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a bookmark at a destination (None: at all of them); `why` it was kept or refused."""

    state: State
    destination: str | None
    what: Literal["set", "unchanged", "kept", "refused"]
    why: str = ""


async def carry_over(
    bookmarks: Bookmarks, catalogue: Catalogue, states: Iterable[State], *, who: Actor, note: str | None, force: bool
) -> list[Outcome]:
    """Set the bookmarks; with `force` also where that of the collection is newer.

    A bookmark is newer if a task has saved it, or somebody has set or reset it, unless that was an import as well.
    """
    cause = Cause(who, f"{_NOTE}: {note}"[:LONGEST_NOTE] if note else _NOTE, imported_from=_CLASSIC)
    found: list[Outcome] = []
    for state in states:
        try:
            found += await _carry_one(bookmarks, catalogue, state, cause=cause, force=force)
        except SynclineError as error:
            found.append(Outcome(state, None, "refused", str(error)))
    return found


async def _carry_one(
    bookmarks: Bookmarks, catalogue: Catalogue, state: State, *, cause: Cause, force: bool
) -> list[Outcome]:
    current = {row["destination"]: row for row in await bookmarks.list_current(state.source, state.collection)}
    outcomes: list[Outcome] = []
    for name in keeping_destinations(catalogue, state.source):
        known = current.get(name)
        if known is not None and _is_same(known["bookmark"], state.bookmark):
            outcomes.append(Outcome(state, name, "unchanged"))
            continue
        newer = None if force else await _find_newer(bookmarks, state, name, known)
        outcomes.append(Outcome(state, name, "kept", newer) if newer else Outcome(state, name, "set"))
    if given := {each.destination: state.bookmark for each in outcomes if each.destination and each.what == "set"}:
        await set_bookmarks(bookmarks, catalogue, state.source, state.collection, given, cause=cause)
    return outcomes


async def _find_newer(bookmarks: Bookmarks, state: State, destination: str, known: asyncpg.Record | None) -> str | None:
    """What has changed the bookmark here, other than an import."""
    changes = await list_changes(bookmarks, state.source, state.collection, limit=1, destination=destination)
    for change in changes:
        if change.type == BOOKMARK_SET and change.cause.imported_from == _CLASSIC:
            return None
        at = utc_second(change.at)
        if change.type == COLLECTION_RESET:
            return f"the collection was reset at {at}"
        return (
            f"somebody set another one at {at}" if change.type == BOOKMARK_SET else f"a task saved another one at {at}"
        )
    # Retention may have removed the event that says where it comes from.
    return None if known is None else f"there is another one since {utc_second(known['at'])}"


def _is_same(text: str, other: str) -> bool:
    try:
        return bool(jsontext.decode(text) == jsontext.decode(other))
    except (msgspec.MsgspecError, RecursionError):
        return False
