"""The options of the destination `duckdb`: where its file is."""

from __future__ import annotations

from typing import Final, Literal, Self

from pydantic import Field, model_validator

from app.connectors.contract.kind import DestinationKind
from app.connectors.options.installed import check_installed
from app.connectors.options.types import Options


class DuckdbDestinationOptions(Options):
    """A database file; tables are created in `schema`."""

    type: Literal["duckdb"] = "duckdb"
    path: str = Field(min_length=1)
    schema_: str = Field(default="main", alias="schema", min_length=1)

    @model_validator(mode="after")
    def _check_packages(self) -> Self:
        check_installed("type 'duckdb'", "duckdb", "duckdb")
        return self


KINDS: Final[dict[str, DestinationKind]] = {
    "duckdb": DestinationKind(
        DuckdbDestinationOptions, "app.connectors.destinations.duckdb.destination:DuckdbDestination"
    ),
}
