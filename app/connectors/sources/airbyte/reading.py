"""From a connector's messages to tables, rows and checkpoints, of the streams that are wanted."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from app.connectors.contract.batches import is_full
from app.connectors.contract.passes import Checkpoint, Rows
from app.connectors.contract.schema import Kind, Table
from app.connectors.programs.coverage import Uncovered
from app.connectors.programs.table_names import shared_table_error, table_name
from app.connectors.programs.unknown_streams import UnknownStreams
from app.connectors.sources.airbyte.catalog import find_choice, is_unwanted
from app.connectors.sources.airbyte.messages import Descriptor
from app.domain.collection import ALL
from app.domain.errors import ConfigurationError, SynclineError
from app.domain.writing import WriteMode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from app.connectors.contract.passes import Log
    from app.connectors.programs.late_fields import LateFields
    from app.connectors.sources.airbyte.catalog import Choice
    from app.connectors.sources.airbyte.messages import (
        ConnectionStatus,
        EstimateTrace,
        Message,
        Record,
        State,
        StatusTrace,
    )
    from app.connectors.sources.airbyte.options import AirbyteOptions
    from app.connectors.sources.airbyte.states import States
    from app.domain.collection import CollectionJob


DELETE_MARKER = "_ab_cdc_deleted_at"
"""Connectors that read a database's log give it a value in the RECORD of a deleted row."""


class Reading:
    """Turns a connector's messages into tables, rows and checkpoints; `offers` are the streams that its catalog has.

    `check_status` gets its connection status, and raises if it says that it cannot connect.
    """

    def __init__(
        self,
        options: AirbyteOptions,
        collection: CollectionJob,
        choices: dict[Descriptor, Choice],
        states: States,
        late: LateFields,
        *,
        offers: Sequence[Descriptor],
        check_status: Callable[[ConnectionStatus], None],
        log: Log,
    ) -> None:
        self._choices = choices
        names = _table_names(options, collection, choices)
        self._tables = {each.descriptor: _table(each, names[each.descriptor]) for each in choices.values()}
        self._states = states
        self._late = late
        self._offers = offers
        self._check_status = check_status
        self._strangers = UnknownStreams(map(str, choices), program="the connector")
        self._collection = collection
        self._log = log
        self._begun: Descriptor | None = None
        self._records: list[dict[str, Any]] = []
        self._size = 0
        self._uncovered = Uncovered[Descriptor]()
        self._left_out: set[Descriptor] = set()
        self._statuses: dict[Descriptor, str] = {}
        self._read: Counter[Descriptor] = Counter()
        self._estimates: dict[Descriptor, float] = {}

    def items(self, messages: Iterable[tuple[Message, int]]) -> Iterator[Table | Rows | Checkpoint]:
        """Raises `SynclineError` if the connector did not send everything."""
        # Announced first, so that a stream without records has a table, too, or an empty one.
        yield from self._tables.values()
        self._warn_of_unknown_cursors()
        for message, size in messages:
            if message.record is not None:
                yield from self._take_record(message.record, size)
            elif message.state is not None:
                yield from self._rows()
                yield from self._reach(message.state)
            elif message.trace is not None:
                self._take_trace(message.trace.stream_status, message.trace.estimate)
            elif message.connection_status is not None:
                self._check_status(message.connection_status)
        yield from self._rows()
        self._check_complete()
        yield Checkpoint(self._bookmark())

    def _warn_of_unknown_cursors(self) -> None:
        if self._collection.write_mode is WriteMode.APPEND:
            return
        for choice in self._choices.values():
            if choice.newest_by and not self._tables[choice.descriptor].newest_by:
                self._log(
                    "warn",
                    f"the catalog does not describe {'.'.join(choice.newest_by)!r}, the cursor of stream "
                    f"{str(choice.descriptor)!r}: of rows with the same key, the one that comes last is kept instead "
                    "of the one with the highest cursor",
                )

    def progress(self) -> float | None:
        """The share of the expected records that is read; None while the connector has not estimated all streams."""
        expected = sum(self._estimates.values())
        if not expected or self._estimates.keys() != self._choices.keys():
            return None
        return min(1.0, sum(self._read.values()) / expected)

    def _take_record(self, record: Record, size: int) -> Iterator[Table | Rows]:
        descriptor = Descriptor(record.stream, record.namespace)
        if record.file_reference is not None or record.file is not None:
            self._refuse_file(descriptor)
        if descriptor != self._begun or is_full(len(self._records), self._size):
            yield from self._rows()
            self._begun = descriptor
        self._records.append(record.data)
        self._size += size

    def _rows(self) -> Iterator[Table | Rows]:
        if not self._records or self._begun is None:
            return
        choice = find_choice(self._choices, self._begun)
        records, size = self._records, self._size
        self._records, self._size = [], 0
        if choice is None:
            self._leave_out(self._begun)
            return
        self._read[choice.descriptor] += len(records)
        self._strangers.note_wanted(str(choice.descriptor))
        table = self._tables[choice.descriptor]
        if (wider := self._late.with_late_fields(str(choice.descriptor), table, records)) is not None:
            table = self._tables[choice.descriptor] = wider
            yield table
        self._uncovered.note_rows(
            choice.descriptor, full_refresh=choice.full_refresh, key=choice.key, cursor_field=choice.cursor_field
        )
        yield Rows(table.name, records, size)

    def _leave_out(self, descriptor: Descriptor) -> None:
        unwanted = is_unwanted(self._offers, self._choices, descriptor)
        if not unwanted:
            self._refuse_ambiguous(descriptor)
            self._strangers.note_unknown(str(descriptor))
        if descriptor in self._left_out:
            return
        self._left_out.add(descriptor)
        stream = f"stream {str(descriptor)!r}"
        if unwanted:
            self._log("info", f"skipping {stream}: it is not part of the collection {self._collection.name!r}")
        else:
            self._log("warn", f"skipping {stream}: it is not in the catalog")

    def _refuse_ambiguous(self, descriptor: Descriptor) -> None:
        alike = [str(each) for each in self._choices if each.name == descriptor.name]
        if descriptor.namespace is None and alike:
            raise ConfigurationError(
                f"the connector sent records of stream {descriptor.name!r} without a namespace, which may belong to "
                f"any of {', '.join(map(repr, alike))}; give a 'catalog' in which only one stream has this name"
            )

    def _refuse_file(self, descriptor: Descriptor) -> None:
        """The connector saved it in a directory of its own, which is removed with the attempt."""
        if find_choice(self._choices, descriptor) is not None:
            raise ConfigurationError(
                f"the connector sent a file with a record of stream {str(descriptor)!r}, and files are not loaded: "
                "set 'delivery_method: {delivery_type: use_records_transfer}' in the connector's 'config', or leave "
                "the stream out"
            )

    def _reach(self, state: State) -> Iterator[Checkpoint]:
        covered = self._states.take(state)
        found = (find_choice(self._choices, each) for each in covered or ())
        self._uncovered.cover(None if covered is None else {each.descriptor for each in found if each})
        # Rows without identity must not be committed before the state that covers them, and that must not cover rows
        # of a wanted stream that came under another name.
        if not self._uncovered and not self._strangers:
            yield Checkpoint(self._bookmark())

    def _bookmark(self) -> str | None:
        """None if everything is read again each time, which an old connector's state would not show."""
        anew = all(choice.full_refresh for choice in self._choices.values())
        return None if anew else self._states.bookmark()

    def _take_trace(self, status: StatusTrace | None, estimate: EstimateTrace | None) -> None:
        if status is not None:
            self._statuses[status.stream_descriptor] = status.status
        if estimate is not None and estimate.row_estimate is not None:
            choice = find_choice(self._choices, Descriptor(estimate.name, estimate.namespace))
            if choice is not None:
                self._estimates[choice.descriptor] = estimate.row_estimate

    def _check_complete(self) -> None:
        if halves := [str(each) for each, status in self._statuses.items() if status != "COMPLETE"]:
            raise SynclineError(f"the connector ended without completing {', '.join(map(repr, sorted(halves)))}")
        self._strangers.refuse(may_be_outdated=self._late.may_be_outdated)
        self._uncovered.refuse("the connector")


