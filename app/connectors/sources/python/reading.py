"""From what a function yields to a table, rows and checkpoints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.batches import is_full
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.sources.python.values import Refused, bookmark, plain, text_bytes
from app.connectors.values.inference import inferred
from syncline import Bookmark, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from app.connectors.sources.python.blame import Blame
    from app.domain.collection import CollectionJob

_LARGEST_RECORD_MEGABYTES: Final = 64
_END: Final = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How the rows arrive: what the catalogue says of the collection, and where it printed nothing the schema."""

    columns: dict[str, Kind]
    key: tuple[str, ...]
    cursor_field: str | None
    full_refresh: bool
    forgetful: bool
    """The catalogue asks for all rows of a function that can tell what is new: its bookmarks mean nothing."""
    intervals: bool

    @classmethod
    def of(cls, collection: CollectionJob, schema: Schema) -> Settings:
        cursor_field = collection.cursor_field or schema.cursor_field
        mode = collection.sync_mode or schema.mode or ("incremental" if cursor_field else "full_refresh")
        return cls(
            columns={name: Kind(kind) for name, kind in schema.columns.items()},
            key=tuple(collection.primary_key or schema.key),
            cursor_field=cursor_field,
            full_refresh=mode == "full_refresh",
            forgetful=collection.sync_mode == "full_refresh",
            intervals=schema.intervals,
        )


class Reading:
    """One call of the function. `call` makes it, with the bookmark that it is given."""

    def __init__(
        self, call: Callable[[Any], Any], declared: Schema, collection: CollectionJob, *, blame: Blame
    ) -> None:
        self._call = call
        self._collection = collection
        self._blame = blame
        self._settings = Settings.of(collection, declared)
        self._iterator: Any = None
        self._announced: Table | None = None
        self._given: list[Mapping[str, Any]] = []
        self._records: list[dict[str, Any]] = []
        self._size = 0
        self._uncovered = 0
        self._goes_on = False

    @property
    def settings(self) -> Settings:
        return self._settings

    def items(self, bookmark_text: str | None) -> Iterator[Table | Rows | Checkpoint]:
        """Everything that the function yields; raises `SynclineError` for what it must not do."""
        for item in self._start(None if self._settings.full_refresh and self._settings.forgetful else bookmark_text):
            if isinstance(item, Mapping):
                self._add(item)
                if is_full(len(self._records), self._size):
                    yield from self._flush()
            elif isinstance(item, Bookmark):
                yield from self._flush()
                yield from self._checkpoint(item)
            else:
                raise self._refusal(_unexpected(item))
        yield from self._flush()
        yield from self._finish()

    def _start(self, bookmark_text: str | None) -> Iterator[Any]:
        """What the function yields after its schema. Whoever reads everything anew must not be told a bookmark."""
        given = None if bookmark_text is None else json.loads(bookmark_text)
        items = self._run(given)
        first = next(items, _END)
        if isinstance(first, Schema):
            self._settings = Settings.of(self._collection, first)
            first = next(items, _END)
        if self._settings.full_refresh and given is not None:
            items.close()
            return self._start(None)
        self._goes_on = given is not None
        return items if first is _END else chain([first], items)

    def _run(self, given: Any) -> Generator[Any, None, None]:
        with self._blame.at():
            returned = self._call(given)
        if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes, Mapping)):
            raise self._blame.refusal(
                f"the function returned {_describe(returned)}: it has to yield records (dict), or return a list of them"
            )
        with self._blame.at():
            self._iterator = iter(returned)
            yield from self._iterator

    def _add(self, record: Mapping[str, Any]) -> None:
        fields: dict[str, Any] = {}
        size = 0
        for name, value in record.items():
            if type(name) is not str:
                raise self._refusal(f"a record has the field {name!r}: names of fields are text")
            try:
                text_bytes(name)  # refuses what is no text
                fields[name], taken = plain(value)
            except Refused as refused:
                raise self._refusal(f"field {name!r} cannot be taken: {refused}") from None
            size += taken + len(name)
        for name in self._settings.key:
            if fields.get(name) is None:
                raise self._refusal(f"a record has no value for the key {name!r}")
        if size > _LARGEST_RECORD_MEGABYTES << 20:
            raise self._refusal(f"a record takes more than {_LARGEST_RECORD_MEGABYTES} MB")
        # A copy: some functions fill and yield the same dict again and again.
        self._given.append(dict(record))
        self._records.append(fields)
        self._size += size
        self._uncovered += 1

    def _flush(self) -> Iterator[Table | Rows]:
        table = self._table()
        if table is not None and table != self._announced:
            yield table
            self._announced = table
        if table is None or not self._records:
            return
        yield Rows(table.name, self._records, self._size)
        self._given, self._records, self._size = [], [], 0

    def _table(self) -> Table | None:
        """The table with a column for every field that has had a value; None while nothing is known of it."""
        settings = self._settings
        columns = settings.columns if self._announced is None else self._announced.columns
        if not set().union(*self._given) <= columns.keys():
            columns = columns | inferred(self._given, known=columns)
        if not columns and not self._records:
            return self._announced
        if missing := [name for name in settings.key if name not in columns]:
            raise self._blame.refusal(f"the key names {', '.join(missing)}, valid are: {', '.join(columns)}")
        return Table(
            name=self._collection.table_name,
            columns=columns,
            key=settings.key,
            cursor_field=settings.cursor_field,
            full_refresh=settings.full_refresh,
        )

    def _checkpoint(self, reached: Bookmark) -> Iterator[Checkpoint]:
        if self._settings.forgetful:
            return
        if self._settings.full_refresh:
            raise self._refusal(
                "a Bookmark is yielded, but nothing says that the collection is incremental: "
                "declare Schema(mode='incremental'), or set sync_mode"
            )
        try:
            bookmark(reached.value)
        except Refused as refused:
            raise self._refusal(f"a Bookmark cannot be kept: {refused}") from None
        self._uncovered = 0
        self._goes_on = reached.value is not None
        yield Checkpoint(None if reached.value is None else json.dumps(reached.value, ensure_ascii=False))

    def _finish(self) -> Iterator[Table | Checkpoint]:
        settings = self._settings
        if settings.full_refresh:
            if self._announced is None:
                # No rows and no word on columns: what was there has to go all the same.
                yield Table(name=self._collection.table_name, columns={}, full_refresh=True)
            yield Checkpoint(None)
        elif self._goes_on and self._uncovered and not settings.key and not settings.cursor_field:
            raise self._blame.refusal(
                f"{self._uncovered} records come after the last Bookmark, and without a key or a cursor_field they "
                "would be loaded again by the next run: yield a Bookmark after them"
            )

    def _refusal(self, complaint: str) -> Exception:
        return self._blame.refusal(complaint, self._blame.place_in(self._iterator))


def _unexpected(item: Any) -> str:
    if isinstance(item, Schema):
        return "a Schema is yielded after something else: it comes first"
    return f"{_describe(item)} is yielded: records are dicts, and between them may be Bookmarks"


def _describe(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
