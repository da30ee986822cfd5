"""From the pages of one resource to its table and rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from app.connectors.contract.batches import is_full
from app.connectors.contract.passes import Rows
from app.connectors.contract.schema import Digits, Kind, Table
from app.connectors.values import jsontext
from app.connectors.values.inference import infer_kinds
from app.domain.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from app.connectors.sources.rest.api import Api
    from app.connectors.sources.rest.options import RestOptions
    from app.domain.collection import CollectionJob

_KINDS: Final = {
    "bool": Kind.BOOLEAN,
    "bigint": Kind.INTEGER,
    "decimal": Kind.DECIMAL,
    "double": Kind.FLOAT,
    "wei": Kind.BIG_INTEGER,
    "text": Kind.TEXT,
    "timestamp": Kind.TIMESTAMP,
    "date": Kind.DATE,
    "time": Kind.TIME,
    "json": Kind.JSON,
}


@dataclass(frozen=True, slots=True)
class Plan:
    """How a resource is read: `declared` are the columns with a configured type, `digits` those of decimals."""

    table_name: str
    key: tuple[str, ...]
    cursor_field: str | None
    full_refresh: bool
    incremental: bool
    declared: dict[str, Kind]
    digits: dict[str, Digits]

    @classmethod
    def of(cls, name: str, api: Api, options: RestOptions, collection: CollectionJob, *, table_name: str) -> Plan:
        """What the collection says comes first, then what the resource says.

        Raises:
            ConfigurationError: the two contradict each other.
        """
        columns = api.columns(name)
        own_key = key_of(columns)
        key = own_key if collection.primary_key is None else tuple(collection.primary_key)
        goes_on = api.is_incremental(name)
        disposition = _disposition(options.resource_config(name).get("write_disposition"), name)
        kept = goes_on or (disposition == "merge" and bool(key))
        mode = collection.sync_mode or ("incremental" if kept and disposition != "replace" else "full_refresh")
        if mode == "incremental" and not goes_on and not key:
            raise ConfigurationError(
                f"sync_mode: resource {name!r} needs 'incremental' or a primary key to be read incrementally"
            )
        if mode == "incremental" and api.lag(name) and not key:
            raise ConfigurationError(f"resource {name!r}: 'lag' reads rows again, so the resource needs a primary key")
        if mode == "incremental" and collection.lookback and not key and not collection.cursor_field:
            raise ConfigurationError(
                f"resource {name!r}: 'lookback' reads rows again, so the resource needs a primary key"
            )
        return cls(
            table_name=table_name,
            key=key,
            cursor_field=collection.cursor_field,
            full_refresh=mode == "full_refresh",
            incremental=mode == "incremental" and goes_on,
            declared={field: kind for field, kind in kinds_of(columns).items() if kind is not None},
            digits=digits_of(columns),
        )


def key_of(columns: dict[str, Any]) -> tuple[str, ...]:
    """The columns that identify a row, from dlt's description of the columns."""
    return tuple(field for field, column in columns.items() if column.get("primary_key"))


def kinds_of(columns: dict[str, Any]) -> dict[str, Kind | None]:
    """Their kinds, from dlt's description; None where the values decide."""
    return {field: _kind_of(column) for field, column in columns.items()}


def digits_of(columns: dict[str, Any]) -> dict[str, Digits]:
    """The digits of their decimals, as far as the description has them."""
    decimals = {field: column for field, column in columns.items() if _kind_of(column) is Kind.DECIMAL}
    found = {field: Digits.of(column.get("precision"), column.get("scale", 0)) for field, column in decimals.items()}
    return {field: digits for field, digits in found.items() if digits}


def _kind_of(column: dict[str, Any]) -> Kind | None:
    if column.get("data_type") == "timestamp" and column.get("timezone") is False:
        return Kind.LOCAL_TIMESTAMP
    return _KINDS.get(column.get("data_type", ""))


def _disposition(configured: Any, name: str) -> Any:
    """What to do with earlier rows: merge, append or replace; None if not configured."""
    if not isinstance(configured, dict):
        return configured
    if configured.get("strategy") not in (None, "delete-insert", "upsert"):
        raise ConfigurationError(
            f"resource {name!r}: write_disposition strategy {configured['strategy']!r} is not supported; "
            "choose one of delete-insert, upsert"
        )
    return configured.get("disposition")


class Reading:
    """Records of one resource: the first ones decide the types of undeclared columns."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._table: Table | None = None
        self._records: list[dict[str, Any]] = []
        self._size = 0

    def items(self, page: list[Any]) -> Iterator[Table | Rows]:
        # dlt's name for a value that is not an object.
        records = [each if isinstance(each, dict) else {"value": each} for each in page]
        self._records += records
        self._size += len(jsontext.encode(records))
        if is_full(len(self._records), self._size):
            yield from self.flush()

    def flush(self) -> Iterator[Table | Rows]:
        """The records that wait for a full batch."""
        if not self._records:
            return
        known = self._plan.declared if self._table is None else self._table.columns
        columns = known | infer_kinds(self._records, known=known, json=True)
        if self._table is None or columns != self._table.columns:
            yield self._announce(columns)
        yield Rows(self._plan.table_name, self._records, self._size)
        self._records, self._size = [], 0

    def end(self) -> Iterator[Table | Rows]:
        yield from self.flush()
        if self._table is None and self._plan.full_refresh:
            # Without rows, earlier ones must still be removed.
            yield self._announce(self._plan.declared if set(self._plan.key) <= self._plan.declared.keys() else {})

    def _announce(self, columns: dict[str, Kind]) -> Table:
        plan = self._plan
        missing = [name for name in plan.key if name not in columns]
        if missing and self._records:
            raise ConfigurationError(
                f"the primary key names {', '.join(map(repr, missing))}, which no record has; "
                f"choose from {', '.join(map(repr, columns))}"
            )
        self._table = Table(
            name=plan.table_name,
            columns=columns,
            key=() if missing else plan.key,
            cursor_field=plan.cursor_field,
            full_refresh=plan.full_refresh,
            digits=plan.digits,
            inferred=frozenset(columns.keys() - plan.declared.keys()),
            declared_by_user=True,
        )
        return self._table