def _table(choice: Choice, name: str) -> Table:
    return Table(
        name=name,
        columns=choice.columns,
        key=choice.key,
        cursor_field=choice.cursor_field,
        full_refresh=choice.full_refresh,
        newest_by=_newest_by(choice),
        digits=choice.digits,
        nested=choice.nested,
        partial=True,
        delete_marker=DELETE_MARKER,
    )


def _newest_by(choice: Choice) -> tuple[str, ...]:
    """The path to the cursor, if the catalog describes its column."""
    kind = choice.columns.get(next(iter(choice.newest_by), ""))
    is_there = kind is Kind.JSON if len(choice.newest_by) > 1 else kind is not None
    return choice.newest_by if is_there else ()


def _table_names(
    options: AirbyteOptions, collection: CollectionJob, choices: dict[Descriptor, Choice]
) -> dict[Descriptor, str]:
    """A collection has its own table; streams of the collection `all` have one each."""
    if collection.type != ALL:
        return dict.fromkeys(choices, collection.table_name)
    often = Counter(descriptor.name for descriptor in choices)
    names: dict[Descriptor, str] = {}
    for descriptor in choices:
        configured = options.stream_table_names.get(str(descriptor)) or options.stream_table_names.get(descriptor.name)
        shown = str(descriptor) if often[descriptor.name] > 1 else descriptor.name
        names[descriptor] = configured or table_name(shown, collection, prefix=options.stream_table_name_prefix)
    for name, count in Counter(names.values()).items():
        if count > 1:
            raise shared_table_error(name)
    return names
