"""From what a function yields to a table, rows and checkpoints."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.batches import is_full
from app.connectors.contract.bookmarks import READS_EVERYTHING
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.reads import READS
from app.connectors.contract.schema import Table, parse_type
from app.connectors.sources.python.values import Refused, check_bookmark, plain_value, text_bytes
from app.connectors.values.inference import infer_kinds
from syncline import Bookmark, Schema

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator

    from app.connectors.contract.schema import Digits, Kind
    from app.connectors.sources.python.blame import Blame
    from app.domain.collection import CollectionJob

_LARGEST_RECORD_MEGABYTES: Final = 64
_END: Final = object()


@dataclasses.dataclass(frozen=True, slots=True)
class Settings:
    """How the rows arrive: as the catalogue says, or else as the schema does."""

    columns: dict[str, Kind]
    digits: dict[str, Digits]
    key: tuple[str, ...]
    cursor_field: str | None
    full_refresh: bool
    forgetful: bool
    """The catalogue asks for all rows, whatever the function's bookmarks are."""
    intervals: bool

    @classmethod
    def of(cls, collection: CollectionJob, schema: Schema) -> Settings:
        cursor_field = collection.cursor_field or schema.cursor_field
        types = {name: parse_type(given) for name, given in schema.columns.items()}
        mode = collection.sync_mode or schema.mode or ("incremental" if cursor_field else "full_refresh")
        return cls(
            columns={name: kind for name, (kind, _) in types.items()},
            digits={name: digits for name, (_, digits) in types.items() if digits},
            key=tuple(collection.primary_key or schema.key),
            cursor_field=cursor_field,
            full_refresh=mode == "full_refresh",
            forgetful=collection.sync_mode == "full_refresh",
            intervals=schema.intervals,
        )


