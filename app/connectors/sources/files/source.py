"""Files as a source: local, over HTTP, in S3 or Google Cloud Storage; only what is new or has changed is read.

A file is one unit: a checkpoint follows it, and the bookmark holds a signature of each loaded file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.connectors.contract.blame import prefix_errors, subject_of
from app.connectors.contract.offers import column_types
from app.connectors.contract.passes import Checkpoint, Doubt, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.sources.files.aside import Aside
from app.connectors.sources.files.columns import Batch, Columns
from app.connectors.sources.files.lookalikes import lookalikes
from app.connectors.sources.files.notations import KINDS_OF, Notation
from app.connectors.sources.files.signatures import Bookmark
from app.connectors.sources.files.storage import Storage, mask_address
from app.connectors.sources.files.survey import Survey
from app.connectors.sources.files.unpacking import Part, parts_of
from app.domain.attempt_protocol import Offered
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import BAD_ROWS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from app.connectors.contract.passes import Item, Log
    from app.connectors.contract.schema import Digits
    from app.connectors.sources.files.options import FilesOptions, FilesParameters
    from app.connectors.sources.files.storage import Found
    from app.domain.attempt_protocol import SourceJob
    from app.domain.writing import Empty

_ADDED = {"_file": Kind.TEXT, "_line": Kind.INTEGER}


class FilesSource:
    def __init__(
        self, options: FilesOptions, parameters: FilesParameters, job: SourceJob, *, work_dir: Path, log: Log
    ) -> None:
        collection = job.collection
        self._subject = subject_of(job)
        self._parameters = parameters
        self._name = collection.name
        self._table_name = collection.table_name
        self._key = tuple(collection.primary_key or ())
        self._full_refresh = collection.sync_mode == "full_refresh"
        self._empty = parameters.empty or collection.empty
        self._aside = Aside(
            f"{self._table_name}{BAD_ROWS}" if parameters.bad_rows == "keep" else None,
            full_refresh=self._full_refresh,
            log=log,
        )
        self._storage = Storage(
            parameters.path,
            options.storage_options,
            work_dir=work_dir,
            order=parameters.order,
            may_change=options.from_files,
        )
        self._log = log
        self._told_alike: set[tuple[str, ...]] = set()
        self._total_bytes = self._done_bytes = self._file_bytes = self._within_bytes = 0
        if collection.cursor_field is not None:
            raise ConfigurationError(f"{self._subject}: files take no 'cursor_field'; new and changed files are read")

    def check(self) -> str:
        """Reads the files as a first task would, as far as a few seconds and megabytes go."""
        with prefix_errors(self._subject):
            found = self._find_some()
            table = self._new_table()
            survey = Survey(len(found))
            for file in found:
                if not survey.has_time:
                    break
                survey.read(self._items(file, table, again=False))
                file.forget()
            return survey.describe()

    def discover(self) -> Iterator[Offered]:
        """The columns in the beginning of the first file."""
        table = self._read_beginning()
        yield Offered(
            name=self._name,
            columns=column_types(table.kinds, table.columns.digits),
            key=list(self._key),
            sync_modes=["full_refresh", "incremental"],
        )

    def _read_beginning(self) -> _GrowingTable:
        with prefix_errors(self._subject):
            table = self._new_table()
            if isinstance(first := next(self._items(self._find_some()[0], table, again=False), None), Doubt):
                raise SynclineError(first.reason)
            return table

    def _find_some(self) -> list[Found]:
        if found := self._storage.find_files():
            return found
        raise self._no_files()

    def _new_table(self) -> _GrowingTable:
        return _GrowingTable(self._parameters, name=self._table_name, key=self._key, known=Bookmark())

    def read(self, bookmark: str | None) -> Iterator[Item]:
        with prefix_errors(self._subject):
            loaded = Bookmark.parse(bookmark)
            if (names := {mask_address(name): signature for name, signature in loaded.files.items()}) != loaded.files:
                # An earlier release kept the signatures of URLs.
                loaded.files = names
                yield Checkpoint(loaded.text())
            found = self._storage.find_files(loaded=loaded.files)
            if loaded.unmask({file.name: file.signature for file in found}):
                yield Checkpoint(loaded.text())
            if self._full_refresh:
                yield from self._read_all(found, loaded)
            else:
                yield from self._read_new(found, loaded)

    def progress(self) -> float | None:
        """By bytes of the files, and within a file by those of its rows, which are more if it is compressed."""
        total, within = self._total_bytes, min(self._within_bytes, self._file_bytes)
        return (self._done_bytes + within) / total if total else None

    def close(self) -> None:
        """Holds nothing between two files."""

    def _read_new(self, found: list[Found], loaded: Bookmark) -> Iterator[Item]:
        """Appends or upserts new and changed files; the rows of files that are gone stay."""
        wanted: list[Found] = []
        for file in found:
            if loaded.files.get(file.name) == file.signature:
                file.forget()
            else:
                wanted.append(file)
        self._log("info" if found else "warn", f"{len(wanted)} of {len(found)} files are new or changed")
        if not self._key:
            self._refuse_changed(wanted, loaded)
        table = _GrowingTable(self._parameters, name=self._table_name, key=self._key, known=loaded)
        self._measure(wanted)
        if wanted:
            yield from self._aside.announce()
        for file in wanted:
            yield from self._read_file(file, table, again=file.name in loaded.files)
            loaded.files[file.name] = file.signature
            yield Checkpoint(loaded.text())
        if wanted:
            self._warn_of_types(table)

    def _read_all(self, found: list[Found], loaded: Bookmark) -> Iterator[Item]:
        """Replaces the table with all files if one of them is new, changed or gone."""
        present = {file.name: file.signature for file in found}
        if loaded.files == present and present:
            self._log("info", f"none of the {len(found)} files has changed")
            return
        if not found:
            raise self._no_files()
        self._log("info", f"reading all {len(found)} files")
        table = _GrowingTable(
            self._parameters,
            name=self._table_name,
            key=self._key,
            known=Bookmark(),
            full_refresh=True,
            empty=self._empty,
        )
        self._measure(found)
        yield from self._aside.announce()
        for file in found:
            yield from self._read_file(file, table, again=False)
        if not table.kinds:
            # Files without rows have no columns, but the earlier rows must still be removed.
            yield Table(
                self._table_name,
                loaded.columns,
                self._key if loaded.columns else (),
                full_refresh=True,
                digits=loaded.digits,
                empty=self._empty,
                inferred=frozenset(loaded.columns),
            )
        self._warn_of_types(table)
        yield Checkpoint(Bookmark(files=present, columns=table.kinds, digits=table.columns.digits).text())

    def _refuse_changed(self, wanted: list[Found], loaded: Bookmark) -> None:
        if changed := [file.name for file in wanted if file.name in loaded.files]:
            others = f" (and {len(changed) - 1} more)" if len(changed) > 1 else ""
            raise ConfigurationError(
                f"{changed[0]}{others} has changed since it was loaded, and without a key its old rows cannot be told "
                "from the new ones; set 'primary_key', or 'sync_mode: full_refresh' to replace the table with all files"
            )

    def _warn_of_types(self, table: _GrowingTable) -> None:
        if unknown := [name for name in self._parameters.types if name not in table.kinds]:
            self._log("warn", f"'types' names columns that no file has: {', '.join(map(repr, unknown))}")
        for option, kinds in KINDS_OF.items():
            if option in self._parameters.model_fields_set and kinds.isdisjoint(table.kinds.values()):
                types = ", ".join(sorted(kind.value for kind in kinds))
                self._log("warn", f"{option!r} has no effect: no column has one of the types {types}; set 'types'")

    def _read_file(self, file: Found, table: _GrowingTable, *, again: bool) -> Iterator[Item]:
        self._log("info", f"reading {file.name}")
        self._file_bytes, self._within_bytes = file.size or 0, 0
        yield from self._items(file, table, again=again)
        # With a key the next run reads it again. Without one, half of it would stay for ever.
        if not (self._key and not self._full_refresh) and not self._storage.is_as_found(file):
            raise SynclineError(f"{file.name} has changed while it was being read")
        file.forget()
        self._done_bytes += self._file_bytes
        self._file_bytes = 0

    def _measure(self, wanted: list[Found]) -> None:
        sizes = [file.size for file in wanted]
        self._total_bytes = 0 if None in sizes else sum(size or 0 for size in sizes)

    def _items(self, file: Found, table: _GrowingTable, *, again: bool) -> Iterator[Item]:
        for part in parts_of(file, self._parameters, self._storage):
            is_empty = True
            good = 0
            yield from self._aside.begin(part.name, again=again)
            for batch in _batches(part, self._parameters, table.columns):
                is_empty = False
                records = self._add_columns(batch, part, table.kinds)
                good += len(records)
                self._within_bytes += batch.size
                if (records or table.kinds) and (announced := table.announcement(part.name)) is not None:
                    self._warn_of_lookalikes(announced, part)
                    yield announced
                if records:
                    yield Rows(self._table_name, records, batch.size)
                yield from self._aside.take(batch.bad, file=part.name)
            self._aside.end(part.name, good=good)
            if is_empty and self._full_refresh and self._empty == "refuse":
                yield Doubt(
                    f"{part.name} is empty, as if its export had failed, so it replaces no rows. "
                    "Export it again, or set 'empty: allow' if an empty file means that there are no rows"
                )
            elif is_empty and self._empty != "allow":
                self._log("warn", f"{part.name} is empty, as if its export had failed; it counts as loaded")

    def _warn_of_lookalikes(self, table: Table, part: Part) -> None:
        for names in lookalikes(table.columns):
            if tuple(names) not in self._told_alike:
                self._told_alike.add(tuple(names))
                shown = ", ".join(map(ascii, names))
                self._log("warn", f"{part.name}: these columns look the same, but have other characters: {shown}")

    def _add_columns(self, batch: Batch, part: Part, kinds: dict[str, Kind]) -> list[dict[str, Any]]:
        added = self._parameters.add_columns
        if not added:
            return batch.records
        for name in added:
            if any(name in record for record in batch.records):
                raise ConfigurationError(f"{part.name} already has a column {name!r}; remove it from 'add_columns'")
            kinds.setdefault(name, _ADDED[name])
        for record, line in zip(batch.records, batch.lines, strict=True):
            if "_file" in added:
                record["_file"] = part.name
            if "_line" in added:
                record["_line"] = line
        return batch.records

    def _no_files(self) -> ConfigurationError:
        return ConfigurationError("no file matches 'path'; the table stays as it is")


class _GrowingTable:
    """The collection's table, announced again whenever a file adds a column; `known` gets them, too."""

    def __init__(
        self,
        parameters: FilesParameters,
        *,
        name: str,
        key: tuple[str, ...],
        known: Bookmark,
        full_refresh: bool = False,
        empty: Empty | None = None,
    ) -> None:
        self.columns = Columns(
            parameters.types,
            key=key,
            known=known.columns,
            digits=known.digits,
            notation=Notation.of(parameters),
            closely=parameters.bad_rows != "refuse",
        )
        self._name = name
        self._key = key
        self._full_refresh = full_refresh
        self._empty = empty
        self._declared = parameters.types.keys()
        self._announced: tuple[dict[str, Kind], dict[str, Digits]] | None = None

    @property
    def kinds(self) -> dict[str, Kind]:
        return self.columns.kinds

    def announcement(self, file: str) -> Table | None:
        """The table if it has changed since it was announced; raises ConfigurationError if `file` lacks the key."""
        if self._announced == (self.kinds, self.columns.digits):
            return None
        if missing := [name for name in self._key if name not in self.kinds]:
            wanted, columns = (", ".join(map(repr, names)) for names in (missing, self.kinds))
            raise ConfigurationError(f"{file} has no column {wanted} for 'primary_key'; choose from {columns}")
        kinds, digits = self._announced = dict(self.kinds), dict(self.columns.digits)
        return Table(
            self._name,
            kinds,
            self._key,
            full_refresh=self._full_refresh,
            digits=digits,
            empty=self._empty,
            inferred=frozenset(kinds.keys() - self._declared),
            declared_by_user=True,
        )


def _batches(part: Part, parameters: FilesParameters, columns: Columns) -> Iterator[Batch]:
    """The rows of `part`. The reader of a format is imported with its first file."""
    match part.format:
        case "csv":
            from app.connectors.sources.files.delimited import read_csv  # noqa: PLC0415 -- only when needed

            return read_csv(part, parameters, columns)
        case "jsonl":
            from app.connectors.sources.files.jsonl import read_jsonl  # noqa: PLC0415 -- only when needed

            return read_jsonl(part, parameters, columns)
        case "parquet":
            from app.connectors.sources.files.parquet import read_parquet  # noqa: PLC0415 -- heavy

            return read_parquet(part, columns)
