"""The options of the destination `parquet`: where its files are."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field, field_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.options.addresses import WRITABLE, normalize_address
from app.connectors.options.installed import check_installed
from app.connectors.options.types import Options
from app.domain.naming import AS_IS, PlainNaming
from app.domain.writing import WriteMode

WRITE_MODES = (WriteMode.APPEND, WriteMode.REPLACE)
"""Files are added and replaced, but never changed."""


class ParquetDestinationOptions(Options):
    """A directory, local or in an object store; `storage_options` are passed to fsspec's file system."""

    type: Literal["parquet"] = "parquet"
    path: str = Field(min_length=1)
    storage_options: dict[str, Any] = Field(default_factory=dict, repr=False)
    naming: PlainNaming = AS_IS

    @field_validator("path")
    @classmethod
    def _parse_address(cls, path: str) -> str:
        check_installed("type 'parquet'", "files", "fsspec")
        return normalize_address(path, WRITABLE)


KINDS: Final[dict[str, DestinationKind]] = {
    "parquet": DestinationKind(
        ParquetDestinationOptions,
        "app.connectors.destinations.parquet.destination:ParquetDestination",
        WRITE_MODES,
        replaces_for_all=False,
        trial="app.connectors.destinations.parquet.trial:try_out",
        plan="app.connectors.destinations.parquet.plan:plan_tables",
        heavy=("fsspec", "pyarrow.parquet"),
        tries="write files, read them, remove them",
    ),
}
