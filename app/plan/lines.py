"""A plan as people read it: one line for each change, and a sentence that counts them."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from app.domain.counts import count
from app.domain.elapsed import ago_in_words
from app.plan.changes import Kind, Verb
from app.plan.tables import Fate

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from app.plan.changes import Change
    from app.plan.tables import TableChange

_MARKS: Final = {Verb.ADDED: "+", Verb.REMOVED: "-", Verb.CHANGED: "~"}
_FATES: Final = {
    Fate.RELOADED: ("~", "loaded again", "is loaded again"),
    Fate.REPLACED: ("~", "replaced", "is replaced"),
    Fate.MOVED: ("~", "perhaps elsewhere", "may be elsewhere"),
    Fate.REFUSED: ("~", "refused", "is refused by the next task"),
    Fate.TAKEN: ("~", "taken over", "is taken over"),
    Fate.LEFT: ("-", "left behind", "stays with its rows, and nothing loads it"),
}
# So many collections of a source with the same change share a line.
_ALIKE: Final = 4


class Line(NamedTuple):
    """The mark is `+`, `-` or `~`."""

    mark: str
    kind: str
    name: str
    text: str


def lines_of(
    changes: Sequence[Change], tables: Sequence[TableChange], rows: Mapping[tuple[str, str], int], now: dt.datetime
) -> list[Line]:
    """A line for each change and each table; `rows` are those of tables whose number is known."""
    return [*_about_changes(changes, now), *_about_tables(tables, rows)]


def summary_of(changes: Sequence[Change], tables: Sequence[TableChange]) -> str:
    """What the lines come to, in a sentence."""
    if not changes and not tables:
        return "Nothing would change."
    verbs = Counter(verb for verb, *_ in {(change.verb, change.kind, change.subject) for change in changes})
    fates = Counter(table.fate for table in tables)
    words = [f"{verbs[verb]:,} {verb}" for verb in Verb if verbs[verb]]
    about_tables = [f"{fates[fate]:,} {words}" for fate, (_, words, _) in _FATES.items() if fates[fate]]
    return f"{', '.join(words)}." + (f" Tables: {', '.join(about_tables)}." if tables else "")


def _about_changes(changes: Sequence[Change], now: dt.datetime) -> Iterator[Line]:
    alike = Counter(map(_what, changes))
    told = set[tuple[str, ...]]()
    for change in changes:
        what = _what(change)
        if change.kind is not Kind.COLLECTION or change.verb is not Verb.CHANGED or alike[what] < _ALIKE:
            yield Line(_MARKS[change.verb], change.kind, change.subject, _text(change, now))
        elif what not in told:
            told.add(what)
            name = f"{change.source}: {count(alike[what], 'collection')}"
            # Each has a delay of its own.
            yield Line(_MARKS[change.verb], change.kind, name, _text(replace(change, delay=dt.timedelta()), now))


def _what(change: Change) -> tuple[str, ...]:
    """The same for changes that only have happened to other collections of a source."""
    return change.verb, change.kind, change.source, change.key, _value(change.before), _value(change.after)


def _about_tables(tables: Sequence[TableChange], rows: Mapping[tuple[str, str], int]) -> Iterator[Line]:
    for each in tables:
        mark, _, what = _FATES[each.fate]
        known = rows.get((each.destination, each.table))
        counted = "" if known is None else f" ({count(known, 'row')})"
        yield Line(mark, "table", f"{each.destination}: {each.table}", f"{what}: {each.reason}{counted}")


def _text(change: Change, now: dt.datetime) -> str:
    verb, starts = "starts" if change.delay else "fires", change.next_start_at
    fires = f", {verb} {ago_in_words(starts, now)}" if starts else ""
    if change.verb is Verb.CHANGED:
        if change.before is None and change.after is None and change.key != "schedule":
            return change.key
        unset = "on request" if change.key == "schedule" else "default"
        return f"{change.key}: {_value(change.before, unset)} → {_value(change.after, unset)}{fires}"
    if change.kind is Kind.COLLECTION:
        return f"{_value(change.after if change.verb is Verb.ADDED else change.before, 'on request')}{fires}"
    return ""


def _value(value: Any, unset: str = "") -> str:
    match value:
        case None:
            return unset
        case list():
            return ", ".join(map(str, value)) or "none"
        case str():
            return value
        case _:
            return json.dumps(value, ensure_ascii=False)