class Reading:
    """One call of the function; `call` makes it with the given bookmark."""

    def __init__(
        self,
        call: Callable[[Any], Any],
        declared: Schema,
        collection: CollectionJob,
        *,
        blame: Blame,
        bookmark_was_set: bool = False,
    ) -> None:
        self._call = call
        self._collection = collection
        self._blame = blame
        self._bookmark_was_set = bookmark_was_set
        self._settings = Settings.of(collection, declared)
        self._iterator: Any = None
        self._announced: Table | None = None
        self._raw_records: list[Mapping[str, Any]] = []
        self._records: list[dict[str, Any]] = []
        self._size = 0
        self._uncovered = 0
        self._goes_on = False

    @property
    def settings(self) -> Settings:
        return self._settings

    def items(self, bookmark_text: str | None) -> Iterator[Table | Rows | Checkpoint]:
        """Everything that the function yields; raises `SynclineError` for what it must not yield."""
        for item in self._start(None if self._settings.full_refresh and self._settings.forgetful else bookmark_text):
            READS.note()
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
        """What the function yields after its schema. A full refresh must not pass it a bookmark."""
        bookmark = None if bookmark_text is None else json.loads(bookmark_text)
        items = self._run(bookmark)
        first = next(items, _END)
        if isinstance(first, Schema):
            self._settings = Settings.of(self._collection, first)
            first = next(items, _END)
        if self._settings.full_refresh and bookmark is not None:
            items.close()
            if self._bookmark_was_set:
                raise self._blame.refusal(f"the bookmark that was set by hand cannot be used: {READS_EVERYTHING}")
            return self._start(None)
        self._goes_on = bookmark is not None
        self._refuse_to_double()
        return items if first is _END else chain([first], items)

    def _refuse_to_double(self) -> None:
        settings = self._settings
        if self._collection.lookback and not (settings.full_refresh or settings.key or settings.cursor_field):
            raise self._blame.refusal(
                "'lookback' reads records again, and without a key or a cursor_field they would be loaded twice: "
                "declare a key"
            )

    def _run(self, bookmark: Any) -> Generator[Any, None, None]:
        with self._blame.at():
            returned = self._call(bookmark)
        if not isinstance(returned, Iterable) or isinstance(returned, (str, bytes, Mapping)):
            raise self._blame.refusal(
                f"the function returned {_describe(returned)}; it must yield records (dicts) or return a list of them"
            )
        with self._blame.at():
            self._iterator = iter(returned)
            yield from self._iterator

    def _add(self, record: Mapping[str, Any]) -> None:
        fields: dict[str, Any] = {}
        size = 0
        for name, value in record.items():
            if type(name) is not str:
                raise self._refusal(f"a record has the field {name!r}; names of fields must be strings")
            try:
                text_bytes(name)  # refuses lone surrogates
                fields[name], taken = plain_value(value)
            except Refused as refused:
                raise self._refusal(f"field {name!r} cannot be loaded: {refused}") from None
            size += taken + len(name)
        for name in self._settings.key:
            if fields.get(name) is None:
                raise self._refusal(f"a record has no value for the key field {name!r}")
        if size > _LARGEST_RECORD_MEGABYTES << 20:
            raise self._refusal(f"a record is larger than {_LARGEST_RECORD_MEGABYTES} MiB")
        # A copy: some functions yield the same dict again and again.
        self._raw_records.append(dict(record))
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
        self._raw_records, self._records, self._size = [], [], 0

    def _table(self) -> Table | None:
        """The table with a column for every field that had a value; None while there is none."""
        settings = self._settings
        columns = settings.columns if self._announced is None else self._announced.columns
        if not set().union(*self._raw_records) <= columns.keys():
            columns = columns | infer_kinds(self._raw_records, known=columns)
        if not columns and not self._records:
            return self._announced
        if missing := [name for name in settings.key if name not in columns]:
            unknown, known = (", ".join(map(repr, each)) for each in (missing, columns))
            raise self._blame.refusal(f"the key names the unknown field {unknown}; choose from {known}")
        return Table(
            name=self._collection.table_name,
            columns=columns,
            key=settings.key,
            cursor_field=settings.cursor_field,
            full_refresh=settings.full_refresh,
            digits=settings.digits,
            inferred=frozenset(columns.keys() - settings.columns.keys()),
            declared_by_user=True,
        )

    def _checkpoint(self, reached: Bookmark) -> Iterator[Checkpoint]:
        if self._settings.forgetful:
            return
        if self._settings.full_refresh:
            raise self._refusal(
                "the function yielded a Bookmark, but the collection is not incremental; "
                "declare Schema(mode='incremental') or set 'sync_mode: incremental'"
            )
        try:
            check_bookmark(reached.value)
        except Refused as refused:
            raise self._refusal(f"a Bookmark cannot be saved: {refused}") from None
        self._uncovered = 0
        self._goes_on = reached.value is not None
        yield Checkpoint(None if reached.value is None else json.dumps(reached.value, ensure_ascii=False))

    def _finish(self) -> Iterator[Table | Checkpoint]:
        settings = self._settings
        if settings.full_refresh:
            if self._announced is None:
                # Without rows and columns, earlier rows must still be removed.
                yield Table(name=self._collection.table_name, columns={}, full_refresh=True)
            yield Checkpoint(None)
        elif self._goes_on and self._uncovered and not settings.key and not settings.cursor_field:
            raise self._blame.refusal(
                f"{self._uncovered} records come after the last Bookmark; without a key or a cursor_field the next run "
                "would load them again. Yield a Bookmark after them"
            )

    def _refusal(self, complaint: str) -> Exception:
        return self._blame.refusal(complaint, self._blame.place_in(self._iterator))


def _unexpected(item: Any) -> str:
    if isinstance(item, Schema):
        return "the function yielded a Schema after something else; yield it first"
    return f"the function yielded {_describe(item)}; yield records (dicts), and Bookmarks between them"


def _describe(value: Any) -> str:
    return "None" if value is None else f"a value of type {type(value).__name__}"
