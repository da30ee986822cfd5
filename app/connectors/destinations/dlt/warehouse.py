"""One of dlt's destinations, made from its options, with clients for its dataset."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from app.connectors.dlt.runtime import isolate, translate_errors
from app.domain.without_secrets import without_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from dlt.common.destination import DestinationCapabilitiesContext
    from dlt.common.schema import Schema

    from app.connectors.destinations.dlt.options import DltDestinationOptions

# Files that only one process at a time may open.
_ONE_AT_A_TIME: Final = frozenset({"duckdb"})
# They have no transactions over several statements, but can swap or clone tables atomically.
_SWAPPING: Final = frozenset({"bigquery", "clickhouse", "databricks", "snowflake"})


class Warehouse:
    """`factory` and `staging` are objects of dlt.

    Raises:
        ConfigurationError: dlt rejects the options; its message, with secrets masked.
    """

    def __init__(self, options: DltDestinationOptions, *, home: Path, locks: Path) -> None:
        self.dataset = options.dataset
        self.name = options.name
        self.config = options.model_dump()
        self._may_change = options.from_files
        # Attempts before and after a rotation take the same lock.
        lasting = without_secrets(self.config)
        identity = hashlib.sha256(json.dumps(lasting, sort_keys=True, default=str).encode()).hexdigest()[:16]
        self._lock = locks / f".dlt-{identity}.lock"
        isolate(home)
        from dlt.common.destination import Destination  # noqa: PLC0415 -- dlt takes seconds

        with self.translate_errors("dlt does not accept the configuration"):
            settings = {key: value for key, value in options.settings.items() if key != "credentials"}
            settings |= self._replacing()
            self.factory: Any = Destination.from_reference(options.name, credentials=options.credentials, **settings)
            self.staging: Any = None
            if options.staging is not None:
                self.staging = Destination.from_reference("filesystem", **options.staging)

    @property
    def is_of_files(self) -> bool:
        return self.name == "filesystem"

    def capabilities(self, schema: Schema) -> DestinationCapabilitiesContext:
        found: DestinationCapabilitiesContext = self.factory.capabilities(naming=schema.naming)
        return found

    @contextlib.contextmanager
    def client(self, schema: Schema | None = None) -> Iterator[Any]:
        """A client of the dataset, connected; `schema` gets the destination's naming."""
        from dlt.common.schema import Schema as DltSchema  # noqa: PLC0415 -- dlt takes seconds
        from dlt.dataset.utils import get_destination_clients  # noqa: PLC0415

        client, _ = get_destination_clients(
            schema or DltSchema("syncline"),
            destination=self.factory,
            destination_dataset_name=self.dataset,
            staging=self.staging,
            staging_dataset_name=self.dataset,
        )
        with client:
            yield client

    @staticmethod
    def as_stored(schema: Any) -> Any:
        """`schema` as if it had been loaded from storage: dlt creates tables for no other."""
        from dlt.common.schema import Schema  # noqa: PLC0415 -- dlt takes seconds

        return Schema.from_dict(schema.to_dict())

    def translate_errors(self, doing: str) -> contextlib.AbstractContextManager[None]:
        return translate_errors(doing, config=self.config, may_change=self._may_change)

    @contextlib.contextmanager
    def changing_schema(self) -> Iterator[None]:
        """Keeps others on this machine from changing tables: concurrent DDL fails instead of waiting."""
        with self._lock.open("w") as gate:
            fcntl.flock(gate, fcntl.LOCK_EX)
            yield

    def loading(self) -> contextlib.AbstractContextManager[None]:
        return self.changing_schema() if self.name in _ONE_AT_A_TIME else contextlib.nullcontext()

    def _replacing(self) -> dict[str, Any]:
        """Existing rows stay readable until the new ones are complete: by a swap, or by one transaction.

        With DELETE: TRUNCATE ends the transaction in some databases, and empties the table for all readers in others.
        """
        if self.is_of_files:
            return {}
        if self.name in _SWAPPING:
            return {"replace_strategy": "staging-optimized"}
        return {"replace_strategy": "insert-from-staging", "supports_truncate_command": False}
